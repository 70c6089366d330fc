"""Pinhole cameras, OpenCV's convention: x right, y down, z forward; pixel centres at half-integers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Camera:
    """A pinhole camera looking at the world.

    K     float32 [3, 3]  intrinsics, pixels
    R     float32 [3, 3]  world -> camera rotation
    t     float32 [3]     world -> camera translation, metres
    size  (H, W)          image size, pixels
    """

    K: Tensor
    R: Tensor
    t: Tensor
    size: tuple[int, int]

    def to_camera(self, points: Tensor) -> Tensor:
        """World points [..., 3] in camera axes [..., 3], metres."""
        return points @ self.R.T + self.t

    def project(self, points: Tensor) -> Tensor:
        """World points [..., 3] -> (x px, y px, depth m) [..., 3]; points behind the camera keep a depth <= 0."""
        p = self.to_camera(points)
        z = p[..., 2:]
        xy = p[..., :2] / torch.where(z.abs() < 1e-9, torch.full_like(z, 1e-9), z)
        xy = xy * torch.stack([self.K[0, 0], self.K[1, 1]]) + self.K[:2, 2]
        return torch.cat([xy, z], dim=-1)

    @property
    def position(self) -> Tensor:
        """The camera's centre in the world [3], metres."""
        return -self.R.T @ self.t

    def resized(self, size: tuple[int, int]) -> Self:
        """The same view at another image size (H, W)."""
        scale = torch.tensor([size[1] / self.size[1], size[0] / self.size[0], 1.0]).to(self.K)
        return replace(self, K=self.K * scale[:, None], size=size)

    def cropped(self, x: float, y: float, size: tuple[int, int]) -> Self:
        """The view through a window whose top left corner is at pixel (x, y); it may reach outside the image."""
        K = self.K.clone()
        K[0, 2] -= x
        K[1, 2] -= y
        return replace(self, K=K, size=size)

    def contained(self, size: tuple[int, int]) -> Self:
        """The whole view in an image of size (H, W): scaled alike in x and y, in the middle, with room at two sides."""
        scale = min(size[0] / self.size[0], size[1] / self.size[1])
        height, width = (max(1, round(side * scale)) for side in self.size)
        return self.resized((height, width)).cropped((width - size[1]) / 2, (height - size[0]) / 2, size)

    def to(self, device: torch.device | str) -> Self:
        return replace(self, K=self.K.to(device), R=self.R.to(device), t=self.t.to(device))


def intrinsics(focal: float, size: tuple[int, int]) -> Tensor:
    """K [3, 3] with the principal point in the middle of an image of `size` (H, W); focal in pixels."""
    h, w = size
    return torch.tensor([[focal, 0.0, w / 2], [0.0, focal, h / 2], [0.0, 0.0, 1.0]])


def look_at(eye: Tensor, target: Tensor, size: tuple[int, int], *, fov: float = 30.0) -> Camera:
    """A camera at `eye` [3] that looks at `target` [3], the world's Y up; fov: vertical, degrees."""
    forward = torch.nn.functional.normalize(target - eye, dim=0)
    up = torch.tensor([0.0, 1.0, 0.0]).to(eye)
    if torch.linalg.cross(forward, up).norm() < 1e-4:
        up = torch.tensor([0.0, 0.0, -1.0]).to(eye)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, up), dim=0)
    down = torch.linalg.cross(forward, right)
    R = torch.stack([right, down, forward])
    focal = size[0] / 2 / math.tan(math.radians(fov) / 2)
    return Camera(intrinsics(focal, size).to(eye), R, -R @ eye, size)


def orbit(
    target: Tensor,                # [3] what is looked at, metres
    azimuth: float,                # degrees; 0 = front (camera on +Z), 90 = the person's left side (camera on +X)
    elevation: float,              # degrees above the horizon
    distance: float,               # metres
    size: tuple[int, int],         # (H, W) pixels
    *,
    fov: float = 30.0,             # vertical, degrees
) -> Camera:
    """A camera on a sphere about `target`."""
    a, e = math.radians(azimuth), math.radians(elevation)
    offset = torch.tensor([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)]).to(target)
    return look_at(target + distance * offset, target, size, fov=fov)


def framing(
    points: Tensor,                # [N, 3] all that has to be seen, metres
    azimuth: float,                # degrees, as in `orbit`
    elevation: float,              # degrees above the horizon
    size: tuple[int, int],         # (H, W) pixels
    *,
    fov: float = 30.0,             # vertical, degrees
    margin: float = 0.06,          # free part of the image on every side
) -> Camera:
    """The nearest camera in a direction that sees all points, aimed at the middle of their bounding box."""
    target = (points.amin(0) + points.amax(0)) / 2
    aim = orbit(target, azimuth, elevation, 1.0, size, fov=fov)
    x, y, z = ((points - target) @ aim.R.T).unbind(-1)
    half = (1 - 2 * margin) * math.tan(math.radians(fov) / 2)
    distance = torch.maximum(x.abs() / (half * size[1] / size[0]), y.abs() / half) - z
    return orbit(target, azimuth, elevation, max(float(distance.max()), 1e-3), size, fov=fov)
