"""MakeHuman's clothes, shoes, hair, brows, eyes and skins, and how they fit the open body.

An asset is a mesh (.obj) whose every vertex hangs on three vertices of MakeHuman's base mesh (.mhclo), with materials
(.mhmat) that name its images.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from dinar.body.model import DATA, BodyModel
from dinar.errors import InputError
from dinar.synth.wigs import Wigs

KINDS = ("clothes", "hair", "eyebrows", "eyelashes", "eyes", "teeth")
_IMAGES = {"diffuseTexture": "diffuse", "normalmapTexture": "normal", "aomapTexture": "occlusion"}


@dataclass(frozen=True, eq=False)
class Asset:
    """One thing to wear.

    name      its file's stem
    kind      one of KINDS
    tags      what its author called it, lower case
    index     int64   [N, 3]  the body's vertices (helpers included) that a vertex hangs on
    weight    float32 [N, 3]  their shares
    offset    float32 [N, 3]  from there, in units of `unit`
    unit      three (vertex, vertex, length): an axis' unit is the distance of two vertices along it by `length`
    vertices  float32 [N, 3]  as modelled, metres
    faces     int64   [F, 3]
    uv        float32 [T, 2]  origin top left
    uv_faces  int64   [F, 3]
    hidden    int64   [M]     the body's vertices that it covers
    images    "diffuse", "normal", "occlusion" -> the image's path, where there is one
    """

    name: str
    kind: str
    tags: frozenset[str]
    index: np.ndarray
    weight: np.ndarray
    offset: np.ndarray
    unit: tuple[tuple[int, int, float], ...]
    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    uv_faces: np.ndarray
    hidden: np.ndarray
    images: dict[str, Path]

    def fit(self, body: np.ndarray) -> np.ndarray:
        """Its vertices [N, 3] on a body [V, 3] (helpers included), metres."""
        scale = np.array([abs(body[i, axis] - body[j, axis]) / d for axis, (i, j, d) in enumerate(self.unit)])
        return (body[self.index] * self.weight[..., None]).sum(1) + self.offset * scale.astype(np.float32)


class Wardrobe:
    """The assets of a folder laid out as `makehuman_cc0/` with `fabric/tiles/` beside it, and what is built of others.

    built  the folder of what tools have built (docs/synth.md); None: the folder `built` beside makehuman_cc0/, if any

    Raises InputError where there is no such folder.
    """

    def __init__(self, folder: str | Path, built: str | Path | None = None) -> None:
        self.folder = Path(folder)
        if built is not None and not Path(built).is_dir():
            raise InputError(f"there is no folder {built}")
        self.built = Path(built) if built is not None else self.folder / "built"
        self.root = self.folder / "makehuman_cc0"
        if not (self.root / "clothes").is_dir():
            raise InputError(f"{self.folder} holds no MakeHuman assets: it has no folder makehuman_cc0/clothes")
        self.model = BodyModel.open(helpers=True)
        with np.load(DATA / "open.npz", allow_pickle=False) as data:
            base_index = data["base_index"].astype(np.int64)
        self._position = np.full(base_index.max() + 1, -1)
        self._position[base_index] = np.arange(len(base_index))
        self.files = {kind: {p.stem: p for p in sorted((self.root / kind).glob("*/*.mhclo"))} for kind in KINDS}
        self.skins = {p.stem: p for p in sorted((self.root / "skins/textures").glob("*.webp"))}
        self.wigs = Wigs(self.built)
        self.irises = {p.stem: p for p in sorted((self.root / "eyes/materials").glob("*.webp"))}
        self.get = lru_cache(maxsize=None)(self._get)
        self.picture = lru_cache(maxsize=256)(self._picture)

    def names(self, kind: str, *tags: str) -> list[str]:
        """The names of a kind's assets that carry all of `tags`."""
        return [name for name in self.files[kind] if set(tags) <= self.get(kind, name).tags]

    @cached_property
    def fabrics(self) -> list[Path]:
        """Square tiles of cloth, each repeating; those padded with white are left out."""
        return [p for p in sorted((self.folder / "fabric/tiles").glob("*.png")) if not _padded(p)]

    def _get(self, kind: str, name: str) -> Asset:
        """An asset by kind and name. Raises InputError where it is not there or damaged."""
        try:
            return _read(self.files[kind][name], kind, self._position)
        except KeyError as error:
            raise InputError(f"{self.root} has no {kind} named {name}") from error

    def _picture(self, path: Path, size: int) -> np.ndarray:
        """An image as uint8 [size, size, 3 or 4]. Raises InputError where it cannot be read."""
        try:
            with Image.open(path) as image:
                mode = "RGBA" if image.has_transparency_data else "RGB"
                if mode == "RGBA":  # resized apart, so that invisible colours stay as painted
                    colour = image.convert("RGBA")
                    parts = [colour.getchannel(c).resize((size, size), Image.Resampling.BOX) for c in "RGBA"]
                    pixels = np.stack([np.asarray(part) for part in parts], axis=2)
                else:
                    pixels = np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BOX))
        except (OSError, UnidentifiedImageError) as error:
            raise InputError(f"{path} cannot be read as an image") from error
        pixels.flags.writeable = False
        return pixels


def _padded(path: Path) -> bool:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L"))
    return pixels.shape[0] != pixels.shape[1] or bool((pixels[-1] == 255).all() or (pixels[:, -1] == 255).all())


def _read(path: Path, kind: str, position: np.ndarray) -> Asset:
    """An asset from its .mhclo; `position` [.] gives our number of each vertex of MakeHuman's base mesh."""
    try:
        head, rows, hidden = _read_mhclo(path)
        vertices, uv, faces, uv_faces = _read_obj(path.parent / head["obj_file"][0])
        table = np.array([(r[0], r[0], r[0], 1, 0, 0, 0, 0, 0) if len(r) == 1 else r[:9] for r in rows], np.float64)
        if len(table) != len(vertices):
            raise ValueError(f"{len(table)} rows for {len(vertices)} vertices")
        unit = []
        for axis in "xyz":
            i, j, length = head[f"{axis}_scale"][:3]
            unit.append((int(position[int(i)]), int(position[int(j)]), float(length)))
        index = position[table[:, :3].astype(np.int64)]
        covered = position[np.array(sorted(hidden), np.int64)]
    except (OSError, KeyError, IndexError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error}") from error
    material = path.parent / head["material"][0] if "material" in head else None
    return Asset(
        name=path.stem,
        kind=kind,
        tags=frozenset(word.lower() for word in head["tags"]),
        index=index,
        weight=table[:, 3:6].astype(np.float32),
        offset=table[:, 6:9].astype(np.float32),
        unit=tuple(unit),
        vertices=(vertices / 10).astype(np.float32),
        faces=faces,
        uv=uv,
        uv_faces=uv_faces,
        hidden=covered[covered >= 0],
        images=_read_images(material, path.parent),
    )


def _read_mhclo(path: Path) -> tuple[dict[str, list[str]], list[list[float]], set[int]]:
    """Header, rows of the vertex table, and covered vertices. Header words may stand before and inside the table."""
    head: dict[str, list[str]] = {"tags": []}
    rows, hidden, section = [], set(), ""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] in ("verts", "delete_verts"):
            section = words[0]
        elif words[0] == "tag":
            head["tags"] += words[1:]
        elif not (words[0][0].isdigit() or words[0][0] == "-"):
            head[words[0]] = words[1:]
        elif section == "verts":
            rows.append([float(word) for word in words])
        elif section == "delete_verts":
            numbers = iter(range(len(words)))
            for k in numbers:
                first = last = int(words[k])
                if k + 2 < len(words) and words[k + 1] == "-":
                    last = int(words[k + 2])
                    next(numbers), next(numbers)
                hidden.update(range(first, last + 1))
    return head, rows, hidden


def _read_obj(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vertices float64 [N, 3], uv float32 [T, 2] (origin top left), faces and uv_faces int64 [F, 3]."""
    vertices, uv, faces, uv_faces = [], [], [], []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words[0] == "vt":
            uv.append([float(words[1]), 1 - float(words[2])])
        elif words[0] == "f":
            corners = [word.split("/") for word in words[1:]]
            v = [int(corner[0]) - 1 for corner in corners]
            t = [int(corner[1]) - 1 if len(corner) > 1 and corner[1] else 0 for corner in corners]
            for k in range(1, len(v) - 1):
                faces.append([v[0], v[k], v[k + 1]])
                uv_faces.append([t[0], t[k], t[k + 1]])
    return (
        np.array(vertices),
        np.array(uv or [[0, 0]], np.float32),
        np.array(faces, np.int64),
        np.array(uv_faces, np.int64),
    )


def _read_images(material: Path | None, folder: Path) -> dict[str, Path]:
    """The images that a .mhmat names and those that lie beside it, as far as they are there (.webp for .png)."""
    found = {}
    if material is not None and material.is_file():
        for line in material.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split()
            if len(words) > 1 and words[0] in _IMAGES:
                image = (material.parent / words[1]).with_suffix(".webp")
                if image.is_file():
                    found[_IMAGES[words[0]]] = image
    return found
