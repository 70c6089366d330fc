from __future__ import annotations

from dataclasses import replace

import torch

from dinar.networks.lifter import Lifted
from dinar.photo.landmarks import BODY, Landmarks
from dinar.photo.lifting import flipped, lifted, mirrored


def landmarks(*more: str) -> Landmarks:
    rng, names = torch.Generator().manual_seed(2), (*BODY, *more)
    return Landmarks(
        names,
        torch.rand(len(names), 2, generator=rng) * 400,
        torch.rand(len(names), generator=rng),
        torch.randn(len(names), 3, generator=rng),
    )


def deeper(xy: torch.Tensor, world: torch.Tensor, confidence: torch.Tensor) -> Lifted:
    """A lifter that moves the left wrist by a metre, and nothing else."""
    moved = world.clone()
    moved[:, BODY.index("left_wrist"), 2] += 1
    return Lifted(moved, torch.ones_like(moved))


def test_it_is_asked_of_the_mirror_image_too():
    """What it says of the left wrist there is said of the right one here."""
    before = landmarks("left_hand_wrist")
    after = lifted(deeper, before)
    moved = after.world - before.world
    assert torch.allclose(moved[[BODY.index(f"{side}_wrist") for side in ("left", "right")], 2], torch.tensor(0.5))
    assert moved.abs().sum() < 1.01                         # the hand's own points too stay
    assert after.names == before.names and torch.equal(after.xy, before.xy)


def test_what_is_not_known_whole_is_left_alone():
    whole = landmarks()
    unknown = replace(whole, world=torch.where(torch.arange(33)[:, None] == 5, torch.nan, whole.world))
    assert lifted(deeper, unknown) is unknown
    fewer = whole.select(BODY[:20])
    assert lifted(deeper, fewer) is fewer


def test_a_mirror_exchanges_sides():
    whole = landmarks()
    xy, world, confidence = mirrored(whole.xy, whole.world, whole.confidence)
    left, right, nose = (BODY.index(name) for name in ("left_elbow", "right_elbow", "nose"))
    assert torch.equal(world[left], whole.world[right] * torch.tensor([-1.0, 1.0, 1.0]))
    assert torch.equal(xy[nose], whole.xy[nose] * torch.tensor([-1.0, 1.0]))
    assert confidence[right] == whole.confidence[left]
    assert torch.equal(flipped(flipped(whole.world)), whole.world)
