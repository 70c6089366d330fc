"""Which skirt a person wears: hem and flare of the layer `skirt`, from the parts that photos show and their outlines.

The tube of skirts, dresses, tunics and long coats is drawn with one hem and flare after another, and its picture below
the hips compared with the pixels that the parser takes for such cloth. What reaches well below the crotch, and looks
like a tube there, is worn; trousers and shirts are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dinar.body.layers import Layer, bare, clinging
from dinar.body.model import BodyModel
from dinar.body.uv import PARTS, part_labels
from dinar.camera import Camera
from dinar.fit.look import Look
from dinar.parts import BodyPart
from dinar.raster.rasterize import rasterize

COMPONENTS = ("hem", "hem behind", "hem to the left", "flare aside", "flare in front", "flare behind")
"""Of the layer's basis: 10 cm downwards at a hem, 5 cm outwards there."""

SIDE = 192               # pixels of the longer side of what is compared
HEMS = tuple(-4.5 + 0.5 * k for k in range(17))      # tried first
FLARES = (-0.6, 0.0, 0.8, 2.0, 3.5)                  # aside; in front and behind `_ROUND` of it
LEAST = 0.11             # metres below the crotch that a hem lies at least,
LONGER = 0.05            # and that it is found longer at most by looking closely
ALIKE = 0.62             # overlap with the cloth that is seen, at least

RING = 72                # vertices of the layer's last ring, its hem

_ROUND = 0.6
_CLOTH = (BodyPart.DRESS, BodyPart.OUTER, BodyPart.UPPER)
_ARMS = tuple(k for k, part in enumerate(PARTS) if part.endswith(("arm", "hand")))


@dataclass(frozen=True)
class Found:
    """What a skirt was fitted to.

    coefficients  float32 [6]  of the layer, `COMPONENTS`
    overlap       of its picture and the cloth below the hips, [0, 1]
    depth         metres that the hem lies below the crotch, on the mean body
    """

    coefficients: Tensor
    overlap: float
    depth: float

    @property
    def worn(self) -> bool:
        return self.overlap >= ALIKE and self.depth >= LEAST


def fit(model: BodyModel, looks: Sequence[Look]) -> Found | None:
    """The skirt that explains the cloth below the hips best, worn or not; None where there is hardly any cloth."""
    views = [_View.of(bare(model), look) for look in looks]
    if sum(float(view.cloth.sum()) for view in views) < 0.02 * sum(float(view.person) for view in views):
        return None
    tube = _Tube(bare(model), looks[0].body.shape[0])

    def overlap(x: np.ndarray) -> float:
        hem, flare, aslant = x
        return _overlap(tube, views, _coefficients(hem, flare, aslant))

    with torch.no_grad():
        _, hem = max((overlap(np.array([hem, 0.0, 0.0])), hem) for hem in HEMS)
        _, flare = max((overlap(np.array([hem, flare, 0.0])), flare) for flare in FLARES)
        best = np.array([hem, flare, 0.0])
        score = overlap(best)
        coefficients = _coefficients(*best)
        if tube.depth(coefficients) < LEAST - LONGER:                    # a shirt's hem
            return Found(coefficients, score, tube.depth(coefficients))
        for step in (0.5, 0.25, 0.12):
            for _ in range(3):
                before = score
                for axis, scale in enumerate((1.0, 1.5, 0.6)):
                    for sign in (-1, 1):
                        tried = best.copy()
                        tried[axis] += sign * scale * step
                        tried = np.clip(tried, [HEMS[0], -1.0, -0.5], [HEMS[-1], 6.0, 0.5])
                        if (found := overlap(tried)) > score + 1e-4:
                            best, score = tried, found
                if score == before:
                    break
        coefficients = _coefficients(*best)
        return Found(coefficients, score, tube.depth(coefficients))


def _coefficients(hem: float, flare: float, aslant: float) -> Tensor:
    return torch.tensor([hem, 0.0, aslant, flare, _ROUND * flare, _ROUND * flare], dtype=torch.float32)


class _Tube:
    """The layer on a body of shape [S], posed by its joints."""

    def __init__(self, model: BodyModel, shape: Tensor) -> None:
        self.layer, self.model = Layer.load("skirt"), model
        self.fitted = torch.tensordot(shape.to(self.layer.shape_basis), self.layer.shape_basis, dims=1)
        self.weights: dict[int, Tensor] = {}
        x, y, _ = (model.template - model.offsets).T
        self.crotch = float(y[(x.abs() < 0.01) & (y < 0.1)].amin())          # the lowest in the body's middle

    def depth(self, coefficients: Tensor) -> float:
        return self.crotch - float(self.layer.at(coefficients)[-RING:, 1].mean())

    def posed(self, coefficients: Tensor, transforms: Tensor) -> Tensor:
        """Vertices [N, 3] by transforms of the joints [J, 4, 4], metres."""
        rest = self.layer.at(coefficients)
        hem = round(float(coefficients[0]))                 # weights change slowly: one set for 10 cm
        if hem not in self.weights:
            self.weights[hem] = clinging(self.model, self.layer.at(_coefficients(hem, 0.0, 0.0)))
        blend = (self.weights[hem] @ transforms[:, :3].flatten(1)).unflatten(1, (3, 4))
        rest = rest + self.fitted
        return (blend[..., :3] * rest[:, None]).sum(-1) + blend[..., 3]


@dataclass(frozen=True)
class _View:
    """A photo as it is compared.

    cloth       bool [h, w]     below the hips and on no arm
    zone        bool [h, w]     where it could be
    person      pixels of the person
    transforms  [J, 4, 4]
    """

    cloth: Tensor
    zone: Tensor
    person: float
    transforms: Tensor
    camera: Camera

    @classmethod
    def of(cls, model: BodyModel, look: Look) -> _View:
        scale = SIDE / max(look.camera.size)
        size = tuple(max(1, round(side * scale)) for side in look.camera.size)
        camera = look.camera.resized(size)
        parts = torch.nn.functional.interpolate(look.parts[None, None].float(), size, mode="nearest")[0, 0]
        with torch.no_grad():
            posed = model(look.body)
        drawn = rasterize(camera.project(posed.vertices), model.faces, size).face[0].long()
        labels = part_labels(model)[drawn.clamp(min=0)].masked_fill(drawn < 0, -1)
        arms = torch.isin(labels, torch.tensor(_ARMS)).float()[None]
        arms = torch.nn.functional.max_pool2d(arms, 5, 1, 2)[0] > 0
        hips = posed.joints[0, [model.humanoid["leftUpperLeg"], model.humanoid["rightUpperLeg"]]].mean(0, keepdim=True)
        row = float(camera.project(hips)[0, 1])
        zone = (torch.arange(size[0])[:, None] > row) & ~arms
        cloth = torch.isin(parts, torch.tensor([float(part) for part in _CLOTH])) & zone
        return cls(cloth, zone, float(((parts > 0) & (parts != BodyPart.UNKNOWN)).sum()), posed.transforms[0], camera)


def _overlap(tube: _Tube, views: Sequence[_View], coefficients: Tensor) -> float:
    """Intersection over union of the skirt's picture and the cloth."""
    both = either = 0
    for view in views:
        points = view.camera.project(tube.posed(coefficients, view.transforms)[None])
        drawn = (rasterize(points, tube.layer.faces, view.camera.size).face[0] >= 0) & view.zone
        both += int((drawn & view.cloth).sum())
        either += int((drawn | view.cloth).sum())
    return both / max(either, 1)
