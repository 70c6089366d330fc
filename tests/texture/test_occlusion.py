from __future__ import annotations

import cv2
import numpy as np
import torch
from texture.shapes import ball, two_limbs

from dinar.camera import orbit
from dinar.raster.rasterize import interpolate, rasterize
from dinar.texture.occlusion import occlusion_band, occlusion_edges


def test_every_limb_before_another_is_outlined():
    vertices, faces, colours = two_limbs()
    camera = orbit(torch.zeros(3), 0, 0, 5.0, (200, 200), fov=28)
    band = occlusion_band(vertices, faces, colours, camera, width=0.02)
    depth = rasterize(camera.project(vertices), faces, camera.size).depth[0].clamp(max=100).numpy()
    near, far = cv2.erode(depth, np.ones((3, 3))), cv2.dilate(depth, np.ones((3, 3)))
    jump = (far < 100) & (far - near > 0.15)
    assert jump.sum() > 100
    assert band[0, 0].numpy()[jump].all()
    assert band.mean() < 0.15


def test_the_outline_against_the_background_is_kept():
    points, faces, _ = ball()
    colours = 0.5 + 0.2 * points                                         # one limb with a smooth gradient
    camera = orbit(torch.zeros(3), 20, 10, 5.0, (150, 210), fov=28)
    assert occlusion_band(points[None], faces, colours, camera).max() == 0
    vertices, faces, colours = two_limbs()
    beside = vertices.clone()
    beside[:, len(points):, 0] += 0.8                                    # side by side: nothing hides anything
    assert occlusion_band(beside, faces, colours, orbit(torch.zeros(3), 0, 0, 5.0, (200, 200))).max() == 0


def test_edges_leave_the_background_alone_and_white_is_no_black():
    mask = torch.zeros(1, 1, 60, 60)
    mask[..., 10:50, 10:50] = 1
    colours = mask * torch.tensor([1.0, 1.0, 1.0])[None, :, None, None]  # uint8 that wraps would make edges of 1 + 1e-7
    colours[:, :, 20:40, 20:40] += 1e-6
    assert occlusion_edges(colours, mask).max() == 0
    colours[:, 1:, 20:40, 20:40] = 0
    edges = occlusion_edges(colours, mask)
    assert edges.sum() >= 60 and edges[..., 22:38, 22:38].max() == 0 and (edges * (1 - mask)).max() == 0


def test_each_body_of_a_batch_and_any_camera():
    vertices, faces, colours = two_limbs()
    camera = orbit(torch.zeros(3), 0, 0, 5.0, (120, 90), fov=28)
    both = torch.cat([vertices, vertices + torch.tensor([0.2, 0.1, 0.0])])
    bands = occlusion_band(both, faces, colours, camera)
    assert bands.shape == (2, 1, 120, 90)
    for body, band in zip(both, bands, strict=True):
        assert torch.equal(occlusion_band(body[None], faces, colours, camera)[0], band)
    drawn = rasterize(camera.project(vertices), faces, camera.size)
    assert (interpolate(drawn, colours[None], faces) * bands[:1]).sum() > 0
    assert occlusion_band(vertices, faces, colours, camera.cropped(400, 0, (120, 90))).max() == 0


def test_a_surface_that_parts_tell_from_others_has_no_band():
    vertices, faces, colours = two_limbs()
    camera = orbit(torch.zeros(3), 0, 0, 5.0, (200, 200), fov=28)
    told = torch.zeros(vertices.shape[1], dtype=torch.bool)
    seen = vertices, faces, colours, camera
    assert torch.equal(occlusion_band(*seen, told=told), occlusion_band(*seen))
    told[: len(told) // 2] = True                                        # one of the two limbs
    assert occlusion_band(*seen, told=told).max() == 0
