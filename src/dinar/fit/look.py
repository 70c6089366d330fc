"""A photo whose parts are known, and what it shows at each place of the body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dinar.body.layers import bare
from dinar.body.model import Body, BodyModel
from dinar.camera import Camera
from dinar.fit.rims import Silhouette
from dinar.parts import BodyPart
from dinar.photo.photo import Photo
from dinar.raster.rasterize import rasterize
from dinar.texture.part_colours import Places, counted


@dataclass(frozen=True)
class Look:
    """A photo with its parts, and the body in it.

    parts   uint8 [H, W]  `parts.BodyPart`
    body    Body          batch 1
    camera  Camera        of size (H, W)
    """

    parts: Tensor
    body: Body
    camera: Camera


def looks_at(photos: Sequence[Photo], bodies: Sequence[Silhouette]) -> list[Look]:
    """The photos with known parts, and the bodies there; nobody knows what is beyond a picture's edge."""
    looks = []
    for photo, seen in zip(photos, bodies, strict=True):
        if photo.parts is not None:
            inside = inside_of(photo)
            parts = photo.parts if inside is None else photo.parts.masked_fill(~inside, int(BodyPart.UNKNOWN))
            looks.append(Look(parts, seen.body, seen.camera))
    return looks


def inside_of(photo: Photo) -> Tensor | None:
    """What a picture shows, bool [H, W]; None for a view of somebody who is known (`synth.view`), which is whole."""
    return photo.inside if isinstance(photo, Photo) else None


def shown_at(model: BodyModel, looks: Sequence[Look]) -> tuple[Places, np.ndarray]:
    """The places of a body, and how many pixels of each label photos show there, [places, 256]."""
    model = bare(model)
    places = Places.on(model)
    counts = np.zeros((places.count, 256))
    for look in looks:
        with torch.no_grad():
            points = look.camera.project(model(look.body).vertices)
        face = rasterize(points, model.faces, look.camera.size).face[0].long()
        place = torch.where(face >= 0, places.of[face.clamp(min=0)], -1).numpy()
        counts += counted(place, look.parts.numpy(), places.count)
    return places, counts
