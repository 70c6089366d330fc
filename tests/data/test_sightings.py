from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from dinar.data.sightings import SUFFIX, SeenPeople, Sightings, write
from dinar.errors import InputError


def person(number: int) -> dict[str, np.ndarray]:
    full = np.float32(number)
    return {
        "xy": np.full((33, 2), full),
        "world": np.full((33, 3), full),
        "confidence": np.full(33, 0.5),
        "points": np.moveaxis(np.arange(99.0).reshape(3, 33), 0, 1) + full,     # not contiguous: memory is told apart
    }


def test_what_is_written_is_read(tmp_path):
    write(tmp_path / f"a{SUFFIX}", [person(0), person(1)])
    write(tmp_path / f"b{SUFFIX}", [person(2)])
    found = Sightings.load([tmp_path])
    assert len(found) == 3 and found.xy[:, 0, 0].tolist() == [0, 1, 2]
    assert found.points[2, 4].tolist() == [6, 39, 72] and found.points.dtype == torch.float32


def test_everybody_is_seen_once_before_anybody_is_seen_again(tmp_path):
    write(tmp_path / f"a{SUFFIX}", [person(k) for k in range(5)])
    people, again = SeenPeople([tmp_path], seed=3), SeenPeople([tmp_path], seed=3)
    first = [int(people[k].xy[0, 0]) for k in range(5)]
    second = [int(people[k].xy[0, 0]) for k in range(5, 10)]
    assert sorted(first) == sorted(second) == [0, 1, 2, 3, 4] and first != second
    assert [int(again[k].xy[0, 0]) for k in range(10)] == first + second
    assert Sightings.stacked([people[0], people[1]]).points.shape == (2, 33, 3)


def test_what_is_no_sighting_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no sightings"):
        Sightings.load([tmp_path])
    (tmp_path / f"a{SUFFIX}").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        Sightings.load([tmp_path])
    save_file({name: np.ones((1, 7, 3), np.float32) for name in ("xy", "world", "confidence", "points")},
              tmp_path / f"a{SUFFIX}")  # fmt: skip
    with pytest.raises(InputError, match="33 points"):
        Sightings.load([tmp_path])
    write(tmp_path / f"a{SUFFIX}", [person(0) | {"xy": np.full((33, 2), np.nan)}])
    with pytest.raises(InputError, match="33 points"):
        Sightings.load([tmp_path])
