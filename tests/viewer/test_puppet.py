from __future__ import annotations

import time
from dataclasses import replace

import pytest
import roma
import torch

from dinar.avatar import Avatar
from dinar.motion.motion import Motion
from dinar.viewer.puppet import PHOTO, REACH, STANDING, Puppet


@pytest.fixture
def puppet(avatar: Avatar) -> Puppet:
    return Puppet(avatar)


def handle(puppet: Puppet, bone: str) -> torch.Tensor:
    return puppet.handles()[bone]


@pytest.mark.parametrize("name", [STANDING, PHOTO])
def test_the_person_stands_on_the_ground(puppet: Puppet, name: str) -> None:
    puppet.choose(name)
    mesh = puppet.avatar.model(puppet.body())
    assert mesh.vertices[0, :, 1].min().abs() < 1e-4
    hips = mesh.joints[0, puppet.avatar.model.humanoid["hips"]]
    assert hips[[0, 2]].abs().max() < 1e-4
    wanted = puppet.avatar.shots[0].pose if name == PHOTO else torch.zeros_like(puppet.avatar.shots[0].pose)
    assert torch.equal(puppet.body().pose[0, 1:], wanted[1:])


def test_a_photo_from_above_does_not_make_the_person_lean(avatar: Avatar) -> None:
    shot = avatar.shots[0]
    pose = shot.pose.clone()
    pose[0] = torch.tensor([0.3, 0.0, 0.0])               # towards a camera that is taken to be level
    puppet = Puppet(replace(avatar, shots=(replace(shot, pose=pose),)))
    puppet.choose(PHOTO)
    assert puppet.body().pose[0, 0].norm() < 0.27


def test_a_clip_plays_pauses_and_is_sought(puppet: Puppet) -> None:
    puppet.choose("walk")
    assert puppet.playing and puppet.seconds == pytest.approx(Motion.load("walk").seconds)
    before = puppet.time()
    time.sleep(0.05)
    assert puppet.time() != before
    puppet.play(False)
    before = puppet.time()
    time.sleep(0.02)
    assert puppet.time() == before and not puppet.playing
    puppet.seek(0.5)
    assert puppet.time() == 0.5 and torch.equal(puppet.body().pose, puppet.body(0.5).pose)
    assert not torch.equal(puppet.body(0.5).pose, puppet.body(1.0).pose)
    assert torch.equal(puppet.body(0.5).pose, puppet.body(0.5 + puppet.seconds).pose)
    puppet.choose(STANDING)
    puppet.play(True)
    assert not puppet.playing                     # there is nothing to play


def test_speed_keeps_the_place(puppet: Puppet) -> None:
    puppet.choose("walk")
    puppet.play(False)
    puppet.seek(1.0)
    puppet.speed(0.1)
    assert puppet.time() == 1.0


def test_every_change_is_seen(puppet: Puppet) -> None:
    seen = [puppet.version]
    for change in (
        lambda: puppet.express("jawOpen", 0.5),
        lambda: puppet.turn("head", torch.eye(3)),
        lambda: puppet.reach("hips", torch.tensor([0.0, 1.0, 0.0])),
        puppet.release,
        lambda: puppet.choose("wave"),
        lambda: puppet.seek(0.3),
        lambda: puppet.play(False),
    ):
        change()
        seen.append(puppet.version)
    assert seen == sorted(set(seen))


def test_faces(puppet: Puppet) -> None:
    names = puppet.avatar.model.expression_names
    puppet.express("jawOpen", 0.5)
    puppet.express("mouthSmileLeft", 2.0)         # beyond the range
    found = puppet.body().expression[0]
    assert found[names.index("jawOpen")] == 0.5 and found[names.index("mouthSmileLeft")] == 1.0
    assert found.count_nonzero() == 2


def test_a_turned_joint_stays_turned(puppet: Puppet) -> None:
    wanted = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.7, 0.2]))
    puppet.choose("walk")
    puppet.play(False)
    puppet.turn("head", wanted)
    head = puppet.avatar.model.humanoid["head"]
    assert torch.allclose(puppet.joints()[1][head], wanted, atol=1e-5)
    local = puppet.body().pose[0, head]
    puppet.seek(0.5)
    assert torch.equal(puppet.body().pose[0, head], local)     # on its neck, wherever that is
    puppet.release()
    assert not torch.equal(puppet.body().pose[0, head], local)


@pytest.mark.parametrize("bone", [bone for bone in REACH if "Hand" in bone or "Foot" in bone])
@pytest.mark.parametrize("name", [STANDING, "dance"])
def test_hands_and_feet_go_where_they_are_dragged(puppet: Puppet, bone: str, name: str) -> None:
    puppet.choose(name)
    puppet.play(False)
    puppet.seek(0.4)
    root = puppet.joints()[0][puppet.avatar.model.humanoid[REACH[bone][0]]]
    place = handle(puppet, bone)
    for target in (
        root + 0.7 * (place - root) + torch.tensor([0.0, 0.02, 0.12]),
        root + 0.9 * (place - root).norm() * torch.nn.functional.normalize(torch.tensor([0.3, -0.6, 0.7]), dim=0),
    ):
        puppet.reach(bone, target)
        assert (handle(puppet, bone) - target).norm() < 2e-3
    far = root + 10 * (place - root)
    puppet.reach(bone, far)                       # the limb points there, and no bone has changed its length
    assert torch.nn.functional.cosine_similarity(handle(puppet, bone) - root, far - root, dim=0) > 0.9999


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_straight_knee_bends_forward(puppet: Puppet, side: str) -> None:
    humanoid = puppet.avatar.model.humanoid
    upper, knee = humanoid[f"{side}UpperLeg"], humanoid[f"{side}LowerLeg"]
    points, _ = puppet.joints()
    straight = points[upper] + 10 * (points[knee] - points[upper])
    puppet.reach(f"{side}Foot", straight)
    puppet.reach(f"{side}Foot", handle(puppet, f"{side}Foot") + torch.tensor([0.0, 0.25, 0.0]))
    points, _ = puppet.joints()
    line = handle(puppet, f"{side}Foot") - points[upper]
    share = (points[knee] - points[upper]) @ line / (line @ line)
    assert (points[knee] - points[upper] - share * line)[2] > 0.05


@pytest.mark.parametrize("bone", ["head", "chest", "leftLowerArm", "rightLowerLeg"])
def test_other_handles_point_where_they_are_dragged(puppet: Puppet, bone: str) -> None:
    root = puppet.joints()[0][puppet.avatar.model.humanoid[REACH[bone][0]]]
    target = handle(puppet, bone) + torch.tensor([0.05, 0.03, 0.08])
    puppet.reach(bone, target)
    assert torch.nn.functional.cosine_similarity(handle(puppet, bone) - root, target - root, dim=0) > 0.9999


def test_hips_take_the_person_along(puppet: Puppet) -> None:
    before = puppet.avatar.model(puppet.body()).vertices
    puppet.reach("hips", handle(puppet, "hips") + torch.tensor([0.1, -0.2, 0.3]))
    after = puppet.avatar.model(puppet.body()).vertices
    assert torch.allclose(after - before, torch.tensor([0.1, -0.2, 0.3]), atol=1e-5)


def test_a_dropped_motion_can_be_chosen(puppet: Puppet) -> None:
    puppet.motions["mine"] = Motion.load("wave").clipped(0, 0.5)
    puppet.choose("mine")
    assert puppet.playing and puppet.seconds == pytest.approx(0.5, abs=0.05)
