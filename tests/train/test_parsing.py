from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from train.sets import write_set

from dinar.networks.parser import HumanParser
from dinar.parts import BodyPart
from dinar.presets import TINY
from dinar.train.loop import CHECKPOINT, LOG, WEIGHTS, Options, train
from dinar.train.parsing import ParserStage
from dinar.train.stages import Plan, opened


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("labelled"), parts=True)


def options(steps: int) -> Options:
    return Options(steps=steps, batch=2, save_every=2, look_every=4, workers=0, half_life=16)


def test_killed_and_resumed_it_ends_with_the_same_bits(labelled, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(ParserStage(TINY, [labelled], seed=1), whole, options(4))
    train(ParserStage(TINY, [labelled], seed=1), parts, options(2))
    train(ParserStage(TINY, [labelled], seed=1), parts, options(4), resume=True)
    one, other = (load_file(folder / CHECKPOINT) for folder in (whole, parts))
    assert one.keys() == other.keys()
    assert not [name for name in one if not torch.equal(one[name], other[name])]
    lines = [json.loads(line) for line in (parts / LOG).read_text().splitlines()]
    assert {"loss", "examined/mean", "examined/skin", "examined/background"} <= lines[1].keys()
    assert HumanParser.load(parts / WEIGHTS).name.startswith("tiny-")


def test_it_learns_where_people_are(labelled, tmp_path):
    """Bodies before one colour: their outline is learnt in seconds by a network without ImageNet's weights."""
    how = replace(TINY.parsing, learning_rate=1e-2, encoder_learning_rate=1e-2)
    stage = ParserStage(replace(TINY, parsing=how), [labelled], wear=None)
    train(stage, tmp_path, replace(options(60), batch=4, save_every=60, look_every=60))
    last = json.loads((tmp_path / LOG).read_text().splitlines()[-1])
    assert last["loss"] < 1.3 and last["examined/background"] > 0.8


def test_pixels_of_somebody_count_as_nobody_less(labelled):
    """Where a label says no more than that somebody is there, all parts but the background are as good."""
    stage = ParserStage(TINY, [labelled], wear=None)
    stage.accelerator = type("Accelerator", (), {"backward": staticmethod(lambda loss: loss.backward())})
    sample = stage.collate([stage.data[0], stage.data[1]])
    somebody = replace(sample, labels=torch.where(sample.labels > 0, BodyPart.UNKNOWN, 0).to(torch.uint8))
    parser = stage.networks["parser"].eval()
    there = somebody.labels == BodyPart.UNKNOWN
    with torch.no_grad():
        parser.head.bias[BodyPart.BACKGROUND] += 3
    before = parser(sample.image).softmax(1)[:, 0][there].mean()
    for _ in range(30):
        stage.learn(somebody, None)
    after = parser(sample.image).softmax(1).movedim(1, 0)[:, there]
    assert after[0].mean() < before - 0.02


def test_it_depends_on_no_other_stage(labelled, tmp_path):
    plan = Plan((labelled,), (), None, tmp_path / "textures")
    assert opened("parser", TINY, plan, tmp_path / "run").name == "parser"
