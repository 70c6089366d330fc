"""What sums and slopes over a triangle mesh are made of."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def surface_operators(vertices: np.ndarray, faces: np.ndarray) -> tuple[sparse.dia_matrix, sparse.csr_matrix]:
    """Lumped areas and cotangent stiffness (no negative weights) of a mesh; vertices of no triangle get unit mass."""
    count = len(vertices)
    corners = vertices[faces].astype(np.float64)
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    mass = np.bincount(faces.ravel(), np.repeat(areas / 3, 3), count)
    stiffness = sparse.csr_matrix((count, count))
    for k in range(3):
        a, b = corners[:, (k + 1) % 3] - corners[:, k], corners[:, (k + 2) % 3] - corners[:, k]
        weight = (a * b).sum(1) / np.maximum(4 * areas, 1e-12)
        i, j = faces[:, (k + 1) % 3], faces[:, (k + 2) % 3]
        stiffness = stiffness + sparse.coo_matrix((weight, (i, j)), shape=(count, count)).tocsr()
    stiffness = (stiffness + stiffness.T).maximum(0)
    stiffness = sparse.diags(np.asarray(stiffness.sum(1)).ravel()) - stiffness
    return sparse.diags(np.where(mass > 0, mass, 1.0)), stiffness.tocsr()
