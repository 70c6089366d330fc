"""Linear blend skinning, literally: one body, one joint and one vertex at a time, float64."""

from __future__ import annotations

import numpy as np


def rotation(vector: np.ndarray) -> np.ndarray:
    """Rodrigues' formula [3, 3]."""
    angle = np.linalg.norm(vector)
    if angle == 0:
        return np.eye(3)
    x, y, z = vector / angle
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * K @ K


def skin(
    template: np.ndarray,          # [V, 3]
    shape_basis: np.ndarray,       # [S, V, 3]
    expression_basis: np.ndarray,  # [E, V, 3]
    joints: np.ndarray,            # [J, 3]
    joint_shape_basis: np.ndarray,  # [S, J, 3]
    joint_expression_basis: np.ndarray,  # [E, J, 3]
    pose_basis: np.ndarray | None,  # [9 (J - 1), V, 3]
    weights: np.ndarray,           # [V, J]
    parents: list[int],
    shape: np.ndarray,             # [S]
    pose: np.ndarray,              # [J, 3]
    expression: np.ndarray,        # [E]
    translation: np.ndarray,       # [3]
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [V, 3] and joints [J, 3] of one posed body."""
    v = template.astype(np.float64).copy()
    j = joints.astype(np.float64).copy()
    for coefficient, basis, joint_basis in zip(shape, shape_basis, joint_shape_basis, strict=True):
        v += coefficient * basis
        j += coefficient * joint_basis
    for coefficient, basis, joint_basis in zip(expression, expression_basis, joint_expression_basis, strict=True):
        v += coefficient * basis
        j += coefficient * joint_basis
    local = [rotation(p) for p in pose]
    if pose_basis is not None:
        bend = np.concatenate([(r - np.eye(3)).ravel() for r in local[1:]])
        for coefficient, basis in zip(bend, pose_basis, strict=True):
            v += coefficient * basis
    turns, places = [], []
    for k, parent in enumerate(parents):
        if parent < 0:
            turns.append(local[k])
            places.append(j[k] + translation)
        else:
            turns.append(turns[parent] @ local[k])
            places.append(places[parent] + turns[parent] @ (j[k] - j[parent]))
    posed = np.zeros_like(v)
    for i in range(len(v)):
        for k in range(len(parents)):
            if weights[i, k]:
                posed[i] += weights[i, k] * (turns[k] @ (v[i] - j[k]) + places[k])
    return posed, np.array(places)
