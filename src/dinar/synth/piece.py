"""A mesh with its picture: what people are put together of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

#                   wrap specular shininess sheen bump two-sided shadow bias
CLOTH = (0.0, 0.0, 1.0, 0.12, 1.0, 1, 0.006)
LEATHER = (0.0, 0.035, 22.0, 0.0, 1.0, 1, 0.006)
METAL = (0.0, 0.20, 60.0, 0.0, 0.0, 1, 0.004)


@dataclass(frozen=True)
class Piece:
    """The skin or one thing worn, on its way into a Person.

    rest            float32 [N, 3]  on the person's body at rest, metres
    index, weight   int64, float32 [N, 3]  body vertices that a vertex hangs on, and their shares
    faces, uv_faces int [F, 3]; uv float32 [T, 2]
    picture         uint8 [s, s, 3 or 4]  sRGB and opacity
    material        a row of `kernels.meshes`' materials
    kind            as in `Person.kind`
    label           BodyPart of all faces, or of each, uint8 [F]
    bump            uint8 [s, s, 3]  a normal map
    transparent     whether the picture's opacity counts
    under           metres, of all vertices or of each, by which it gives way to what is worn over it
    follows         [N, V] shares of the body's vertices, in place of index and weight
    """

    rest: np.ndarray
    index: np.ndarray
    weight: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    uv_faces: np.ndarray
    picture: np.ndarray
    material: tuple[float, ...]
    kind: int
    label: int | np.ndarray
    bump: np.ndarray | None = None
    transparent: bool = False
    under: np.ndarray | float = 0.0
    follows: csr_matrix | None = None

    def shares(self, vertices: int) -> csr_matrix:
        """Shares of the body's `vertices` that each vertex follows, none negative, rows of sum 1."""
        if self.follows is not None:
            return self.follows
        mix = np.clip(self.weight, 0, None)
        mix = mix / mix.sum(1, keepdims=True)
        rows = np.arange(len(self.index) + 1) * 3
        return csr_matrix((mix.ravel(), self.index.ravel(), rows), (len(self.index), vertices))
