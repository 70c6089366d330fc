"""A picture of a figure's face: the thumbnail that avatar files carry."""

from __future__ import annotations

import numpy as np
import torch

from dinar import images
from dinar.camera import framing
from dinar.export.figure import Figure, standing
from dinar.texture.drawing import draw

SIDE = 512                      # pixels
_BACKGROUND = (0.93, 0.93, 0.93)
_ABOUT = 0.17                   # metres around the middle of the face


def portrait(figure: Figure, side: int = SIDE) -> np.ndarray:
    """The face from the front, as other programs show it: uint8 [side, side, 3]."""
    with torch.no_grad():
        posed = figure.model(standing(figure))
    middle = posed.joints[0, figure.model.humanoid["head"]] + torch.tensor([0.0, 0.04, 0.05])
    near = (posed.vertices[0] - middle).norm(dim=1) < _ABOUT
    camera = framing(posed.vertices[0, near], 0.0, 0.0, (side, side))
    drawn = draw(figure.extended()[None], posed.vertices, figure.model.faces, figure.layout, camera, supersample=2)
    return images.to_bytes(drawn.over(torch.tensor(_BACKGROUND)[None, :, None, None])[0])
