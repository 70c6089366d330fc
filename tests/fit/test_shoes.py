"""Feet in shoes, and photos that show them."""

from __future__ import annotations

import pytest
import torch

from dinar.body.model import BodyModel
from dinar.body.normals import vertex_normals
from dinar.body.uv import PARTS, part_labels, part_weights
from dinar.camera import framing
from dinar.fit import shoes
from dinar.fit.look import Look, shown_at
from dinar.parts import BodyPart
from dinar.raster.rasterize import rasterize


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.open()


def test_toes_are_joined(model: BodyModel) -> None:
    """Seen from above, a pair of shoes has hardly any notch in its outline, bare feet have gaps between toes."""
    rest = model.rest(model.neutral().shape)[0][0]
    moved = shoes.put_on(model)
    feet = part_weights(model)[:, [k for k, part in enumerate(PARTS) if part.endswith("foot")]].sum(1)
    assert moved[feet < 0.01].abs().max() == 0 and 0.005 < moved.norm(dim=1).max() < 0.07
    left = (feet[model.faces] > 0.5).all(1) & (rest[model.faces][..., 0] > 0).all(1)

    def notches(vertices: torch.Tensor) -> float:
        """Share of the convex hull of a foot, seen from above, that the foot does not cover."""
        import cv2

        flat = torch.stack([vertices[:, 0] * 1000 + 100, vertices[:, 2] * 1000 + 200, 2 - vertices[:, 1]], 1)
        seen = (rasterize(flat[None], model.faces[left], (500, 500)).face[0] >= 0).numpy().astype("uint8")
        outline, _ = cv2.findContours(seen, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        hull = cv2.contourArea(cv2.convexHull(max(outline, key=cv2.contourArea)))
        return 1 - float(seen.sum()) / hull

    assert notches(rest + moved) < 0.75 * notches(rest)
    turned = (vertex_normals(rest[None], model.faces)[0] * vertex_normals((rest + moved)[None], model.faces)[0]).sum(1)
    assert (turned[feet > 0.9] > 0).float().mean() > 0.8


@pytest.mark.parametrize(("shown", "worn"), [(BodyPart.SHOES, True), (BodyPart.SKIN, False), (BodyPart.LOWER, False)])
def test_photos_tell(model: BodyModel, shown: BodyPart, worn: bool) -> None:
    body = model.neutral()
    with torch.no_grad():
        vertices = model(body).vertices
    camera = framing(vertices[0], 0.0, 0.0, (400, 300))
    face = rasterize(camera.project(vertices), model.faces, camera.size).face[0].long()
    feet = torch.tensor([k for k, part in enumerate(PARTS) if part.endswith("foot")])
    on_feet = torch.isin(part_labels(model)[face.clamp(min=0)], feet) & (face >= 0)
    parts = torch.where(on_feet, int(shown), int(BodyPart.LOWER)) * (face >= 0)
    assert shoes.shod(*shown_at(model, [Look(parts.to(torch.uint8), body, camera)])) is worn
    assert not shoes.shod(*shown_at(model, []))
