"""What options mean: text to numbers, sizes, colours and devices, each checked before the work."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dinar.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def set_seed(seed: int) -> None:
    import torch

    torch.manual_seed(seed)


def usable_device(name: str) -> str:
    """A device that torch can use. Raises InputError for another."""
    import torch

    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"there is no device {name} here; `dinar doctor` says what there is") from error
    return name


def pixels_of(text: str | None) -> tuple[int, int] | None:
    """512 or 640x960 (width x height) as (H, W)."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and 16 <= int(side) <= 8192 for side in sides):
        raise InputError(f"--size {text} is no image size; give 512 or 640x960, each side from 16 to 8192")
    return int(sides[-1]), int(sides[0])


def colour_of(name: str, out: Path) -> Tensor | None:
    """A background [3] in [0, 1], None for a transparent one. Raises InputError for what is no colour."""
    import torch
    from PIL import ImageColor

    if name == "transparent":
        if out.suffix.lower() in (".mp4", ".jpg", ".jpeg"):
            raise InputError(f"{out} cannot be transparent; write a .png, a .webp, a .webm or a folder")
        return None
    try:
        return torch.tensor(ImageColor.getrgb(name)[:3]) / 255
    except ValueError as error:
        raise InputError(f"--background {name} is no colour; give white, #rrggbb or transparent") from error


def positive(option: str, value: float) -> float:
    if not 0 < value <= 3600:
        raise InputError(f"{option} {value:g} is not possible; give a number above 0 and at most 3600")
    return value


def within(option: str, value: int, least: int, most: int) -> None:
    """InputError for a whole number out of its range."""
    if not least <= value <= most:
        raise InputError(f"{option} {value} is not possible; give a number from {least} to {most}")


def expanded(paths: Iterable[Path]) -> list[Path]:
    """Files; a pattern of several (`*.jpg`) becomes what it matches, by name, as shells elsewhere than on Windows do.

    What is there by that name, and what matches nothing, stays as it is.
    """
    found: list[Path] = []
    for path in paths:
        pattern = any(sign in str(path) for sign in "*?") and not path.exists()
        found += [Path(name) for name in sorted(glob.glob(str(path)))] or [path] if pattern else [path]
    return found


def check_picture(out: Path) -> None:
    """InputError now rather than after the work, where `images.save` would not write `out`."""
    from dinar.files import check_file

    if out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise InputError(f"{out} has no known suffix; pictures are written as .png, .jpg or .webp")
    check_file(out)
