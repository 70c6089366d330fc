from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from dinar.errors import InputError
from dinar.photo.blazepose import POINTS, Person
from dinar.photo.landmarks import BODY, Landmarks
from dinar.photo.masks import disc, held, limbs_of, lost_limbs, strangers, voted
from dinar.photo.modnet import load_modnet
from dinar.photo.photo import look
from dinar.photo.regions import Region
from dinar.store import Store

SIDE = 400


def band(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    out = np.zeros((SIDE, SIDE), np.float32)
    out[top:bottom, left:right] = 1
    return out


def person(mask: np.ndarray) -> Person:
    """Somebody whose region is the whole picture."""
    region = Region(SIDE / 2, SIDE / 2, SIDE)
    return Person(np.full((POINTS, 2), SIDE / 2), np.ones(POINTS), np.zeros((POINTS, 3)), 1.0, region, mask)


def leg(confidence: float = 1.0) -> Landmarks:
    """A left leg straight down at x = 200 from y = 200; nothing else is trusted."""
    xy, nothing = np.full((33, 2), 200.0, np.float32), np.zeros((33, 4), np.float32)
    landmarks = Landmarks(BODY, xy, nothing[:, 0], nothing[:, 1:])
    for name, y in (("left_hip", 200.0), ("left_knee", 290.0), ("left_ankle", 380.0)):
        landmarks.xy[BODY.index(name), 1] = y
        landmarks.confidence[BODY.index(name)] = confidence
    return landmarks


BODYLIKE = band(160, 20, 240, 390)


def test_two_of_three_masks_outvote_the_fine_one_but_not_at_its_edge() -> None:
    fine = BODYLIKE.copy()
    fine[100:130, 160:240] = 0                                                # a hole
    fine[:, 158:160] = 0.3                                                    # strands
    fine[300:330, 300:330] = 1                                                # a bin
    out = voted(fine, BODYLIKE, BODYLIKE)
    assert out[105:125, 165:235].min() == 1 and out[305:325, 305:325].max() == 0
    assert np.allclose(out[150:280, 158:160], 0.3)
    alone = voted(fine, fine, BODYLIKE)
    assert np.array_equal(alone, fine), "one against two changes nothing"


def test_what_hands_hold_stays_and_what_stands_apart_goes() -> None:
    alpha = np.maximum(BODYLIKE, band(240, 150, 262, 200))                    # a bag at the hip
    alpha = np.maximum(alpha, band(300, 150, 330, 200))                       # a stranger's
    out = held(alpha, BODYLIKE > 0.5)
    assert out[160:190, 242:260].min() == 1 and out[:, 300:].max() == 0
    assert np.array_equal(out[:, 160:240], BODYLIKE[:, 160:240])


def test_a_lost_limb_is_told_by_its_bone_and_the_coarse_mask() -> None:
    alpha = BODYLIKE.copy()
    alpha[285:] = 0
    lost = lost_limbs(alpha, BODYLIKE, leg())
    assert lost[300:370, 185:215].all() and not lost[:280].any() and not lost[:, :160].any()
    assert not lost_limbs(alpha, BODYLIKE, leg(confidence=0.2)).any(), "nobody knows where the leg is"
    assert not lost_limbs(alpha, BODYLIKE * 0.7, leg()).any(), "the coarse mask only guesses"
    assert not lost_limbs(BODYLIKE, BODYLIKE, leg()).any()


def test_a_gap_beside_a_limb_is_no_lost_limb() -> None:
    """Between arm and trunk the coarse mask often sees no gap."""
    alpha = BODYLIKE.copy()
    alpha[210:280, 160:180] = 0
    assert not lost_limbs(alpha, BODYLIKE, leg()).any()


def test_limbs_are_as_wide_as_limbs() -> None:
    found = limbs_of(leg(), SIDE)
    assert found[210:370, 190:210].all() and not found[:, :150].any() and not found[:, 250:].any()
    assert found[250].sum() > found[345].sum() > 20, "thighs are wider than calves"
    assert not limbs_of(leg(confidence=0.2), SIDE).any()


def test_those_behind_take_only_what_nobody_else_claims() -> None:
    mine, theirs = person(BODYLIKE), person(band(200, 20, 300, 300))          # they end higher: behind
    found = strangers(BODYLIKE, mine, [theirs], (0.0, 0.0, 1.0))
    assert found[100, 270] and not found[100, 220]
    front = strangers(theirs.mask, theirs, [mine], (0.0, 0.0, 1.0))
    assert front[100, 220] and not front[100, 270]


def test_discs_are_round() -> None:
    assert disc(0.2).shape == (3, 3) and disc(5).sum() == pytest.approx(np.pi * 5.5**2, rel=0.1)


@pytest.fixture(scope="module")
def modnet():
    try:
        return load_modnet(Store())
    except InputError as error:
        pytest.skip(str(error))


def test_no_limb_is_lost_in_an_odd_pose(modnet, photos, store) -> None:
    """MODNet alone loses both legs."""
    path = photos / "yogait_war0.jpg"
    seen = look(path, store=store)
    solid = seen.mask[0] > 0.5
    for name in ("left_knee", "right_knee", "left_ankle", "right_ankle", "left_foot_index", "right_foot_index"):
        column, row = seen.landmarks.select([name]).xy[0].long().tolist()
        around = solid[row - 4 : row + 5, column - 4 : column + 5]
        assert around.float().mean() > 0.5, name
    assert 0.13 < float(seen.mask.mean()) < 0.3


def test_its_sides_are_the_pictures(modnet) -> None:
    picture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (90, 61, 3)).astype(np.uint8), (0, 0), 3)
    alpha = modnet(picture, 128 * 128)
    assert alpha.shape == (90, 61) and alpha.dtype == np.float32 and alpha.min() >= 0 and alpha.max() <= 1


def test_what_is_beside_a_lost_calf_is_none_of_it(modnet, photos, store) -> None:
    """BlazePose's coarse mask takes the dark carpet behind a kneeling man's calf for his."""
    seen = look(photos / "yogait_war0.jpg", store=store)
    knee, ankle = seen.landmarks.select(["left_knee", "left_ankle"]).xy
    along = ankle - knee
    across = torch.stack([along[1], -along[0]])
    column, row = (knee + 0.385 * along + 0.325 * across).long().tolist()
    assert float(seen.mask[0, row, column]) < 0.5
    column, row = (knee + 0.385 * along).long().tolist()
    assert float(seen.mask[0, row, column]) > 0.5
