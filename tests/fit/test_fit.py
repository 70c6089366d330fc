from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import roma
import torch

from dinar.body.model import Body, BodyModel
from dinar.camera import Camera, intrinsics
from dinar.errors import InputError
from dinar.fit.fit import LEVEL, STAGES, fit, unseen
from dinar.fit.initial import LIMBS, initial_pose, initial_translation
from dinar.fit.objective import dice, directions, reprojection, targets
from dinar.fit.overlay import overlay
from dinar.fit.prior import PosePrior
from dinar.photo.landmarks import BODY, Landmarks
from dinar.photo.photo import Photo
from dinar.raster.rasterize import rasterize


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.open()


def posed(model: BodyModel, *, turn: float = 0.0) -> Body:
    """A person with raised left arm, bent right knee and elbow, turned about the vertical (radians)."""
    body = model.neutral()
    prior = PosePrior(model)
    pose = body.pose.clone()
    bone = model.humanoid

    def flex(name: str, angle: float) -> None:
        k = prior.bones.tolist().index(bone[name])
        pose[0, bone[name]] = prior.axes[k, :, 0] * angle

    pose[0, 0] = torch.tensor([0.0, turn, 0.0])
    pose[0, bone["leftUpperArm"]] = torch.tensor([0.0, 0.2, 0.7])
    pose[0, bone["rightUpperLeg"]] = torch.tensor([-0.5, 0.0, -0.1])
    flex("rightLowerLeg", 0.7)
    flex("rightLowerArm", 0.6)
    shape = torch.zeros_like(body.shape)
    shape[0, :6] = torch.tensor([0.5, -1.0, 0.5, 0.3, -0.5, 0.5])
    return replace(body, pose=pose, shape=shape)


def photograph(model: BodyModel, body: Body, *, side: int = 400) -> tuple[Photo, Camera]:
    """What perfect perception would say of a body 3.5 m away."""
    camera = Camera(intrinsics(1.6 * side, (side, side)), LEVEL, torch.tensor([0.0, 0.0, 3.5]), (side, side))
    mesh = model(body)
    points = dict(zip(model.landmark_names, model.landmarks(mesh)[0], strict=True))
    names = tuple(name for name in BODY if name in points)
    xyz = torch.stack([points[name] for name in names])
    world = (xyz - points["mid_hip"]) @ LEVEL
    landmarks = Landmarks(names, camera.project(xyz)[:, :2], torch.ones(len(names)), world)
    mask = rasterize(camera.project(mesh.vertices[0])[None], model.faces, camera.size).mask[0]
    return Photo(mask.expand(3, -1, -1) * 0.5, mask, landmarks, 1.6 * side, (side, side), (0.0, 0.0, 1.0)), camera


def vertex_error(model: BodyModel, found, body: Body) -> float:
    """Mean distance in millimetres in the camera's axes, root joints aligned."""
    ours, true = model(found.body), model(body)
    a, b = ours.vertices - ours.joints[:, :1], true.vertices - true.joints[:, :1]
    return (a - b).norm(dim=-1).mean().item() * 1e3


@pytest.mark.parametrize("turn", [0.0, 0.6, 3.0], ids=["front", "aside", "behind"])
def test_known_body_is_recovered(model, turn):
    body = posed(model, turn=turn)
    photo, camera = photograph(model, body)
    found = fit([photo], model)[0]
    assert found.reprojection < 0.5 and found.mask_iou > 0.93 and found.unseen == ()
    assert vertex_error(model, found, body) < 70     # one picture does not tell small and near from tall and far
    assert abs(found.camera.t[2] / camera.t[2] - 1) < 0.15
    assert (found.body.translation == 0).all()


def test_two_photos_share_one_shape_and_the_result_repeats(model):
    photos = [photograph(model, posed(model, turn=turn))[0] for turn in (0.0, 2.8)]
    quick = [replace(stage, steps=2) for stage in STAGES]
    first, second = fit(photos, model, stages=quick), fit(photos, model, stages=quick)
    assert torch.equal(first[0].body.shape, first[1].body.shape)
    assert not torch.equal(first[0].body.pose, first[1].body.pose)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.body.pose, b.body.pose) and torch.equal(a.camera.t, b.camera.t)


def test_progress_reaches_one(model):
    photo, _ = photograph(model, posed(model))
    told = []
    fit([photo], model, stages=[replace(stage, steps=2) for stage in STAGES], progress=told.append)
    assert told == sorted(told) and told[-1] == 1.0


def test_overlay_shows_the_body_where_the_mask_is(model):
    body = posed(model)
    photo, _ = photograph(model, body)
    found = fit([photo], model, stages=[replace(stage, steps=3) for stage in STAGES])[0]
    changed = (overlay(photo, found, model) - photo.image).abs().amax(0) > 0.02
    assert (changed & (photo.mask[0] > 0.5)).sum() > 0.8 * photo.mask.sum()


def test_too_little_to_fit_is_one_sentence(model):
    photo, _ = photograph(model, posed(model))
    with pytest.raises(InputError, match="mask is empty"):
        fit([replace(photo, mask=torch.zeros_like(photo.mask))], model)
    blind = replace(photo.landmarks, confidence=torch.zeros(len(photo.landmarks.names)))
    with pytest.raises(InputError, match="too few landmarks"):
        fit([replace(photo, landmarks=blind)], model)


def test_unseen_limbs_are_named(model):
    photo, _ = photograph(model, posed(model))
    confidence = photo.landmarks.confidence.clone()
    for name in ("left_heel", "left_foot_index", "right_elbow", "right_wrist", "left_knee"):
        confidence[photo.landmarks.names.index(name)] = 0.1
    hidden = replace(photo, landmarks=replace(photo.landmarks, confidence=confidence))
    assert unseen(hidden) == ("right arm", "left foot")


def test_initial_pose_points_limbs_as_the_landmarks_do(model):
    body = posed(model, turn=2.5)
    mesh = model(body)
    world = dict(zip(model.landmark_names, model.landmarks(mesh)[0], strict=True))
    pose = initial_pose(model, world)
    guess = replace(model.neutral(), pose=pose[None], shape=body.shape)
    points = dict(zip(model.landmark_names, model.landmarks(model(guess))[0], strict=True))
    for _, _, _, names in LIMBS:
        for a, b in pairwise(names):
            cosine = torch.cosine_similarity(points[b] - points[a], world[b] - world[a], dim=0)
            assert cosine > 0.97, (a, b)


def test_initial_pose_without_a_torso_is_rest(model):
    assert (initial_pose(model, {"left_elbow": torch.zeros(3)}) == 0).all()


def test_initial_translation_is_exact_on_exact_points():
    g = torch.Generator().manual_seed(0)
    points, place = torch.randn(20, 3, generator=g) * 0.5, torch.tensor([0.3, -0.2, 4.0])
    there = points + place
    xy = there[:, :2] / there[:, 2:] * 500 + torch.tensor([200.0, 100.0])
    found = initial_translation(points, xy, torch.ones(20), torch.tensor(500.0), torch.tensor([200.0, 100.0]))
    torch.testing.assert_close(found, place, atol=1e-4, rtol=0)


def test_prior_is_zero_at_rest_and_hinges_have_a_direction(model):
    prior = PosePrior(model)
    rest = torch.zeros(1, len(prior.bones), 3)
    assert prior(rest).item() == 0
    for name in ("leftLowerLeg", "rightLowerArm", "leftIndexIntermediate"):
        k = prior.bones.tolist().index(model.humanoid[name])
        forward, backward = rest.clone(), rest.clone()
        forward[0, k], backward[0, k] = prior.axes[k, :, 0] * 1.0, prior.axes[k, :, 0] * -1.0
        assert prior(backward) > 5 * prior(forward)
        torch.testing.assert_close(prior.axes[k].T @ prior.axes[k], torch.eye(3), atol=1e-5, rtol=0)


def test_flexed_fingers_close_the_hand(model):
    prior, body = PosePrior(model), model.neutral()
    pose = body.pose.clone()
    for side in ("left", "right"):
        for part in ("Proximal", "Intermediate", "Distal"):
            joint = model.humanoid[f"{side}Index{part}"]
            pose[0, joint] = prior.axes[prior.bones.tolist().index(joint), :, 0] * 0.5
    places = [dict(zip(model.landmark_names, model.landmarks(model(b))[0], strict=True))
              for b in (body, replace(body, pose=pose))]  # fmt: skip
    for side in ("left", "right"):
        open_, closed = ((p[f"{side}_hand_index4"] - p[f"{side}_hand_wrist"]).norm() for p in places)
        assert closed < 0.9 * open_
        inward = (places[1][f"{side}_hand_index4"] - places[0][f"{side}_hand_index4"])[0]
        assert inward * (1 if side == "left" else -1) < 0     # palms face the body in the rest pose


def test_terms_are_zero_where_all_agrees(model):
    body = posed(model)
    photo, camera = photograph(model, body)
    target = targets(photo.landmarks, model.landmark_names, 300.0)
    points = model.landmarks(model(body))[0]
    assert reprojection(camera.project(points), target, width=0.02) < 1e-6
    assert directions(points @ LEVEL, target) < 1e-5
    turned = points @ roma.rotvec_to_rotmat(torch.tensor([0.0, 0.5, 0.0])).T
    assert directions(turned @ LEVEL, target) > 0.1
    assert dice(photo.mask, photo.mask) < 1e-6 and dice(photo.mask, 1 - photo.mask) == 1
