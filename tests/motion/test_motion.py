"""Clips: files, time, loops."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import roma
import torch

from dinar.errors import InputError
from dinar.motion.motion import Motion


def swing(count: int = 20, fps: float = 10.0) -> Motion:
    """Hips that go 0.1 a frame along +Z while the left knee swings; its end does not lead into its start."""
    time = torch.arange(count) / fps
    knee = torch.stack([time, torch.zeros(count), torch.zeros(count)], dim=1)
    rotations = torch.stack([torch.zeros(count, 3), knee], dim=1)
    hips = torch.stack([torch.zeros(count), torch.ones(count), time], dim=1)
    return Motion(("hips", "leftLowerLeg"), rotations, hips, fps)


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_round_trip(tmp_path, suffix):
    motion = swing()
    motion.save(tmp_path / f"a{suffix}")
    again = Motion.load(tmp_path / f"a{suffix}")
    assert again.names == motion.names and again.fps == motion.fps
    assert torch.equal(again.rotations, motion.rotations) and torch.equal(again.hips, motion.hips)


def test_shipped_clips():
    assert Motion.shipped() == ("dance", "turn", "walk", "wave")
    for name in Motion.shipped():
        clip = Motion.load(name)
        assert 2 <= clip.seconds <= 4 and clip.fps == 30
        step = roma.rotvec_geodesic_distance(clip.rotations[1:], clip.rotations[:-1]).amax(0)
        seam = roma.rotvec_geodesic_distance(clip.rotations[0], clip.rotations[-1])
        assert (seam <= 1.5 * step + 0.02).all(), name                          # the end leads into the start


def test_unknown_clip_lists_the_known_ones():
    with pytest.raises(InputError, match="dance, turn, walk, wave"):
        Motion.load("moonwalk")


def test_damaged_files_are_refused(tmp_path):
    swing().save(tmp_path / "good.npz")
    data = (tmp_path / "good.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(data[: len(data) // 2])
    pickled = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "pickle.npz", format=1, names=pickled, rotations=pickled, hips=pickled, fps=1.0)
    (tmp_path / "cut.json").write_text('{"format": 1')
    fields = {"format": 1, "names": ["hips"], "rotations": [[[0, 0, 0]]], "hips": [[0, 1, 0]], "fps": 30}
    for name, change in {
        "bone": {"names": ["tail"]},
        "shape": {"hips": [[0, 1, 0]] * 2},
        "nan": {"hips": [[0, math.nan, 0]]},
        "version": {"format": 2},
        "fps": {"fps": 0},
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(fields | change))
    (tmp_path / "kind.fbx").write_text("")
    for file in sorted(p for p in tmp_path.iterdir() if p.stem != "good"):
        with pytest.raises(InputError, match=file.name):
            Motion.load(file)


def test_resampled_keeps_duration_and_passes_through_frames():
    motion = swing()
    fine = motion.resampled(30)
    assert fine.fps == 30 and len(fine) == 60 and fine.seconds == pytest.approx(motion.seconds)
    assert torch.allclose(fine.rotations[::3], motion.rotations, atol=1e-5)
    assert torch.allclose(fine.hips[1], torch.tensor([0, 1, 1 / 30]), atol=1e-6)


def test_clipped():
    part = swing().clipped(0.5, 1.0)
    assert len(part) == 5 and part.hips[0, 2] == pytest.approx(0.5)
    with pytest.raises(InputError, match=r"2\.00 s"):
        swing().clipped(3)


def test_walk_loops_onwards_without_a_seam():
    walk = Motion.load("walk")
    long = walk.looped(10)
    assert len(long) == 300
    pace = (walk.hips[1:] - walk.hips[:-1]).norm(dim=1).max()
    assert (long.hips[1:] - long.hips[:-1]).norm(dim=1).max() <= 1.2 * pace
    assert long.hips[-1, 2] > 2.8 * walk.hips[-1, 2]
    assert torch.equal(walk.looped(1).hips, walk.hips[:30])


def test_loop_of_any_motion_is_cross_faded():
    motion = swing()
    long = motion.looped(9)
    step = roma.rotvec_geodesic_distance(long.rotations[1:], long.rotations[:-1])
    assert len(long) == 90 and step.max() < 1.2                 # the knee falls back 1.9 rad over the fade, not at once
    assert torch.allclose((long.hips[1:] - long.hips[:-1])[:, 2], torch.tensor(0.1), atol=1e-4)


def test_loop_goes_on_in_the_direction_it_ended():
    quarter = swing()
    turn = torch.linspace(0, math.pi / 2, len(quarter))
    quarter.rotations[:, 0, 1] = turn
    quarter.rotations[:, 1] = 0
    long = quarter.looped(6)
    forward = roma.rotvec_to_rotmat(long.rotations[:, 0])[:, :, 2]
    step = roma.rotvec_geodesic_distance(long.rotations[1:, 0], long.rotations[:-1, 0])
    assert step.max() < math.radians(12)
    assert forward[-1, 2] < 0.9


def test_in_place():
    walk = Motion.load("walk").in_place()
    assert walk.hips[:, [0, 2]].abs().max() < 0.05
