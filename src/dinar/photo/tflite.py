"""Running a .tflite file on the CPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


class Network:
    """A float32 network with one input image; outputs by name, without the batch axis.

    On one thread: a second one gains nothing in networks of some 20 ms, and spins while it waits.
    """

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with _quiet():
            # from bytes: names are opened in Windows' code page, which has few of the world's letters
            self._interpreter = Interpreter(model_content=path.read_bytes(), num_threads=1)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = self._interpreter.get_output_details()

    @property
    def size(self) -> int:
        """Side of the square input, pixels."""
        return int(self._input["shape"][1])

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """image: float32 [size, size, 3] in the network's own range."""
        self._interpreter.set_tensor(self._input["index"], np.ascontiguousarray(image[None], np.float32))
        self._interpreter.invoke()
        return {output["name"]: self._interpreter.get_tensor(output["index"])[0] for output in self._outputs}


@contextmanager
def _quiet() -> Iterator[None]:
    """Drops what the C++ side writes to stderr; its announcement of a CPU delegate has no switch."""
    kept = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)
