"""What is known of a person beside the avatar itself: the photos' poses, the body that ships, the weights that draw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor

from dinar.body.model import BodyModel
from dinar.camera import Camera
from dinar.errors import InputError
from dinar.networks.appearance import shipped
from dinar.networks.renderer import Renderer


@dataclass(frozen=True)
class Shot:
    """How the person stood in one of the photos, and the camera that took it.

    pose          float32 [J, 3]  rotation vectors
    expression    float32 [E]
    translation   float32 [3]     metres
    camera        Camera          of the whole upright photo
    reprojection  mean distance of landmarks to the body's, % of the larger side of the person's box
    mask_iou      overlap of mask and body, [0, 1]
    unseen        limbs that the photo does not show
    notes         how the photo's files were read, where that is not plain; not kept on disk
    """

    pose: Tensor
    expression: Tensor
    translation: Tensor
    camera: Camera
    reprojection: float
    mask_iou: float
    unseen: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def open_body() -> BodyModel:
    """The body that ships with the package, loaded once."""
    return BodyModel.open()


def renderer_of(weights: str) -> Renderer:
    """The renderer that draws textures of the weights of that name. Raises InputError where this version has none."""
    found = shipped()
    if weights not in (found.name, *found.follows):
        raise InputError(
            f"this avatar was made with the weights {weights}, but this version of dinar has {found.name}; "
            "make it again to draw it neurally"
        )
    return found.renderer
