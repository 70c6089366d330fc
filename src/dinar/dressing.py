"""What photos show of clothes and hair, on the body."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dinar.body.layers import RISE, thickness, tucked, wearing
from dinar.body.model import BodyModel
from dinar.fit import draping, hair, outline, shoes, skirt
from dinar.fit.fit import Fit
from dinar.fit.look import Look, inside_of, looks_at, shown_at
from dinar.fit.rims import Seen
from dinar.photo.photo import Photo


def dressed(
    model: BodyModel,
    photos: Sequence[Photo],
    fits: Sequence[Fit],
    *,
    layers: bool = True,
    without: Collection[str] = (),         # layers that are not worn, whatever photos show
) -> BodyModel:
    """The body with the outlines of clothes and hair that the photos' masks show; skirts and hair are layers.

    Where parts are known, cloth hangs over the trunk's hollows (`fit.draping`), and feet in shoes have no toes.
    """
    shape, looks = fits[0].body.shape[0], looks_at(photos, fits)
    if layers:
        model = put_on(model, looks, without)
    shod = False
    if looks:
        shown = shown_at(model, looks)
        model = model.moved(draping.hang(model, shape, draping.clothed(model, *shown)))
        shod = shoes.made_for(model) and shoes.shod(*shown)
    if shod:
        model = model.moved(shoes.put_on(model))
    seen = [Seen(photo.mask, found.body, found.camera) for photo, found in zip(photos, fits, strict=True)]
    inside = [inside_of(photo) for photo in photos]
    haired = thickness(model) > RISE if "hair" in model.layers else None
    bald = hair.sunk(model, shape, haired)               # a head that is fitted too high would hide where hair ends
    model = model.moved(outline.fit(bald, shape, seen, shod=shod, inside=inside))
    return hair.tucked(tucked(model, shape), shape, haired)


def put_on(model: BodyModel, looks: Sequence[Look], without: Collection[str] = ()) -> BodyModel:
    """The body with the layers (`body.layers`) that photos with known parts show, but for some."""
    if model.name != "open" or not looks:
        return model
    asked = {name: layer for name, layer in (("hair", hair), ("skirt", skirt)) if name not in without}
    fitted = {name: layer.fit(model, looks) for name, layer in asked.items()}
    worn = {name: one for name, one in fitted.items() if one is not None and one.worn}
    model = wearing(model, {name: one.coefficients for name, one in worn.items()})
    return hair.shaped(model, worn["hair"].height, looks[0].body.shape[0]) if "hair" in worn else model
