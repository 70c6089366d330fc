"""A picture of a fit over its photo."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from dinar.body.model import BodyModel
from dinar.body.normals import vertex_normals
from dinar.camera import Camera
from dinar.fit.fit import Fit
from dinar.photo.photo import Photo
from dinar.raster.rasterize import interpolate, rasterize


def overlay(photo: Photo, fit: Fit, model: BodyModel) -> Tensor:
    """The body, shaded, over the photo [3, H, W]; its own outline against the mask's shows what the fit misses."""
    return shaded(photo.image, model(fit.body).vertices, model.faces, fit.camera)


def shaded(image: Tensor, vertices: Tensor, faces: Tensor, camera: Camera, *, opacity: float = 0.6) -> Tensor:
    """A body [1, V, 3], shaded, over an image [3, H, W]."""
    fragments = rasterize(camera.project(vertices[0])[None], faces, camera.size)
    normals = interpolate(fragments, vertex_normals(vertices, faces), faces)[0]
    light = normalize(torch.tensor([0.3, 0.5, 0.8]), dim=0)
    shade = 0.35 + 0.65 * (normals * light[:, None, None]).sum(0, keepdim=True).clamp(0, 1)
    colour = torch.tensor([0.55, 0.75, 1.0])[:, None, None] * shade
    weight = opacity * fragments.mask[0]
    return image * (1 - weight) + colour * weight
