"""SMPL-X's own files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dinar.errors import InputError

SHAPES: Mapping[str, tuple[int | None, ...]] = {
    "v_template": (10475, 3),
    "shapedirs": (10475, 3, None),
    "posedirs": (10475, 3, 486),
    "J_regressor": (55, 10475),
    "weights": (10475, 55),
    "kintree_table": (2, 55),
    "f": (20908, 3),
}


def read_smplx(path: Path) -> dict[str, np.ndarray]:
    """The arrays that SMPL-X needs, float32 where they are real; InputError where the file does not hold them."""
    if not path.is_file():
        raise InputError(f"{path} is not there; SMPL-X files come from the model's own site")
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in SHAPES if key not in file]
            if missing:
                raise InputError(f"{path} is no SMPL-X file: it has no '{missing[0]}'")
            data = {key: file[key] for key in SHAPES}
    except (OSError, EOFError, ValueError, RuntimeError, SyntaxError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} cannot be read as SMPL-X: a damaged file, or one that needs unpickling") from error
    for key, shape in SHAPES.items():
        found = data[key].shape
        if len(found) != len(shape) or any(want not in (None, have) for want, have in zip(shape, found, strict=True)):
            raise InputError(f"{path} is no SMPL-X file: '{key}' has shape {list(found)}")
        if not np.issubdtype(data[key].dtype, np.number):
            raise InputError(f"{path} is no SMPL-X file: '{key}' holds no numbers")
    if data["shapedirs"].shape[2] < 20:
        raise InputError(f"{path} has no expression basis: 'shapedirs' has {data['shapedirs'].shape[2]} components")
    integers = ("f", "kintree_table")
    return {key: value if key in integers else value.astype(np.float32) for key, value in data.items()}
