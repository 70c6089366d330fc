"""Copied pixels lose small steps between them and keep large ones."""

from __future__ import annotations

import numpy as np

from dinar.scene.seams import seamless


def setting(offset: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A hole between grey and grey; it is copied from a strip that is brighter by `offset`."""
    colours = np.full((40, 70, 3), 0.4, np.float32)
    colours[:, 36:] += offset
    missing = np.zeros((40, 70), bool)
    missing[10:30, 10:30] = True
    return colours, missing, np.argwhere(missing) + np.array([0, 30])


def test_a_small_step_is_closed() -> None:
    colours, missing, copied = setting(0.03)
    out = seamless(colours, missing, copied)
    for edge in (out[10, 10:30], out[29, 10:30], out[10:30, 10], out[10:30, 29]):
        assert np.abs(edge - 0.4).max() < 0.012, "at the hole's edge most of it is gone"
    assert out[20, 20, 0] > 0.41, "far from it the copies keep their colours"
    assert (out[~missing] == colours[~missing]).all()


def test_an_edge_stays() -> None:
    colours, missing, copied = setting(0.5)
    assert np.abs(seamless(colours, missing, copied)[missing] - 0.9).max() < 0.025


def test_the_texture_of_the_copies_is_kept() -> None:
    colours, missing, copied = setting(0.02)
    grain = np.random.default_rng(0).normal(0, 0.01, colours.shape).astype(np.float32)
    plain, rough = seamless(colours, missing, copied), seamless(colours + grain, missing, copied)
    here, there = (rough - plain)[12:28, 12:28], grain[12:28, 42:58]
    assert np.corrcoef((here - here.mean()).ravel(), (there - there.mean()).ravel())[0, 1] > 0.95
