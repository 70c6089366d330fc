"""Options that several commands have: their types and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import tyro


def option(what: str, metavar: str | None = None, *, name: str | None = None, short: str | None = None) -> Any:
    """An option's help; defaults that say something stand in it."""
    aliases = [short] if short else None
    return tyro.conf.arg(help=what, metavar=metavar, name=name, aliases=aliases, help_behavior_hint="")


def out_option(what: str) -> Any:
    return option(what, "PATH", short="-o")


Positional = tyro.conf.Positional
AvatarPath = Annotated[Path, Positional, option("what `dinar create` made: a folder or a .zip", "AVATAR")]
MOTIONS = "walk, turn, wave, dance, or a .bvh, .npz (AMASS too), .smpl, .glb (.glb#clip), .vrma or .json"
Smplx = Annotated[Path | None, option("your own SMPLX_*.npz in place of the open body", "FILE")]
Seed = Annotated[int, option("the same seed gives the same result (default: 0)", "N")]
Inpaint = Annotated[bool, option("paint what no photo shows by diffusion (default: where there are weights for it)")]
Layers = Annotated[bool, option("skirts as geometry of their own (default: where the photo's parts show one)")]
Refine = Annotated[
    Literal["residuals", "paper", "none"],
    option("bring the drawing to the photos: by what is left of them (default), by the paper's gradients, or not"),
]
Seeds = Annotated[
    int, option("so many avatars with other unseen sides, and a picture of their backs (default: 1)", "N")
]
Device = Annotated[str, option("cpu (default), or cuda where there is one", "NAME")]
Size = Annotated[str | None, option("image size in pixels (default: 768, for the photo view the photo's)", "N|WxH")]
Background = Annotated[str, option("white (default), #rrggbb, ..., or transparent (not in .mp4 and .jpg)", "COLOUR")]
Held = Annotated[
    Literal["keep", "cut"] | None,
    option("bags and what hands hold: cut them out of the mask (default, but for your own mask), or keep them"),
]
PartsKind = Annotated[
    Literal["dinar", "lip", "atr"], option("whose labels --parts has: our own (default), or LIP's or ATR's (SCHP)")
]
Sex = Annotated[
    Literal["f", "m", "unsure"] | None, option("the person's sex, for the body's shape (default: by the face)")
]
Age = Annotated[Literal["adult", "child"], option("whose proportions are likely: an adult's (default), or a child's")]
Renderer = Annotated[
    Literal["neural", "texture"] | None,
    option("neural (default where the avatar's weights are at hand), or the plain texture", "NAME"),
]
Stiff = Annotated[
    bool, tyro.conf.FlagCreatePairsOff, option("a skirt follows the body alone: it does not swing or lie on it")
]
Json = Annotated[
    bool, tyro.conf.FlagCreatePairsOff, option("print one JSON object on stdout and nothing else there", name="json")
]
