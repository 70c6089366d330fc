"""Lids: skin that is folded away while eyes are open, so that a photo shows shadow and lashes in its place."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dinar.body.model import BodyModel

_FOLDED = 1.5, 3.0             # times as large seen from in front when closed: not at all, and quite, folded away
_UNDER = 0.030, 0.016, 0.014   # metres: how far below an eye's joint its bags begin and end, and how far to each side
_REACH = 0.030                 # metres from an eye's joint: cheeks and brows fold as well
_SHADE = 0.92                  # of a lid against the skin below the eye


def lids(model: BodyModel, shape: Tensor, colours_at: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """How much each vertex of a body of shape [S] is folded away [V, 1], and the colour of the lids there [V, 3].

    colours_at  the colours [N, 3] of chosen vertices [V]
    """
    points, joints = (x[0] for x in model.rest(shape[None]))
    basis = model.whole_expression_basis()
    share, colours = torch.zeros(len(points), 1), torch.zeros(len(points), 3)
    for side in ("Left", "Right"):
        closed = points + basis[model.expression_names.index(f"eyeBlink{side}")]
        moved = (closed - points).norm(dim=1) > 1e-4
        faces = model.faces[moved[model.faces].any(1)]
        now, then = _frontal(points, faces), _frontal(closed, faces)
        ratio = then.clamp(min=0) / now.clamp(min=0.02 * float(then.max()))
        least, most = _FOLDED
        folded = ((ratio - least) / (most - least)).clamp(0, 1) * then.clamp(min=0)
        total = torch.zeros(len(points), 2)
        for corner in faces.T:
            total.index_add_(0, corner, torch.stack([folded, then.clamp(min=0)], dim=1))
        part = (total[:, :1] / total[:, 1:].clamp(min=1e-12)).clamp(0, 1)
        eye = joints[model.humanoid[f"{side.lower()}Eye"]]
        x, y, z = (points - eye).T
        part = part * ((points - eye).norm(dim=1, keepdim=True) < _REACH)
        low, high, wide = _UNDER
        under = (model.layer == 0) & (y > -low) & (y < -high) & (x.abs() < wide) & (z > 0)
        colours = torch.where(part > share, colours_at(under).median(0).values * _SHADE, colours)
        share = torch.maximum(share, part)
    return share, colours


def _frontal(points: Tensor, faces: Tensor) -> Tensor:
    """Areas of triangles [F] as seen from in front, square metres; negative ones look away."""
    a, b, c = (points[corner][:, :2] for corner in faces.T)
    return torch.linalg.det(torch.stack([b - a, c - a], dim=1)) / 2
