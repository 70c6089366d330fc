"""What each program wants of a file: one table, every field of which can be set by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

from dinar.errors import InputError

PictureKind = Literal["png", "jpeg", "webp"]
Axes = Literal["world", "bones"]
Rest = Literal["a", "t"]
ProfileName = Literal["talkinghead", "unity", "unreal", "godot", "vrchat", "web", "blender", "mixamo"]


@dataclass(frozen=True)
class Profile:
    """How a person is written.

    prefix        before the names of joints: "mixamorig:" for Mixamo's own
    axes          "world": joints' frames lie along the world's axes at rest; "bones": y along the bone, as Mixamo's
    root          name of a node above the hips; None: the hips are the root
    rest          "a": the body's own A-pose; "t": a T-pose, which is baked into mesh, joints and facial actions
    speech        morph targets for speech beside ARKit's 52 (`speech/actions.py`)
    targets       names of the morph targets that are written; None: all
    shading       morph targets change normals as well, for faces that lamps shade
    parts         eyes and tongue are nodes of their own
    influences    joints that a vertex follows, 4 or 8
    triangles     at most; None: all of the body's
    texture_size  texels a side; None: the colours' own
    picture       what the texture is stored as
    lit           lamps shade the person
    packed        numbers of 8 and 16 bits, EXT_meshopt_compression
    """

    prefix: str = ""
    axes: Axes = "world"
    root: str | None = None
    rest: Rest = "a"
    speech: bool = True
    targets: tuple[str, ...] | None = None
    shading: bool = True
    parts: bool = False
    influences: int = 4
    triangles: int | None = None
    texture_size: int | None = None
    picture: PictureKind = "png"
    lit: bool = False
    packed: bool = False

    def __post_init__(self) -> None:
        if self.influences not in (4, 8):
            raise InputError(f"{self.influences} joints a vertex are not possible; give 4 or 8")
        for name, kinds in (("picture", PictureKind), ("axes", Axes), ("rest", Rest)):
            if getattr(self, name) not in get_args(kinds):
                raise InputError(f"{name} {getattr(self, name)} is not known; give one of {', '.join(get_args(kinds))}")
        if self.root is not None and not self.root.strip():
            raise InputError("a root node needs a name")

    def having(self, **fields: Any) -> Self:
        """The same with other fields; those that are None stay."""
        return replace(self, **{name: value for name, value in fields.items() if value is not None})


PAGES = (".html", ".htm")
"""How files are called that are web pages."""

PLAIN = Profile()

PAGE = Profile(axes="bones", triangles=12_000, texture_size=1024, picture="jpeg")
"""What a web page holds: small, and readable by every program that its file is downloaded for."""

_ENGINE = Profile(axes="bones", root="Armature", parts=True, lit=True, picture="jpeg")

PROFILES: Mapping[ProfileName, Profile] = {
    "talkinghead": _ENGINE.having(rest="t", texture_size=1024, triangles=20_000),
    "unity": _ENGINE.having(rest="t"),
    "unreal": _ENGINE,
    "godot": _ENGINE.having(rest="t"),
    "vrchat": _ENGINE.having(rest="t", triangles=19_900, texture_size=1024),
    "web": PLAIN.having(
        axes="bones", triangles=12_000, texture_size=1024, picture="webp", shading=False, packed=True
    ),
    "blender": _ENGINE.having(axes="bones", picture="png", influences=8),
    "mixamo": _ENGINE.having(prefix="mixamorig:", rest="t", speech=False, shading=False, parts=False),
}
"""
talkinghead  scene and joints as Ready Player Me's, whose poses it applies by name
unity        Mecanim and glTFast: a T-pose, four joints a vertex
unreal       Interchange and glTFRuntime: one root, an A-pose near the mannequin's
godot        a T-pose for its retargeting by name
vrchat       Medium rank on a phone: fewer than 20,000 triangles
web          2 MB at most: fewer triangles, WebP, packed; unlit, so no normals in its targets
blender      all that there is
mixamo       what its auto-rigger and its clips call joints; faces are not its business
"""


def profile(name: str | None, path: Path | None = None) -> Profile:
    """A profile of the table; for None `PLAIN`, or what a page or a .blend at `path` wants: `PAGE`, "blender".

    Raises InputError for an unknown name.
    """
    if name is None:
        kind = path.suffix.lower() if path is not None else None
        return PAGE if kind in PAGES else PROFILES["blender"] if kind == ".blend" else PLAIN
    if name not in PROFILES:
        raise InputError(f"no program is called {name}; give one of {', '.join(PROFILES)}")
    return PROFILES[name]
