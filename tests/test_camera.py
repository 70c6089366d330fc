from __future__ import annotations

import math

import pytest
import torch

from dinar.camera import Camera, framing, intrinsics, look_at, orbit


@pytest.fixture
def points() -> torch.Tensor:
    return torch.randn(50, 3, generator=torch.Generator().manual_seed(1)) * 0.4


def test_a_point_on_the_axis_falls_on_the_principal_point() -> None:
    camera = Camera(intrinsics(100.0, (40, 60)), torch.eye(3), torch.zeros(3), (40, 60))
    found = camera.project(torch.tensor([[0.0, 0.0, 2.0], [0.1, -0.2, 2.0]]))
    assert torch.allclose(found, torch.tensor([[30.0, 20.0, 2.0], [35.0, 10.0, 2.0]]))


def test_points_behind_the_camera_keep_their_depth() -> None:
    camera = Camera(intrinsics(100.0, (40, 60)), torch.eye(3), torch.zeros(3), (40, 60))
    found = camera.project(torch.tensor([[0.0, 0.0, -2.0], [0.1, 0.1, 0.0]]))
    assert found[0, 2] == -2 and found[1, 2] == 0 and found.isfinite().all()


def test_resized_and_cropped_show_the_same_rays(points: torch.Tensor) -> None:
    camera = orbit(torch.zeros(3), 20.0, 10.0, 3.0, (200, 300))
    before = camera.project(points)
    resized, cropped = camera.resized((100, 600)), camera.cropped(-7.0, 12.5, (50, 60))
    assert resized.size == (100, 600) and cropped.size == (50, 60)
    assert torch.allclose(resized.project(points)[:, :2], before[:, :2] * torch.tensor([2.0, 0.5]), atol=1e-3)
    assert torch.allclose(cropped.project(points)[:, :2], before[:, :2] - torch.tensor([-7.0, 12.5]), atol=1e-3)
    assert torch.allclose(cropped.project(points)[:, 2], before[:, 2])


@pytest.mark.parametrize("eye", [[1.0, 2.0, 3.0], [0.0, 5.0, 0.0], [0.0, -5.0, 0.0], [-2.0, 0.0, 0.0]])
def test_look_at_is_a_rotation_that_centres_the_target(eye: list[float]) -> None:
    camera = look_at(torch.tensor(eye), torch.zeros(3), (80, 60))
    assert torch.allclose(camera.R @ camera.R.T, torch.eye(3), atol=1e-6)
    assert torch.linalg.det(camera.R) == pytest.approx(1, abs=1e-5)
    assert torch.allclose(camera.position, torch.tensor(eye), atol=1e-5)
    assert torch.allclose(camera.project(torch.zeros(1, 3))[0, :2], torch.tensor([30.0, 40.0]), atol=1e-3)


def test_up_is_up_and_the_field_of_view_is_the_height() -> None:
    camera = orbit(torch.zeros(3), 0.0, 0.0, 2.0, (100, 100), fov=60.0)
    top = camera.project(torch.tensor([[0.0, 2 * math.tan(math.radians(30)), 0.0]]))
    assert torch.allclose(top[0, :2], torch.tensor([50.0, 0.0]), atol=1e-3)


def test_orbit_goes_from_the_front_to_the_left_side() -> None:
    front, left = (orbit(torch.zeros(3), a, 0.0, 2.0, (10, 10)) for a in (0.0, 90.0))
    assert torch.allclose(front.position, torch.tensor([0.0, 0.0, 2.0]), atol=1e-6)
    assert torch.allclose(left.position, torch.tensor([2.0, 0.0, 0.0]), atol=1e-6)


@pytest.mark.parametrize("size", [(300, 200), (200, 300)])
@pytest.mark.parametrize("azimuth", [0.0, 70.0, 180.0])
def test_framing_is_the_nearest_camera_that_sees_everything(
    points: torch.Tensor, size: tuple[int, int], azimuth: float
) -> None:
    points = points * torch.tensor([1.0, 2.0, 0.5]) + torch.tensor([3.0, 1.0, -2.0])
    camera = framing(points, azimuth, 15.0, size, margin=0.1)
    found = camera.project(points)
    share = found[:, :2] / torch.tensor([size[1], size[0]])
    assert (found[:, 2] > 0).all()
    assert share.min() >= 0.1 - 1e-4 and share.max() <= 0.9 + 1e-4
    assert (share - 0.5).abs().max() == pytest.approx(0.4, abs=1e-3)


def test_contained_view_keeps_proportions_and_shows_all():
    camera = look_at(torch.tensor([0.0, 1.0, 4.0]), torch.tensor([0.0, 1.0, 0.0]), (400, 300))
    square = camera.contained((200, 200))
    assert square.size == (200, 200)
    torch.testing.assert_close(square.K[0, 0], square.K[1, 1])
    points = torch.tensor([[0.5, 1.2, 0.0], [-0.4, 0.3, 0.2]])
    expected = camera.project(points)[:, :2] * 0.5 + torch.tensor([25.0, 0.0])
    torch.testing.assert_close(square.project(points)[:, :2], expected)
