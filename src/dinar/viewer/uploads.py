"""What may be dropped on the page, and what it is called; nobody's file name ever becomes a path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from dinar.errors import InputError

_LONGEST_LABEL = 40


@dataclass(frozen=True)
class Kind:
    """A kind of file that is taken.

    what        photo, motion or avatar
    suffix      of the file that it is kept in: from this table, not from the sender
    most_bytes  of one file
    """

    what: Literal["photo", "motion", "avatar"]
    suffix: str
    most_bytes: int


_MEGABYTE = 1 << 20
_PHOTOS = ".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif"
KINDS = {
    **{suffix: Kind("photo", suffix, 50 * _MEGABYTE) for suffix in _PHOTOS},
    **{suffix: Kind("motion", suffix, 50 * _MEGABYTE) for suffix in (".bvh", ".npz", ".smpl", ".glb", ".vrma")},
    ".zip": Kind("avatar", ".zip", 500 * _MEGABYTE),
}


def checked(name: str, length: int) -> Kind:
    """The kind of a file of that name and size in bytes. Raises InputError for what is not taken."""
    suffix = re.search(r"\.\w{1,8}$", name)
    kind = KINDS.get(suffix.group().lower()) if suffix else None
    if kind is None:
        raise InputError(
            f"{label(name)} cannot be opened here; drop a photo (.jpg, .png, .webp, .heic, .avif), a motion (.bvh, "
            ".npz, .smpl, .glb, .vrma) or an avatar (.zip)"
        )
    if length < 1:
        raise InputError(f"{label(name)} is empty")
    if length > kind.most_bytes:
        raise InputError(
            f"{label(name)} has {length / _MEGABYTE:.0f} MB; the most for a {kind.what} is "
            f"{kind.most_bytes // _MEGABYTE} MB"
        )
    return kind


def label(name: str) -> str:
    """A file's name without its suffix as it may be shown and offered for download: words, blanks, hyphens."""
    stem = re.sub(r"\.\w{1,8}$", "", name.replace("\\", "/").rsplit("/", 1)[-1])
    words = re.sub(r"[^\w -]+", " ", stem)
    return re.sub(r"\s+", " ", words).strip()[:_LONGEST_LABEL].strip() or "avatar"
