"""Avatars of one person made into one (section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from dinar.avatar import Avatar, open_body
from dinar.body.layers import wearing
from dinar.errors import InputError
from dinar.inpainting.inpainter import shipped, ships_for
from dinar.painting import inpainted
from dinar.progress import Progress
from dinar.texture import merging
from dinar.texture.filling import Filler


def merge(
    avatars: Sequence[Avatar],
    *,
    inpaint: bool = True,              # paint what no photo showed by diffusion, where there are weights for it
    seed: int = 0,                     # of that
    progress: Progress | None = None,
) -> Avatar:
    """One avatar that shows what the photos of all showed (eq. 5), their order of no matter.

    What was painted in one of them counts for nothing: it may have been seen in another, and is made anew if not. The
    shape, and the clothes' outline, is the mean over the photos. The first avatar's photo stays the first, the one of
    the "photo" view.

    Raises InputError for less than two avatars, or such as wear different bodies, layouts, sizes or weights.
    """
    if len(avatars) < 2:
        raise InputError("merging needs two avatars or more of one person")
    first, progress = avatars[0], progress or Progress()
    for other in avatars[1:]:
        _check(first, other)
    with progress.stage("merge"):
        texture = merging.merge([merging.seen_part(avatar.texture) for avatar in avatars])
        photos = torch.tensor([float(max(len(avatar.shots), 1)) for avatar in avatars], dtype=torch.float64)
        shapes = torch.stack([avatar.shape for avatar in avatars]).double()
        share = (photos / photos.sum()).to(shapes)
        shape = (shapes * share[:, None]).sum(0).to(first.shape)
        offsets = torch.stack([avatar.model.offsets for avatar in avatars])
        offsets = (offsets * share.to(offsets)[:, None, None]).sum(0)
        if first.model.layers:
            worn = {
                name: (torch.stack([avatar.model.layers[name] for avatar in avatars]) * share[:, None].float()).sum(0)
                for name in first.model.layers
            }
            model = wearing(open_body(), worn).moved(offsets)
        else:
            model = first.model.moved(offsets - first.model.offsets)
    with progress.stage("fill"):
        filler = Filler.of(model, first.layout, texture.rgb.shape[-1])
        painted = filler(texture)[0]
    shots = tuple(shot for avatar in avatars for shot in avatar.shots)
    merged = replace(first, texture=texture, painted=painted, shape=shape, model=model, shots=shots)
    if not inpaint or first.weights is None or not ships_for(first.weights):
        return merged
    with progress.stage("inpaint"):
        painter = shipped().to(merged.shape.device)
        return inpainted(merged, painter, filler, before=(texture, painted), seed=seed)


def _check(one: Avatar, other: Avatar) -> None:
    """Raises InputError where two avatars do not go together."""
    facts = {
        "wear different bodies": [avatar.model.name for avatar in (one, other)],
        "wear different layers": [" and ".join(avatar.model.layers) or "none" for avatar in (one, other)],
        "have different UV layouts": [avatar.layout.name for avatar in (one, other)],
        "were made with different weights": [avatar.weights or "none" for avatar in (one, other)],
        "have textures of different sizes": [str(avatar.texture.rgb.shape[-1]) for avatar in (one, other)],
    }
    for what, (mine, theirs) in facts.items():
        if mine != theirs:
            raise InputError(f"these avatars {what} ({mine} and {theirs}); make one of them again like the other")
