"""Pixels copied from many places, without the seams between them."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import cg

DRIFT = 0.06       # of the picture's larger side: over how far colours may give way to close a seam
STEP = 0.12        # of colours: a seam of such a step is closed half as eagerly; larger ones are edges of things
TOLERANCE = 1e-3   # of the solver


def seamless(colours: np.ndarray, missing: np.ndarray, copied: np.ndarray) -> np.ndarray:
    """A picture whose hole has the steps between neighbours that the copied pixels have (Perez et al. 2003).

    colours  float32 [H, W, C]
    missing  bool [H, W]        the hole
    copied   int [N, 2]         row and column of the pixel that each pixel of the hole, row by row, is a copy of

    Between pixels that were copied from different places the step is the mean of what both places have, unless that
    would close a large one. Pixels outside the hole stay as they are.
    """
    height, width = missing.shape
    number = np.full(missing.shape, -1)
    number[missing] = np.arange(len(copied))
    there = np.argwhere(missing)
    own = colours[copied[:, 0], copied[:, 1]].astype(np.float64)
    weak = 1 / (DRIFT * max(height, width)) ** 2
    diagonal, right = np.full(len(there), weak), weak * own
    rows, columns, shares = [], [], []
    for step in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        beside, source = there + step, copied + step
        valid = _inside(beside, missing.shape) & _inside(source, missing.shape)
        here = np.flatnonzero(valid)
        there_too = number[beside[here, 0], beside[here, 1]]
        difference = own[here] - colours[source[here, 0], source[here, 1]]
        inner = there_too >= 0
        across = np.where(inner[:, None], own[there_too], colours[beside[here, 0], beside[here, 1]])
        share = 1 / (1 + (np.linalg.norm(own[here] - across - difference, axis=1) / STEP) ** 4)
        share[inner] /= 2                          # a pair within the hole is met from both of its ends
        pull = share[:, None] * difference
        diagonal[here] += share
        right[here] += pull + np.where(inner, 0, share)[:, None] * across
        np.add.at(diagonal, there_too[inner], share[inner])
        np.add.at(right, there_too[inner], -pull[inner])
        rows += [here[inner], there_too[inner]]
        columns += [there_too[inner], here[inner]]
        shares += [-share[inner]] * 2
    between = np.concatenate(shares), (np.concatenate(rows), np.concatenate(columns))
    matrix = (sparse.diags(diagonal) + sparse.coo_matrix(between, (len(there), len(there)))).tocsr()
    scale = sparse.diags(1 / diagonal)
    moved = [cg(matrix, rest, rtol=TOLERANCE, maxiter=1000, M=scale)[0] for rest in (right - matrix @ own).T]
    out = colours.copy()
    out[missing] = own + np.stack(moved, axis=1)
    return out


def _inside(places: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return ((places >= 0) & (places < shape)).all(axis=1)
