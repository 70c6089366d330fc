"""Numeric arrays out of .npz containers, read with bounds; nothing in them is unpickled."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dinar.errors import InputError

MOST_BYTES = 1 << 30        # of one array, unpacked


def array_names(path: Path) -> set[str]:
    """The names of a container's arrays. Raises InputError where it is missing or no container."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is damaged: it is no .npz container") from error


_DAMAGED = (
    OSError, ValueError, KeyError, EOFError, MemoryError, NotImplementedError, RuntimeError, SyntaxError, struct.error,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def read_arrays(path: Path, wanted: Iterable[str]) -> dict[str, np.ndarray]:
    """Those of the wanted arrays that a container holds.

    Raises InputError where it is damaged, or one of them is too large or needs unpickling.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            large = [member.filename for member in archive.infolist() if member.file_size > MOST_BYTES]
        if large:
            raise InputError(f"{path} holds an array of more than {MOST_BYTES >> 20} MiB: {large[0]}")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in wanted if name in file}
    except _DAMAGED as error:
        raise InputError(f"{path} is damaged, or holds what would have to be unpickled") from error
