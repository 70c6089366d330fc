"""A photo to be looked at, and what its owner says about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Held = Literal["keep", "cut"]
Sex = Literal["f", "m", "unsure"]
Age = Literal["adult", "child"]


@dataclass(frozen=True)
class Said:
    """What the photo's owner says of the person.

    held     whether bags and what hands hold belong to them; None: what the parser takes for such is cut out, unless
             the mask is its owner's too
    labels   a label map of the upright photo, and whose labels it has (`label_maps.LABELS`)
    sex      None: their face is asked
    age      a child's proportions are other than an adult's
    """

    held: Held | None = None
    labels: tuple[Path, str] | None = None
    sex: Sex | None = None
    age: Age = "adult"


@dataclass(frozen=True)
class Source:
    """A photo, and what its owner says about it (see `photo.photo.look` and `photo.understanding.understood`)."""

    photo: Path
    person: int | None = None
    mask: Path | None = None
    keypoints: Path | None = None
    said: Said = Said()
