"""Loops that draw, made ready before they are needed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from dinar.camera import framing
from dinar.texture.neural_drawing import Artist, surface
from dinar.texture.neural_texture import NeuralTexture

if TYPE_CHECKING:
    from dinar.body.model import BodyModel
    from dinar.body.uv import UVLayout
    from dinar.networks.renderer import Renderer


def warm_up(model: BodyModel, layout: UVLayout, renderer: Renderer | None = None) -> None:
    """Compiles the loops that draw on a CPU, or reads them from the disk; the first time on a machine takes seconds.

    renderer  whose drawing is made ready too
    """
    side = 16
    maps = torch.zeros(1, 1, side, side)
    texture = NeuralTexture(None, maps.expand(-1, 3, -1, -1), maps, maps, maps)
    camera = framing(model.template, 0, 0, (side, side))
    surface(texture, texture.rgb, model.template[None], model.faces, layout, camera)
    if renderer is None:
        return
    neural = replace(texture, generated=torch.zeros(1, renderer.colours or 1, side, side))
    artist = Artist.of(renderer, neural, texture.rgb[0], layout)
    if artist is not None:
        artist.draw(model.template[None], model.faces, camera)
