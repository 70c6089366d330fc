from __future__ import annotations

import numpy as np

from dinar.synth import distances as apart
from dinar.synth.distances import Distances, nearest


def test_nearest_is_the_distance_from_triangles():
    rng = np.random.default_rng(0)
    vertices, points = rng.normal(size=(24, 3)), rng.normal(size=(50, 3)) * 1.5
    faces = np.arange(24).reshape(8, 3)
    shares = rng.dirichlet([0.6, 0.6, 0.6], (8, 40_000))
    samples = np.einsum("fsk,fkc->fsc", shares, vertices[faces]).reshape(-1, 3)
    found = nearest(points, vertices, faces)
    brute = np.array([np.linalg.norm(samples - p, axis=1).min() for p in points])
    assert (found <= brute + 1e-9).all() and (brute - found).max() < 0.05


def test_means_are_by_area():
    assert apart._summary(np.array([0.0, 1.0]), np.array([3.0, 1.0])) == (0.25, 1.0)
    both = Distances((0.25, 1.0), (0.75, 1.0), None)
    assert both.mean == 0.5
