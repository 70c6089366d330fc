"""Loops that draw, made ready before they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dinar.camera import framing
from dinar.texture.neural_drawing import surface
from dinar.texture.neural_texture import NeuralTexture

if TYPE_CHECKING:
    from dinar.body.model import BodyModel
    from dinar.body.uv import UVLayout


def warm_up(model: BodyModel, layout: UVLayout) -> None:
    """Compiles the loops that draw on a CPU, or reads them from the disk; the first time on a machine takes seconds."""
    side = 16
    maps = torch.zeros(1, 1, side, side)
    texture = NeuralTexture(None, maps.expand(-1, 3, -1, -1), maps, maps, maps)
    camera = framing(model.template, 0, 0, (side, side))
    surface(texture, texture.rgb, model.template[None], model.faces, layout, camera)
