"""Closed-form matting: how much of each pixel of a band is foreground (Levin, Lischinski, Weiss 2008)."""

from __future__ import annotations

from itertools import combinations_with_replacement

import cv2
import numpy as np
from scipy.linalg import solveh_banded
from scipy.sparse import csr_matrix, triu
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import spsolve

MOST = 30_000_000  # numbers in a banded matrix; larger ones are solved sparse, in more time and less memory

_WINDOW = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
_LATER = [(0, 0), (0, 1), (0, 2), *((y, x) for y in (1, 2) for x in range(-2, 3))]
"""Where in two windows' reach a pixel lies about one that does not come after it, row by row."""


def closed_form(image: np.ndarray, alpha: np.ndarray, unknown: np.ndarray, *, epsilon: float = 1e-5) -> np.ndarray:
    """`alpha` with its unknown pixels found: float64 [H, W] in [0, 1].

    image    [H, W, 3]        colours in [0, 1]
    alpha    [H, W]           the foreground's share of each known pixel
    unknown  bool [H, W]      some pixels are known; what the others are in `alpha` does not matter
    epsilon  how little alpha may depend on the colours

    Where colours change alpha changes linearly with them: the sum over all windows of 3 x 3 pixels of what no linear
    function of the colours explains is least. The known pixels are given, so only the windows that hold an unknown one
    and only the unknown pixels' equations count: a band of some pixels along an outline is a matrix of small bandwidth.
    """
    matrix, right = _equations(image.astype(np.float64), alpha.astype(np.float64), unknown, epsilon)
    out = alpha.astype(np.float64)
    out[unknown] = _solved(matrix, right).clip(0, 1)
    return out


def _equations(
    image: np.ndarray, alpha: np.ndarray, unknown: np.ndarray, epsilon: float
) -> tuple[csr_matrix, np.ndarray]:
    """The matting Laplacian's rows of the N unknown pixels: upper triangle [N, N], right-hand side [N]."""
    width, count = unknown.shape[1], int(unknown.sum())
    number = np.full(unknown.size, count)                                   # known pixels' equations go to a last row
    number[unknown.ravel()] = np.arange(count)
    touched = cv2.dilate(unknown.astype(np.uint8), np.ones((3, 3), np.uint8))
    touched[[0, -1]] = touched[:, [0, -1]] = 0
    pixels = np.array([y * width + x for y, x in _WINDOW])[:, None] + np.flatnonzero(touched)              # [9, M]
    rows = number[pixels]
    given = np.where(rows == count, alpha.ravel()[pixels], 0)

    white = _whitened(image.reshape(-1, 3)[pixels].transpose(0, 2, 1), epsilon)
    sums, towards = np.zeros((len(_LATER), count + 1)), np.zeros(given.shape)
    for i, j in combinations_with_replacement(range(9), 2):
        share = (i == j) - (1 + (white[i] * white[j]).sum(axis=0)) / 9
        place = _LATER.index((_WINDOW[j][0] - _WINDOW[i][0], _WINDOW[j][1] - _WINDOW[i][1]))
        sums[place] += np.bincount(rows[i], share, count + 1)
        towards[i] -= share * given[j]
        if i != j:
            towards[j] -= share * given[i]
    right = np.bincount(rows.ravel(), towards.ravel(), count + 1)[:count]

    columns = np.flatnonzero(unknown)[:, None] + np.array([y * width + x for y, x in _LATER])
    columns = number[columns.clip(0, unknown.size - 1)]
    weights = sums[:, :count].T
    kept = (columns < count) & (weights != 0)
    starts = np.concatenate([[0], kept.sum(axis=1).cumsum()])
    return csr_matrix((weights[kept], columns[kept], starts), shape=(count, count)), right


def _whitened(colours: np.ndarray, epsilon: float) -> np.ndarray:
    """Colours [9, 3, M] of windows less their means, in directions in which they have covariance 1, and less of it
    where they hardly differ.
    """
    colours = colours - colours.mean(axis=0)
    covariance = np.matmul(colours.transpose(2, 1, 0), colours.transpose(2, 0, 1)) / 9
    lower = np.linalg.cholesky(covariance + np.eye(3) * (epsilon / 9)).transpose(1, 2, 0)
    out = np.empty_like(colours)
    for k in range(3):
        out[:, k] = (colours[:, k] - sum(lower[k, m] * out[:, m] for m in range(k))) / lower[k, k]
    return out


def _solved(upper: csr_matrix, right: np.ndarray) -> np.ndarray:
    """x of A x = right for a positive definite A, of which the upper triangle is given."""
    whole = upper + triu(upper, 1).T
    order = reverse_cuthill_mckee(whole.tocsr(), symmetric_mode=True)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    entries = upper.tocoo()
    first, second = np.sort([place[entries.row], place[entries.col]], axis=0)
    bandwidth = int((second - first).max())
    if (bandwidth + 1) * len(right) > MOST:
        return spsolve(whole.tocsc(), right, permc_spec="MMD_AT_PLUS_A")
    banded = np.zeros((bandwidth + 1, len(right)), order="F")
    banded[bandwidth + first - second, second] = entries.data
    return solveh_banded(banded, right[order], overwrite_ab=True, check_finite=False)[place]
