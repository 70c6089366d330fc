"""The loop on a stage so small that everything about it can be said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from dinar import presets
from dinar.errors import InputError
from dinar.train.loop import CHECKPOINT, LOG, Options, Stage, follow, train


class Numbers(torch.utils.data.Dataset):
    def __getitem__(self, position: int) -> torch.Tensor:
        return torch.randn(3, generator=torch.Generator().manual_seed(position))


class Line(Stage):
    """Learns the sum of three numbers, with noise."""

    name, preset, averaged = "line", presets.TINY, ("net",)

    def __init__(self) -> None:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
        self.networks = {"net": net}
        self.optimizers = {"net": torch.optim.Adam(net.parameters(), 1e-2)}
        self.data, self.seen, self.positions = Numbers(), [], []

    def collate(self, samples):
        return torch.stack(samples)

    def learn(self, batch, turn):
        self.seen.append(batch)
        noise = 0.1 * torch.randn(batch.shape, generator=turn.rng)
        loss = (self.networks["net"](batch + noise)[:, 0] - batch.sum(1)).square().mean()
        self.update("net", loss)
        return {"loss": float(loss.detach())} | ({"rare": 1.0} if turn.step % 4 == 0 else {})

    def examine(self, averaged):
        batch = torch.stack([self.data[i] for i in range(32)])
        with torch.no_grad():
            error = (averaged["net"](batch)[:, 0] - batch.sum(1)).square().mean()
        return {"error": float(error)}, torch.zeros(3, 8, 8)

    def ship(self, averaged, folder):
        folder.mkdir(exist_ok=True)
        (folder / "weight.txt").write_text(str(averaged["net"][0].weight.tolist()))


def options(steps: int, **others) -> Options:
    return Options(**{"steps": steps, "batch": 4, "save_every": 5, "look_every": 10, "workers": 0} | others)


def test_it_learns_and_writes(tmp_path):
    assert train(Line(), tmp_path, options(400, batch=32, save_every=100, look_every=200)) == 400
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == [100, 200, 300, 400]
    assert lines[-1]["loss"] < 0.7 * lines[0]["loss"] and lines[-1]["rare"] == 1.0
    assert [("examined/error" in line) for line in lines] == [False, True, False, True]
    assert {path.name for path in tmp_path.iterdir()} >= {CHECKPOINT, LOG, "samples", "weights"}
    assert any("tfevents" in path.name for path in tmp_path.iterdir())
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == ["0000200.jpg", "0000400.jpg"]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_run_that_goes_on_ends_with_the_same_bits(tmp_path, accumulate):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(Line(), whole, options(20, accumulate=accumulate))
    assert train(Line(), parts, options(10, accumulate=accumulate)) == 10
    assert train(Line(), parts, options(20, accumulate=accumulate), resume=True) == 20
    one, other = (load_file(folder / CHECKPOINT) for folder in (whole, parts))
    assert one.keys() == other.keys() and any(name.startswith("optimizer/net/") for name in one)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert [json.loads(line)["step"] for line in (parts / LOG).read_text().splitlines()] == [5, 10, 15, 20]


def test_what_was_logged_after_the_checkpoint_is_logged_anew(tmp_path):
    train(Line(), tmp_path, options(10))
    with (tmp_path / LOG).open("a") as file:
        file.write('{"step": 15, "loss": 99}\n{"step": 2')
    train(Line(), tmp_path, options(15), resume=True)
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == [5, 10, 15] and lines[-1]["loss"] < 99


def test_every_sample_comes_once_and_in_order(tmp_path):
    stage = Line()
    train(stage, tmp_path, options(6, accumulate=2))
    seen = torch.cat(stage.seen)
    assert torch.equal(seen, torch.stack([stage.data[i] for i in range(48)]))
    again = Line()
    train(again, tmp_path, options(7, accumulate=2), resume=True)
    assert torch.equal(again.seen[0][0], stage.data[48])


def test_it_stops_in_time_and_can_go_on(tmp_path):
    reached = train(Line(), tmp_path, options(10_000, seconds=0.2))
    assert 0 < reached < 10_000
    assert json.loads((tmp_path / LOG).read_text().splitlines()[-1])["step"] == reached
    assert train(Line(), tmp_path, options(reached + 1), resume=True) == reached + 1


def test_the_average_follows_with_its_half_life():
    average, network = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    with torch.no_grad():
        average.weight.fill_(0.0), average.running_mean.fill_(0.0)
        network.weight.fill_(1.0), network.running_mean.fill_(1.0)
    follow(average, network, seen=10**9, fresh=100, half_life=100)
    assert average.weight.item() == pytest.approx(0.5) and average.running_mean.item() == pytest.approx(0.5)
    follow(average, network, seen=100, fresh=100, half_life=10**9)      # few samples so far: a twentieth of them
    assert average.weight.item() == pytest.approx(1 - 0.5**21)


def test_a_smaller_rate_holds_for_the_run_that_asks_for_it(tmp_path):
    def moved(out: Path, rate: float) -> float:
        before = load_file(out / CHECKPOINT)["network/net/0.weight"]
        train(Line(), out, options(6, rate=rate), resume=True)
        return (load_file(out / CHECKPOINT)["network/net/0.weight"] - before).abs().max().item()

    for name in ("whole", "tenth"):
        train(Line(), tmp_path / name, options(5))
    whole, tenth = moved(tmp_path / "whole", 1.0), moved(tmp_path / "tenth", 0.1)
    assert tenth == pytest.approx(whole / 10, rel=1e-3)


def test_mistakes_are_told(tmp_path):
    train(Line(), tmp_path, options(5))
    with pytest.raises(InputError, match="--resume"):
        train(Line(), tmp_path, options(10))
    with pytest.raises(InputError, match="seed 0, not 1"):
        train(Line(), tmp_path, options(10, seed=1), resume=True)
    (tmp_path / CHECKPOINT).write_bytes(b"x" * 100)
    with pytest.raises(InputError, match="damaged"):
        train(Line(), tmp_path, options(10), resume=True)
    with pytest.raises(InputError, match="batch 0"):
        options(5, batch=0)
    with pytest.raises(InputError, match="rate 0"):
        options(5, rate=0.0)


def test_training_that_blew_up_leaves_the_last_checkpoint(tmp_path):
    class Broken(Line):
        def learn(self, batch, turn):
            return super().learn(batch, turn) | ({"loss": float("nan")} if turn.step > 6 else {})

    with pytest.raises(ValueError, match="not finite at step 10: loss"):
        train(Broken(), tmp_path, options(20))
    assert train(Line(), tmp_path, options(5), resume=True) == 5


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from train.test_loop import Line, options
from dinar.train.loop import train
train(Line(), Path({out!r}), options(100_000, save_every=3), resume=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_at_any_moment_it_ends_with_the_same_bits(tmp_path):
    code = KILLED.format(tests=str(Path(__file__).parents[1]), out=str(tmp_path / "killed"))
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": "1"})
    log, deadline = tmp_path / "killed" / LOG, time.monotonic() + 120
    while not (log.exists() and log.read_text().count("\n") >= 2) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        reached = json.loads(log.read_text().splitlines()[-1])["step"] + 30
        train(Line(), tmp_path / "killed", options(reached, save_every=3), resume=True)
        train(Line(), tmp_path / "whole", options(reached, save_every=3))
    finally:
        torch.set_num_threads(threads)
    one, other = (load_file(tmp_path / name / CHECKPOINT) for name in ("killed", "whole"))
    assert all(torch.equal(one[name], other[name]) for name in one)
