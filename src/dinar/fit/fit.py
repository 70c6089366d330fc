"""One body, posed for each photo, and the cameras that saw it (SMPLify-X-like, with the silhouette of section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import roma
import torch
from torch import Tensor
from torch.nn.functional import interpolate as resize
from torch.nn.functional import relu

from dinar.body.model import Body, BodyModel
from dinar.camera import Camera
from dinar.errors import InputError
from dinar.fit.contact import Contact
from dinar.fit.initial import initial_pose, initial_translation
from dinar.fit.objective import Targets, depths, dice, directions, reprojection, targets
from dinar.fit.prior import PosePrior
from dinar.parallel import torch_threads
from dinar.photo.landmarks import BODY
from dinar.photo.photo import Photo
from dinar.raster.rasterize import rasterize
from dinar.raster.silhouette import silhouette

# From the camera's axes (x right, y down, z forward) to the world's (Y up): the camera stands level and looks along -Z.
LEVEL = torch.diag(torch.tensor([1.0, -1.0, -1.0]))

_LIMBS = {
    "head": ("nose", "left_ear", "right_ear"),
    "left arm": ("left_elbow", "left_wrist"),
    "right arm": ("right_elbow", "right_wrist"),
    "left leg": ("left_knee", "left_ankle"),
    "right leg": ("right_knee", "right_ankle"),
    "left foot": ("left_heel", "left_foot_index"),
    "right foot": ("right_heel", "right_foot_index"),
}


@dataclass(frozen=True)
class Fit:
    """A body that explains one photo.

    body          batch of 1, its translation 0: the camera is placed about the body
    camera        of the photo's crop
    reprojection  mean distance of the body's landmarks from the seen ones, % of the larger side of the person's box
    mask_iou      intersection over union of the body's silhouette and the photo's mask
    unseen        limbs that the photo does not show
    """

    body: Body
    camera: Camera
    reprojection: float
    mask_iou: float
    unseen: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """A run of Adam over some of the terms.

    The weights are of the terms of `_Problem.loss`; `width` is the robust error's, a share of the person's size.
    """

    steps: int
    rate: float
    width: float
    directions: float
    depths: float
    pose: float
    shape: float
    silhouette: float = 0.0
    limbs: bool = True       # False: only shape and place move


STAGES = (
    Stage(steps=60, rate=0.03, width=0.15, directions=1.0, depths=1.0, pose=0.01, shape=0.02, limbs=False),
    Stage(steps=120, rate=0.03, width=0.06, directions=0.6, depths=1.0, pose=0.004, shape=0.01),
    Stage(steps=100, rate=0.02, width=0.025, directions=0.2, depths=1.0, pose=0.003, shape=0.01),
    Stage(steps=80, rate=0.01, width=0.025, directions=0.2, depths=1.0, pose=0.003, shape=0.004, silhouette=40.0),
)

CONTACT = 0.05   # weight of two parts that are 1 cm inside one another

SILHOUETTE_SIDE = 256   # pixels: a finer mask costs more than it tells


def fit(
    photos: Sequence[Photo],
    model: BodyModel,
    *,
    stages: Sequence[Stage] = STAGES,
    progress: Callable[[float], None] | None = None,   # called with the part done, 0 to 1
) -> list[Fit]:
    """One shape for all photos, and a pose, an expression and a camera for each; the same every time.

    Raises InputError where a photo's landmarks are too few to fit a body to.
    """
    total = sum(stage.steps for stage in stages)
    done = 0
    with torch_threads(1):   # steps this small gain nothing from more, and sums keep one order, so results repeat
        problem = _Problem(photos, model)
        for stage in stages:
            optimiser = torch.optim.Adam(problem.variables(stage), lr=stage.rate, betas=(0.9, 0.95))
            schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k, n=stage.steps: 1 - 0.9 * k / n)
            for _ in range(stage.steps):
                optimiser.zero_grad(set_to_none=True)
                problem.loss(stage).backward()
                optimiser.step()
                schedule.step()
                done += 1
                if progress is not None:
                    progress(done / total)
        with torch.no_grad():
            return [problem.result(i) for i in range(len(photos))]


class _Problem:
    """The unknowns of a fit and the terms that bind them."""

    def __init__(self, photos: Sequence[Photo], model: BodyModel) -> None:
        self.photos, self.model, self.few = photos, model, model.only_landmarks()
        self.prior, self.contact = PosePrior(model), Contact(model)
        self.targets = [_targets_of(photo, model) for photo in photos]
        n = len(photos)
        self.shape = torch.zeros(1, len(model.shape_basis), requires_grad=True)
        self.expression = torch.zeros(n, len(model.expression_names), requires_grad=True)
        starts = [self._start(photo, target) for photo, target in zip(photos, self.targets, strict=True)]
        start = torch.stack([pose for pose, _ in starts])
        root = model.humanoid["hips"]
        self.root = roma.rotvec_to_rotmat(start[:, root])          # [n, 3, 3]
        self.turn = torch.zeros(n, 3, requires_grad=True)          # after the root's first guess
        self.limbs = start[:, self.prior.bones].clone().requires_grad_()
        place = torch.stack([place for _, place in starts])        # camera's axes, metres
        self.bearing = place[:, :2] / place[:, 2:]                 # tangents of the direction to the body's origin
        self.shift = torch.zeros(n, 2, requires_grad=True)         # from there, in sizes of the person's picture
        self.distance = place[:, 2].log().clone().requires_grad_()
        self.focal = torch.tensor([_focal(photo) for photo in photos])
        self.span = torch.tensor([target.size for target in self.targets]) / self.focal
        self.zoom = torch.zeros(n, requires_grad=True)             # log of the focal length over its first guess
        self.measured = torch.tensor([photo.focal is not None for photo in photos])
        self.masks = [_small(photo.mask) for photo in photos]

    def variables(self, stage: Stage) -> list[dict]:
        """Adam's parameter groups: what a stage moves."""
        groups = [
            {"params": [self.turn, self.shift, self.distance]},
            {"params": [self.shape], "lr": 3 * stage.rate},
            {"params": [self.zoom], "lr": 0.3 * stage.rate},
        ]
        if stage.limbs:
            groups.append({"params": [self.limbs, self.expression]})
        return groups

    def body(self) -> Body:
        """Bodies in the world's axes about the camera at the origin."""
        pose = torch.zeros(len(self.photos), len(self.model.parents), 3)
        pose = pose.index_copy(1, self.prior.bones, self.limbs)
        turned = roma.rotmat_to_rotvec(self.root @ roma.rotvec_to_rotmat(self.turn))
        pose = pose.index_copy(1, torch.tensor([self.model.humanoid["hips"]]), turned[:, None])
        bearing = self.bearing + self.shift * self.span[:, None]
        place = torch.cat([bearing, torch.ones_like(bearing[:, :1])], dim=1) * self.distance.exp()[:, None]
        return Body(self.shape, pose, self.expression, place @ LEVEL)

    def camera(self, i: int) -> Camera:
        """Photo i's camera at the world's origin."""
        return Camera(_intrinsics(self.photos[i], self.focal[i] * self.zoom[i].exp()), LEVEL, torch.zeros(3),
                      tuple(self.photos[i].image.shape[1:]))  # fmt: skip

    def loss(self, stage: Stage) -> Tensor:
        body = self.body()
        mesh = self.few(body)
        points = self.few.landmarks(mesh)
        total = CONTACT * (self.contact(self.few, body.shape, mesh) / 0.01).square().sum()
        total = total + stage.shape * self.shape.square().sum() + stage.pose * self.prior(self.limbs).sum()
        low, high = self.model.expression_range
        outside = relu(low - self.expression) + relu(self.expression - high)
        total = total + 0.01 * self.expression.square().sum() + outside.square().sum()
        total = total + 2.0 * (self.zoom / torch.where(self.measured, 0.03, 0.25)).square().sum()
        for i, target in enumerate(self.targets):
            camera = self.camera(i)
            total = total + reprojection(camera.project(points[i]), target, width=stage.width)
            seen = points[i] @ LEVEL
            total = total + stage.directions * directions(seen, target) + stage.depths * depths(seen, target)
        if stage.silhouette:
            mesh = self.model(body)
            for i, mask in enumerate(self.masks):
                camera = self.camera(i).resized(tuple(mask.shape[1:]))
                drawn = silhouette(camera.project(mesh.vertices[i])[None], self.model.faces, camera.size)
                total = total + stage.silhouette * dice(drawn[0], mask)
        return total

    def result(self, i: int) -> Fit:
        photo, target = self.photos[i], self.targets[i]
        body = self.body()
        body = Body(body.shape, body.pose[i : i + 1], body.expression[i : i + 1], body.translation[i : i + 1])
        camera = self.camera(i)
        mesh = self.model(body)
        projected = camera.project(self.model.landmarks(mesh)[0])
        counted = [r for r, name in zip(target.index.tolist(), _names(photo, self.model), strict=True) if name in BODY]
        rows = torch.isin(target.index, torch.tensor(counted)) & (target.weight > 0)
        distance = (projected[target.index, :2] - target.xy).norm(dim=1)[rows]
        drawn = rasterize(camera.project(mesh.vertices[0])[None], self.model.faces, camera.size).mask[0] > 0.5
        mask = photo.mask > 0.5
        centred = Body(body.shape.detach(), body.pose, body.expression.detach(), torch.zeros(1, 3))
        return Fit(
            body=centred,
            camera=Camera(camera.K, camera.R, LEVEL @ body.translation[0], camera.size),
            reprojection=(distance.mean() / target.size * 100).item(),
            mask_iou=((drawn & mask).sum() / (drawn | mask).sum()).item(),
            unseen=unseen(photo),
        )

    def _start(self, photo: Photo, target: Targets) -> tuple[Tensor, Tensor]:
        """First guess: pose [J, 3], and place [3] in the camera's axes."""
        known = torch.isfinite(photo.landmarks.world).all(1) & (photo.landmarks.confidence > 0.1)
        world = {
            name: photo.landmarks.world[i] @ LEVEL for i, name in enumerate(photo.landmarks.names) if known[i]
        }
        pose = initial_pose(self.model, world)
        body = Body(torch.zeros(1, len(self.model.shape_basis)), pose[None],
                    torch.zeros(1, len(self.model.expression_names)), torch.zeros(1, 3))  # fmt: skip
        points = self.few.landmarks(self.few(body))[0, target.index] @ LEVEL
        K = _intrinsics(photo, torch.tensor(_focal(photo)))
        return pose, initial_translation(points, target.xy, target.weight, K[0, 0], K[:2, 2])


def unseen(photo: Photo) -> tuple[str, ...]:
    """Limbs of which no landmark was seen with confidence."""
    seen = dict(zip(photo.landmarks.names, photo.landmarks.confidence.tolist(), strict=True))
    return tuple(limb for limb, names in _LIMBS.items() if max(seen.get(name, 0.0) for name in names) < 0.4)


def _targets_of(photo: Photo, model: BodyModel) -> Targets:
    rows = photo.mask[0] > 0.5
    y, x = rows.nonzero(as_tuple=True)
    if len(y) == 0:
        raise InputError("the person's mask is empty")
    target = targets(photo.landmarks, model.landmark_names, float(max(y.max() - y.min(), x.max() - x.min()) + 1))
    if (target.weight > 0).sum() < 6:
        raise InputError("too few landmarks of the person were found to fit a body")
    return target


def _names(photo: Photo, model: BodyModel) -> list[str]:
    """Names of the landmarks that photo and model share, in the order of `targets`."""
    return [name for name in photo.landmarks.names if name in model.landmark_names]


def _focal(photo: Photo) -> float:
    """Focal length in pixels of the crop: EXIF's, else a phone's (50 degrees along the picture's long side)."""
    if photo.focal is not None:
        return photo.focal
    return max(photo.source_size) * photo.window[2] / 2 / math.tan(math.radians(25))


def _intrinsics(photo: Photo, focal: Tensor) -> Tensor:
    """K [3, 3] of the crop; the principal point is the middle of the whole picture."""
    x, y, scale = photo.window
    height, width = photo.source_size
    zero, one = torch.zeros(()), torch.ones(())
    middle = torch.tensor([(width / 2 - x) * scale, (height / 2 - y) * scale])
    return torch.stack([focal, zero, middle[0], zero, focal, middle[1], zero, zero, one]).view(3, 3)


def _small(mask: Tensor) -> Tensor:
    """A mask at the size that silhouettes are compared at."""
    h, w = mask.shape[1:]
    scale = min(1.0, SILHOUETTE_SIDE / max(h, w))
    return resize(mask[None], (round(h * scale), round(w * scale)), mode="bilinear", antialias=True)[0]
