from __future__ import annotations

import io
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from dinar.unpickling import numpy_arrays, torch_arrays


@pytest.mark.parametrize("protocol", [3, 4])
def test_arrays_come_out_as_they_went_in(protocol: int) -> None:
    c_order = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    arrays = {
        "f4": c_order,
        "f2": c_order.astype(np.float16),
        "i8": c_order.astype(np.int64),
        "columns first": np.asfortranarray(c_order[0]),
        "big endian": c_order.astype(">f8"),
        "empty": np.zeros((0, 3), np.float32),
    }
    found = numpy_arrays(pickle.dumps({"a": {"b": arrays}, "c": arrays["f4"]}, protocol))
    assert set(found) == {"c", *(f"a.b.{name}" for name in arrays)}
    for name, array in arrays.items():
        copy = found[f"a.b.{name}"]
        assert np.array_equal(copy, array) and copy.dtype == array.dtype.newbyteorder("=")
        assert copy.flags.c_contiguous and copy.flags.writeable


class Evil:
    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_nothing_is_run(protocol: int, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    evil = (Evil(os.mkdir, str(trace)), Evil(eval, f"__import__('os').mkdir({str(trace)!r})"), Evil(np.load, "x"))
    for thing in (*evil, *({"a": one} for one in evil), Path("x"), OrderedDict(), os.mkdir):
        with pytest.raises(ValueError, match="which no array needs"):
            numpy_arrays(pickle.dumps(thing, protocol))
    assert not trace.exists()


@pytest.mark.parametrize(
    "thing",
    [
        {"a": 1},
        [np.zeros(2)],
        np.dtype("f4"),
        {"a": np.zeros(2), "b": None},
        np.array([{}], dtype=object),
        np.array(["text"]),
        np.zeros(2, dtype=[("x", "f4")]),
        np.zeros(2, dtype=bool),
    ],
    ids=str,
)
def test_anything_but_numbers_is_refused(thing: object) -> None:
    with pytest.raises(ValueError):
        numpy_arrays(pickle.dumps(thing, 3))


def test_a_damaged_pickle_is_a_value_error() -> None:
    whole = pickle.dumps({"a": np.arange(20.0)}, 3)
    for end in range(len(whole)):
        with pytest.raises(ValueError):
            numpy_arrays(whole[:end])
    short = whole.replace((20).to_bytes(1) + b"\x85", (21).to_bytes(1) + b"\x85")
    assert short != whole
    with pytest.raises(ValueError):
        numpy_arrays(short)


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_of_torch(zipped: bool, tmp_path: Path) -> None:
    def saved(thing: object) -> bytes:
        buffer = io.BytesIO()
        torch.save(thing, buffer, _use_new_zipfile_serialization=zipped)
        return buffer.getvalue()

    tensor = torch.arange(6.0).reshape(2, 3)
    found = torch_arrays(saved({"a": tensor, "b": tensor.T}))
    assert np.array_equal(found["a"], tensor.numpy()) and np.array_equal(found["b"], tensor.T.numpy())
    assert found["b"].flags.c_contiguous
    trace = tmp_path / "trace"
    for thing in ({"a": Evil(os.mkdir, str(trace))}, tensor, {"a": 1}):
        with pytest.raises(ValueError):
            torch_arrays(saved(thing))
    with pytest.raises(ValueError):
        torch_arrays(saved({"a": tensor})[:-10])
    assert not trace.exists()
