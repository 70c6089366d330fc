"""What a pose network sees of people whose true points are known: what the lifter learns from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor
from torch.utils.data import Dataset

from dinar.errors import InputError
from dinar.files import atomic_file
from dinar.photo.landmarks import BODY

SUFFIX = ".sightings.safetensors"


@dataclass(frozen=True)
class Sightings:
    """BlazePose's points of P people, and where they truly are; float32.

    xy          [P, 33, 2]  pixels
    world       [P, 33, 3]  metres about the hips' middle, the camera's axes
    confidence  [P, 33]     in [0, 1]
    points      [P, 33, 3]  the truth, metres from the camera in its axes
    """

    xy: Tensor
    world: Tensor
    confidence: Tensor
    points: Tensor

    def __len__(self) -> int:
        return len(self.xy)

    def __getitem__(self, rows: int | slice | Tensor) -> Self:
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def to(self, device: torch.device | str) -> Self:
        return type(self)(*(getattr(self, field.name).to(device) for field in fields(self)))

    @classmethod
    def stacked(cls, people: Sequence[Self]) -> Self:
        """Of single people, whose tensors lack the first axis."""
        return cls(*(torch.stack([getattr(person, field.name) for person in people]) for field in fields(cls)))

    @classmethod
    def load(cls, folders: Sequence[Path]) -> Self:
        """All files of these folders, in the order of their names.

        Raises InputError where there is none, or a damaged one.
        """
        found: dict[str, list[np.ndarray]] = {field.name: [] for field in fields(cls)}
        for folder in folders:
            paths = sorted(Path(folder).glob(f"*{SUFFIX}"))
            if not paths:
                raise InputError(f"{folder} holds no sightings (*{SUFFIX}); tools/build_sightings.py makes them")
            for path in paths:
                for name, values in _read(path).items():
                    found[name].append(values)
        return cls(*(torch.from_numpy(np.concatenate(values)) for values in found.values()))


class SeenPeople(Dataset):
    """Single people of such folders in a random order that begins anew without end, a function of the seed."""

    def __init__(self, folders: Sequence[Path], *, seed: int = 0) -> None:
        self.folders, self.seed = list(folders), seed

    def __getitem__(self, position: int) -> Sightings:
        count = len(self.all)
        epoch, place = divmod(position, count)
        return self.all[int(np.random.default_rng([self.seed, epoch]).permutation(count)[place])]

    @cached_property
    def all(self) -> Sightings:
        return Sightings.load(self.folders)


def write(path: Path, people: Sequence[Mapping[str, np.ndarray]]) -> None:
    """Saves single people, arrays under the names of `Sightings`' fields."""
    arrays = {f.name: np.ascontiguousarray([p[f.name] for p in people], np.float32) for f in fields(Sightings)}
    with atomic_file(path) as temporary:
        save_file(arrays, temporary)


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        arrays = load_file(path)
        count, names = len(arrays["xy"]), [field.name for field in fields(Sightings)]
        shapes = {name: arrays[name].shape for name in names}
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error})") from error
    wanted = {name: (count, len(BODY), *([] if name == "confidence" else [2 if name == "xy" else 3])) for name in names}
    if shapes != wanted or not all(np.isfinite(arrays[name]).all() for name in names):
        raise InputError(f"{path} does not hold sightings of {len(BODY)} points")
    return {name: arrays[name].astype(np.float32) for name in names}
