"""Arrays out of other people's pickles, without unpickling.

A pickle is a program: reading it the usual way runs whatever it names. Here the only three names that an array needs
stand for recorders of ours, every other one ends the reading, and the numbers are taken from the bytes that the
recorders saw. `store` does this once, with a file whose sha256 is known, and keeps the result as safetensors.
"""

from __future__ import annotations

import io
import pickle

import numpy as np

_NUMBERS = {"f2", "f4", "f8", "i4", "i8"}


def numpy_arrays(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a pickled tree of dictionaries; the keys on the way to an array, joined by dots, are its name.

    Raises ValueError where the pickle holds anything but dictionaries and numeric arrays, or is damaged.
    """
    try:
        tree = _Reader(io.BytesIO(data)).load()
    except ValueError:
        raise
    except Exception as error:         # what a damaged pickle raises is anybody's guess
        raise ValueError(f"a damaged pickle ({type(error).__name__}: {error})") from error
    found: dict[str, np.ndarray] = {}
    _collect(tree, "", found)
    return found


def torch_arrays(data: bytes) -> dict[str, np.ndarray]:
    """The tensors of a dictionary that torch saved.

    Raises ValueError where it holds anything else, or is damaged.
    """
    import torch

    try:
        tensors = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"no file of tensors ({type(error).__name__})") from error
    if not isinstance(tensors, dict) or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise ValueError("no dictionary of tensors")
    return {str(name): np.ascontiguousarray(tensor.detach().numpy()) for name, tensor in tensors.items()}


class _Dtype:
    """Records what numpy.dtype would be called with: the code, then a state whose second entry is the byte order."""

    def __init__(self, code: object = None, *_: object) -> None:
        if code not in _NUMBERS:
            raise ValueError(f"no array of plain numbers ({code!r})")
        self.code = str(code)
        self.order = ""

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]

    def numpy(self) -> np.dtype:
        if self.order not in ("<", ">"):
            raise ValueError("an array without a byte order")
        return np.dtype(self.order + self.code)


class _Ndarray:
    """Records the state of an array: (version, shape, dtype, whether columns come first, bytes)."""

    def __init__(self, *_: object) -> None:
        self.state: tuple = ()

    def __setstate__(self, state: tuple) -> None:
        self.state = state

    def numpy(self) -> np.ndarray:
        if len(self.state) != 5 or not isinstance(self.state[2], _Dtype) or not isinstance(self.state[4], bytes):
            raise ValueError("an array without numbers")
        _, shape, dtype, columns_first, content = self.state
        array = np.frombuffer(content, dtype.numpy()).reshape(shape, order="F" if columns_first else "C")
        return array.astype(array.dtype.newbyteorder("="), order="C")


_NAMES = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Ndarray,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Ndarray for core in ("core", "_core")},
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        try:
            return _NAMES[module, name]
        except KeyError:
            raise ValueError(f"the pickle wants {module}.{name}, which no array needs") from None

    def persistent_load(self, pid: object) -> object:
        raise ValueError("the pickle refers to something outside it")


def _collect(node: object, name: str, found: dict[str, np.ndarray]) -> None:
    if isinstance(node, dict):
        for key, child in node.items():
            _collect(child, f"{name}.{key}" if name else str(key), found)
    elif isinstance(node, _Ndarray):
        found[name] = node.numpy()
    else:
        raise ValueError(f"{name or 'the pickle'} is no array")
