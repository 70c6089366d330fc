from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dinar.data.sightings import SUFFIX, Sightings, write
from dinar.networks.lifter import LandmarkLifter
from dinar.presets import TINY
from dinar.train.lifting import LifterStage, goal, worn
from dinar.train.loop import CHECKPOINT, LOG, WEIGHTS, Options, train
from dinar.train.stages import Plan, opened

LEAN = 0.2    # radians that the pose network believes everybody to lean


def turned(points: np.ndarray, angle: float) -> np.ndarray:
    """About the x axis."""
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]).T


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People who are seen leaning, all alike."""
    rng, people = np.random.default_rng(1), []
    rest = rng.normal(0, 0.4, (33, 3))
    for _ in range(40):
        points = rest + rng.normal(0, 0.05, (33, 3))
        seen = {"xy": 100 * points[:, :2] + 300, "world": turned(points, LEAN), "confidence": np.ones(33)}
        people.append(seen | {"points": points + np.array([0, 0, 4])})
    path = tmp_path_factory.mktemp("sightings")
    write(path / f"a{SUFFIX}", people)
    return path


def options(steps: int) -> Options:
    return Options(steps=steps, batch=8, save_every=2, look_every=4, workers=0, half_life=16)


def test_killed_and_resumed_it_ends_with_the_same_bits(folder, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(LifterStage(TINY, [folder], seed=1), whole, options(4))
    train(LifterStage(TINY, [folder], seed=1), parts, options(2))
    train(LifterStage(TINY, [folder], seed=1), parts, options(4), resume=True)
    one, other = (load_file(path / CHECKPOINT) for path in (whole, parts))
    assert one.keys() == other.keys()
    assert not [name for name in one if not torch.equal(one[name], other[name])]
    assert LandmarkLifter.load(parts / WEIGHTS).name.startswith("tiny-")


def test_it_learns_that_nobody_leans(folder, tmp_path):
    how = replace(TINY.lifting, learning_rate=1e-2)
    stage = LifterStage(replace(TINY, lifting=how), [folder])
    train(stage, tmp_path, replace(options(150), save_every=150, look_every=150))
    last = json.loads((tmp_path / LOG).read_text().splitlines()[-1])
    assert last["examined/blazepose_depth_mm"] > 60
    assert last["examined/lifted_depth_mm"] < 0.5 * last["examined/blazepose_depth_mm"]
    assert last["examined/lifted_mm"] < 0.7 * last["examined/blazepose_mm"]


def test_the_goal_has_the_size_of_what_was_guessed(folder):
    people = Sightings.load([folder])
    taller = replace(people, points=1.3 * people.points)
    assert torch.allclose(goal(taller), goal(people), atol=1e-5)
    assert goal(people)[:, [23, 24]].mean(1).abs().max() < 1e-5


def test_wear_moves_truth_and_sight_alike(folder):
    """Where a picture is mirrored and turned, so is what is true of it."""
    people = replace(p := Sightings.load([folder]), world=p.points)
    found = worn(people, torch.Generator().manual_seed(0), 0.3, 0.0)
    assert torch.allclose(found.world, found.points, atol=1e-5)
    assert (found.points - people.points).abs().max() > 0.2
    seen, true = (values - values.mean(1, keepdim=True) for values in (found.xy / 100, found.points[..., :2]))
    assert (seen - true).abs().max() < 1e-4
    left, right = found.points[:, 11], people.points[:, 12]
    swapped = (left[:, 2] - right[:, 2]).abs() < 1e-5
    assert 5 < int(swapped.sum()) < 35


def test_it_depends_on_no_other_stage(folder, tmp_path):
    plan = Plan((folder,), (), None, tmp_path / "textures")
    assert opened("lifter", TINY, plan, tmp_path / "run").name == "lifter"
