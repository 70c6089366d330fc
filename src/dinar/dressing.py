"""What photos show of clothes and hair, on the body."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from torch import Tensor

from dinar.body.layers import tucked, wearing
from dinar.body.model import Body, BodyModel
from dinar.camera import Camera
from dinar.fit import outline, skirt
from dinar.fit.fit import Fit
from dinar.photo.photo import Photo


@dataclass(frozen=True)
class _Seen:
    """A photo as `outline.fit` looks at it."""

    mask: Tensor
    body: Body
    camera: Camera


def dressed(
    model: BodyModel,
    photos: Sequence[Photo],
    fits: Sequence[Fit],
    *,
    layers: bool = True,
    without: Collection[str] = (),         # layers that are not worn, whatever photos show
) -> BodyModel:
    """The body with the outlines of clothes and hair that the photos' masks show; a skirt is a layer of its own."""
    if layers:
        worn = worn_layers(model, photos, fits)
        model = wearing(model, {name: found for name, found in worn.items() if name not in without})
    seen = [_Seen(photo.mask, found.body, found.camera) for photo, found in zip(photos, fits, strict=True)]
    shape = fits[0].body.shape[0]
    return tucked(model.moved(outline.fit(model, shape, seen)), shape)


def worn_layers(model: BodyModel, photos: Sequence[Photo], fits: Sequence[Fit]) -> dict[str, Tensor]:
    """Coefficients of the layers (`body.layers`) that photos with known parts show."""
    if model.name != "open":
        return {}
    looks = [
        skirt.Look(photo.parts, found.body, found.camera)
        for photo, found in zip(photos, fits, strict=True)
        if photo.parts is not None
    ]
    found = skirt.fit(model, looks) if looks else None
    return {"skirt": found.coefficients} if found is not None and found.worn else {}
