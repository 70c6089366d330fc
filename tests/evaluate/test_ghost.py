from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from dinar.avatar import open_body
from dinar.body.uv import load_layout
from dinar.camera import framing
from dinar.evaluate import regions
from dinar.evaluate.ghost import ghost
from dinar.evaluate.rows import ROWS, Material
from dinar.raster.rasterize import interpolate, rasterize
from dinar.synth.view import View
from dinar.texture.drawing import Rendering, draw

SIDE = 384


def printed() -> tuple[Tensor, list[Rendering], View]:
    """Somebody with one pattern in front and another one behind: texture, both sides, and the photo of the front."""
    model = open_body()
    layout = load_layout("front", model)
    rng = np.random.default_rng(0)
    points = model.template.numpy()
    waves = rng.normal(size=(2, 24, 2)) * 90
    phases = rng.uniform(0, 2 * np.pi, (2, 24))
    patterns = [np.sin(points[:, :2] @ w.T + p).mean(1) for w, p in zip(waves, phases, strict=True)]
    values = 0.5 + np.where(points[:, 2] > 0, *patterns) * 0.8
    colours = torch.from_numpy(values).float()[:, None].expand(-1, 3).clamp(0, 1)
    corners = torch.nn.functional.pad(layout.uv * 512, (0, 1), value=1.0)[None]
    texture = interpolate(rasterize(corners, layout.faces, (512, 512)), colours[None].contiguous(), model.faces)
    cameras = [framing(model.template, azimuth, 0.0, (SIDE, SIDE)) for azimuth in (0.0, 180.0)]
    sides = [draw(texture, model.template[None], model.faces, layout, camera) for camera in cameras]
    return texture, sides, View(sides[0].rgb[0], sides[0].mask[0], cameras[0], model.neutral())


def value(front: Rendering, back: Rendering) -> float:
    model = open_body()
    cameras = [framing(model.template, azimuth, 0.0, (SIDE, SIDE)) for azimuth in (0.0, 180.0)]
    trunks = tuple(regions.trunk(model, model.neutral(), camera) for camera in cameras)
    return ghost(front.rgb[0], back.rgb[0], (front.mask[0], back.mask[0]), trunks)


def test_the_front_mirrored_on_the_back_is_caught() -> None:
    _, (front, back), view = printed()
    true = value(front, back)
    assert abs(true) < 0.25
    pasted = Rendering(front.rgb.flip(-1), front.mask.flip(-1))
    assert value(front, pasted) > 0.95
    row = next(row for row in ROWS if row.name == "mirrored-front")
    drawer = row.make(Material(view, open_body(), size=512))
    model = open_body()
    cameras = [framing(model.template, azimuth, 0.0, (SIDE, SIDE)) for azimuth in (0.0, 180.0)]
    assert value(*(drawer(model.neutral(), camera) for camera in cameras)) > true + 0.3


def test_ghost_is_a_correlation_of_what_is_left_after_smoothing() -> None:
    rng = np.random.default_rng(1)
    front, other = rng.random((2, 3, 80, 60)).astype(np.float32)
    back = (0.6 * front + 0.4 * other)[..., ::-1].copy()
    everywhere = np.zeros((80, 60), bool)
    everywhere[10:70, 10:50] = True
    mask = torch.from_numpy(everywhere)[None].float()
    found = ghost(torch.from_numpy(front), torch.from_numpy(back), (mask, mask), (mask[0] > 0, mask[0] > 0))

    def fine(image: np.ndarray) -> np.ndarray:
        grey, out = image.mean(0), np.zeros((80, 60))
        for y in range(80):
            for x in range(60):
                out[y, x] = grey[y, x] - grey[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].mean()
        return out

    def without_rows(detail: np.ndarray) -> np.ndarray:
        out = detail.copy()
        for x in range(10, 50):
            out[:, x] -= detail[:, max(x - 1, 10) : min(x + 2, 50)].mean(1)
        return out

    inner = np.zeros_like(everywhere)
    inner[13:67, 13:47] = True          # windows of 7 pixels inside
    a, b = (without_rows(fine(image))[inner] for image in (front, back[..., ::-1]))
    assert found == pytest.approx(float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())), abs=1e-4)
    nothing = torch.zeros_like(mask)
    assert math.isnan(ghost(torch.from_numpy(front), torch.from_numpy(back), (nothing, mask), (mask[0] > 0,) * 2))


def test_hems_and_stripes_that_go_round_are_no_ghost() -> None:
    rng = np.random.default_rng(2)
    front, back = rng.normal(0.5, 0.02, (2, 3, 160, 120)).astype(np.float32)
    rows = torch.arange(160)[:, None]
    trunk = ((rows >= 20) & (rows < 140)).expand(160, 120) & (torch.arange(120) >= 20) & (torch.arange(120) < 100)
    hem = (rows >= 80) & (rows < 83) & trunk
    sides = [torch.from_numpy(side).masked_fill(hem, 0.1) for side in (front, back)]
    mask = trunk[None].float()
    assert abs(ghost(*sides, (mask, mask), (trunk, trunk))) < 0.1
    sides[0][:, 30:70, 30:70] += torch.from_numpy(rng.normal(0, 0.1, (1, 40, 40)).astype(np.float32))
    assert abs(ghost(*sides, (mask, mask), (trunk, trunk))) < 0.1
    sides[1] = sides[0].flip(-1)
    assert ghost(*sides, (mask, mask), (trunk, trunk.flip(-1))) > 0.95
