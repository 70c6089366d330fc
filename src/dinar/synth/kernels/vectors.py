"""What all loops of the studio need: how they are compiled, and vectors of three numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numba
import numpy as np


def compiled(function: Callable) -> Callable:
    """Machine code that makes no arrays of its own (`_nrt`): so numba counts no references to those it is given, which
    costs more than the work wherever a loop reads a field or hands arrays on."""
    options = {"nogil": True, "fastmath": True, "error_model": "numpy", "_nrt": False}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder for the cache can be written
        return numba.njit(**options)(function)


@compiled
def dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def unit(a):
    scale = np.float32(1) / math.sqrt(max(dot(a, a), np.float32(1e-12)))
    return a[0] * scale, a[1] * scale, a[2] * scale


@compiled
def unit_of(a, x, b, y):
    """a * x + b * y at length 1."""
    sum_ = a * x[0] + b * y[0], a * x[1] + b * y[1], a * x[2] + b * y[2]
    scale = np.float32(1) / math.sqrt(max(dot(sum_, sum_), np.float32(1e-20)))
    return sum_[0] * scale, sum_[1] * scale, sum_[2] * scale


@compiled
def moved(a, amount, b):
    """a + amount * b."""
    return a[0] + amount * b[0], a[1] + amount * b[1], a[2] + amount * b[2]


@compiled
def row(table, n, first):
    """Three numbers of row n, from a column on."""
    return table[n, first], table[n, first + 1], table[n, first + 2]


@compiled
def column_of(columns, n):
    return columns[0, n], columns[1, n], columns[2, n]


@compiled
def between(table, corners, weights, column):
    """Three columns, from `column` on, of the rows `corners` in shares `weights`."""
    i, j, k = corners
    a, b, c = weights
    return (
        a * table[i, column] + b * table[j, column] + c * table[k, column],
        a * table[i, column + 1] + b * table[j, column + 1] + c * table[k, column + 1],
        a * table[i, column + 2] + b * table[j, column + 2] + c * table[k, column + 2],
    )


@compiled
def between_one(table, corners, weights, column):
    i, j, k = corners
    return weights[0] * table[i, column] + weights[1] * table[j, column] + weights[2] * table[k, column]


@compiled
def between3(a, b, share):
    """The point `share` of the way from vector a [3] to b [3]."""
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share


@compiled
def floored(x):
    """The integer below x > -65536, without a call into the C library."""
    return int(x + 65536) - 65536
