from __future__ import annotations

import numpy as np
import pytest
import roma
import torch
from speech.sounds import silence, vowel

from dinar.body.model import BodyModel
from dinar.speech.acting import Performance, perform
from dinar.speech.hearing import heard
from dinar.speech.sound import Sound
from dinar.speech.track import Track

ACTIONS = BodyModel.open().expression_names


def spoken(*parts: np.ndarray) -> Track:
    return heard(Sound(np.concatenate(parts)[None]))


def strength(performance: Performance, action: str) -> torch.Tensor:
    return performance.strengths[:, performance.actions.index(action)]


def test_aa_opens_the_jaw_more_than_ee_and_silence_is_closed() -> None:
    track = spoken(silence(0.5), vowel("aa"), silence(0.5), vowel("I"), silence(0.5))
    found = perform(track, ACTIONS, 30.0, still=True)
    assert len(found) == 81 and found.motion.fps == 30 and len(found.motion) == 81
    jaw, smile = strength(found, "jawOpen"), strength(found, "mouthSmileLeft")
    aa, ee = slice(20, 30), slice(53, 63)
    assert jaw[aa].mean() > 0.45 and 0.05 < jaw[ee].mean() < 0.3
    assert smile[ee].mean() > 0.25 > smile[aa].mean()
    for quiet in (slice(0, 12), slice(38, 44), slice(70, 81)):
        assert found.strengths[quiet].max() < 0.02


def test_a_face_blinks_and_a_head_moves_the_same_for_the_same_seed() -> None:
    track = spoken(*(part for _ in range(10) for part in (vowel("aa", 0.5), silence(0.5))))
    one, again, other, still = (
        perform(track, ACTIONS, 25.0, seed=seed, still=quiet)
        for seed, quiet in ((3, False), (3, False), (-4, False), (3, True))
    )
    assert torch.equal(one.strengths, again.strengths) and torch.equal(one.motion.rotations, again.motion.rotations)
    assert not torch.equal(one.motion.rotations, other.motion.rotations)
    lids = strength(one, "eyeBlinkLeft")
    blinks = int(((lids[1:] > 0.5) & (lids[:-1] <= 0.5)).sum())
    assert 2 <= blinks <= 6 and lids.max() > 0.9 and torch.equal(lids, strength(one, "eyeBlinkRight"))
    assert not strength(still, "eyeBlinkLeft").any() and not still.motion.rotations[:, :2].any()
    jaws = [strength(person, "jawOpen") for person in (one, still)]
    assert torch.equal(*jaws)
    turned = roma.rotvec_to_rotmat(one.motion.rotations[:, 0]) @ roma.rotvec_to_rotmat(one.motion.rotations[:, 1])
    degrees = torch.rad2deg(roma.rotmat_to_rotvec(turned).norm(dim=1))
    assert 1 < degrees.max() < 12 and degrees.diff().abs().max() * 25 < 30        # degrees a second


def test_a_face_with_fewer_actions_says_what_it_can() -> None:
    found = perform(spoken(vowel("aa")), ("jawOpen", "mouthPressLeft"), 30.0)
    assert found.strengths.shape[1] == 2 and strength(found, "jawOpen").max() > 0.4
    bare = perform(spoken(vowel("aa")), (), 30.0)
    assert bare.strengths.shape == (len(bare), 0)
    assert found.strengths.max() <= 1 and found.strengths.min() == pytest.approx(0)
