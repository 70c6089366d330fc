"""A mesh's numbers as a GLB holds them: floats, or whole numbers of 8 and 16 bits (KHR_mesh_quantization)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from dinar.export.glb import VERTICES, Document
from dinar.export.skinned import SkinnedMesh

_SHORT, _BYTE = 32767, 127


@dataclass(frozen=True)
class Quantised:
    """The grid that positions are rounded to: a number n of [-1, 1] stands for `middle` + `step` n, metres."""

    middle: np.ndarray = field(default_factory=lambda: np.zeros(3))
    step: float = 1.0

    @classmethod
    def of(cls, mesh: SkinnedMesh) -> Self:
        """The grid that holds a mesh; its cells are cubes, so that normals stay what they are."""
        low, high = mesh.vertices.min(0).astype(np.float64), mesh.vertices.max(0).astype(np.float64)
        return cls((low + high) / 2, max(float((high - low).max()) / 2, float(np.abs(mesh.morphs).max()), 1e-6))


def attributes_of(document: Document, mesh: SkinnedMesh, grid: Quantised) -> dict[str, int]:
    """A primitive's attributes: positions, normals, texture coordinates, joints and weights."""
    if document.packed:
        place = np.rint((mesh.vertices - grid.middle) / grid.step * _SHORT)
        attributes = {
            "POSITION": document.numbers(place, "i2", target=VERTICES, bounds=True, normalized=True),
            "NORMAL": document.numbers(np.rint(mesh.normals * _BYTE), "i1", target=VERTICES, normalized=True),
            "TEXCOORD_0": document.numbers(
                np.rint(mesh.uv.clip(0, 1) * 65535), "u2", target=VERTICES, normalized=True
            ),
        }
    else:
        attributes = {
            "POSITION": document.numbers(mesh.vertices, "f4", target=VERTICES, bounds=True),
            "NORMAL": document.numbers(mesh.normals, "f4", target=VERTICES),
            "TEXCOORD_0": document.numbers(mesh.uv, "f4", target=VERTICES),
        }
    weights = _whole(mesh.weight) if document.packed else mesh.weight
    for k in range(mesh.joint.shape[1] // 4):
        four = slice(4 * k, 4 * k + 4)
        joint = np.where(weights[:, four] > 0, mesh.joint[:, four], 0)
        attributes[f"JOINTS_{k}"] = document.numbers(joint, "u1", target=VERTICES)
        attributes[f"WEIGHTS_{k}"] = document.numbers(
            weights[:, four], "u1" if document.packed else "f4", target=VERTICES, normalized=document.packed
        )
    return attributes


def targets_of(document: Document, mesh: SkinnedMesh, grid: Quantised) -> list[dict[str, int]]:
    """A primitive's morph targets: positions, and normals where the mesh tells them."""
    targets = []
    for number, morph in enumerate(mesh.morphs):
        if document.packed:
            rows = np.rint(morph / grid.step * _SHORT)
            target = {"POSITION": document.numbers(rows, "i2", target=VERTICES, bounds=True, normalized=True)}
        else:
            target = {"POSITION": document.displacements(morph)}
        if mesh.bends is not None:
            bend = mesh.bends[number]
            if document.packed:
                rows = np.rint(bend.clip(-1, 1) * _BYTE)
                target["NORMAL"] = document.numbers(rows, "i1", target=VERTICES, normalized=True)
            else:
                target["NORMAL"] = document.displacements(bend)
        targets.append(target)
    return targets


def _whole(weight: np.ndarray) -> np.ndarray:
    """Weights [N, K] in 255ths that sum to 255: what rounding leaves goes to the strongest."""
    rows = np.rint(weight * 255).astype(np.int64)
    rows[:, 0] += 255 - rows.sum(1)
    return rows
