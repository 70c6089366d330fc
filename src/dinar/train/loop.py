"""The loop that trains every stage: accelerate for devices, a moving average, one atomic checkpoint, a log."""

from __future__ import annotations

import itertools
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset

from dinar import images
from dinar.errors import InputError
from dinar.files import atomic_file, check_file
from dinar.parallel import children_threads
from dinar.presets import Preset
from dinar.progress import Progress

if TYPE_CHECKING:
    from accelerate import Accelerator

CHECKPOINT, LOG, SAMPLES, WEIGHTS = "checkpoint.safetensors", "log.jsonl", "samples", "weights"
RAMP = 0.05   # of the samples seen so far: the average's half-life while these are few


@dataclass(frozen=True)
class Options:
    """How long and on what to train.

    steps       updates of the weights, counted from the first run of all
    batch       samples a step and process
    accumulate  batches a step: gradients are summed over them
    half_life   samples after which an old weight counts half in the average
    seed        of weights, data and noise
    seconds     stop after so long, checkpoint written; None: only at `steps`
    save_every  steps between two checkpoints
    look_every  steps between two examinations; one that is no checkpoint's is left out
    workers     processes that prepare samples; 0: this one
    rate        factor on all learning rates: smaller ones for the end of a run

    Raises InputError where a number is not possible.
    """

    steps: int
    batch: int
    accumulate: int = 1
    half_life: int = 10_000
    seed: int = 0
    seconds: float | None = None
    save_every: int = 200
    look_every: int = 1000
    workers: int = 1
    rate: float = 1.0

    def __post_init__(self) -> None:
        least = {"steps": 1, "batch": 1, "accumulate": 1, "save_every": 1, "look_every": 1, "workers": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise InputError(f"{name.replace('_', '-')} {getattr(self, name)} is not possible; at least {value} is")
        if not 0 < self.rate < math.inf:
            raise InputError(f"rate {self.rate} is not possible; it is a factor above 0")


@dataclass(frozen=True)
class Turn:
    """One batch of one step.

    step  counts from 0
    rng   for all that is random in it, on the CPU: a function of seed, position and process, so that none need be saved
    """

    step: int
    rng: torch.Generator


class Stage(ABC):
    """A stage of training as the loop sees it: networks, how they learn from a batch, and what can be looked at.

    A network and its optimiser have the same name. `averaged` networks have a moving average, which is what ships.
    The loop replaces networks and optimisers by accelerate's wrappers of them.
    """

    name: str
    preset: Preset
    networks: dict[str, nn.Module]
    optimizers: dict[str, Optimizer]
    averaged: tuple[str, ...]
    data: Dataset   # position >= 0 -> sample, a function of the position alone
    accelerator: Accelerator

    @abstractmethod
    def collate(self, samples: list) -> Any:
        """Samples -> a batch, something with `to(device)`."""

    @abstractmethod
    def learn(self, batch: Any, turn: Turn) -> dict[str, float]:
        """Updates the weights from one batch; the numbers go into the log."""

    @abstractmethod
    def examine(self, averaged: Mapping[str, nn.Module]) -> tuple[dict[str, float], Tensor]:
        """How good the average is on samples that are always the same: numbers, and a picture [3, H, W]."""

    @abstractmethod
    def ship(self, averaged: Mapping[str, nn.Module], folder: Path) -> None:
        """Writes the average as it will be used."""

    def update(self, name: str, loss: Tensor) -> None:
        """One step of a network's optimiser down a loss's gradient."""
        self.accelerator.backward(loss)
        self.optimizers[name].step()
        self.optimizers[name].zero_grad(set_to_none=True)


def train(stage: Stage, out: Path, options: Options, *, resume: bool = False, progress: Progress | None = None) -> int:
    """Trains a stage to `options.steps`; returns the step that was reached.

    `out` gets checkpoint.safetensors (all that is needed to go on), log.jsonl, TensorBoard's events, samples/ and
    weights/ (the average). On a CPU a run that was killed at any moment and resumed ends with the same bits as one that
    was not: samples and noise are functions of the seed and the position, and the checkpoint is written whole.

    Raises InputError where `out` holds a run and `resume` is not set, or a checkpoint of another stage or seed.
    """
    from accelerate import Accelerator
    from accelerate.utils import GradientAccumulationPlugin

    plan = GradientAccumulationPlugin(num_steps=options.accumulate, sync_with_dataloader=False)
    alone = not torch.accelerator.is_available()                         # several processes on CPUs want to be told so
    accelerator = stage.accelerator = Accelerator(cpu=alone, gradient_accumulation_plugin=plan)
    averages = {name: deepcopy(stage.networks[name]).eval().requires_grad_(False) for name in stage.averaged}
    count = options.batch * accelerator.num_processes                   # samples of one micro-batch of all processes
    step, position = _begin(stage, averages, out, options, resume)
    for name, network in stage.networks.items():
        for group in stage.optimizers[name].param_groups:
            group["lr"] *= options.rate
        prepared = accelerator.prepare(network.train(), stage.optimizers[name])
        stage.networks[name], stage.optimizers[name] = prepared
    for average in averages.values():
        average.to(accelerator.device)
    progress, log, began = progress or Progress(), None, time.monotonic()
    if accelerator.is_main_process:
        log = Log(out, step)
    batches = _batches(stage, options, position, accelerator.num_processes, accelerator.process_index)
    late = False
    while step < options.steps and not late:
        for _ in range(options.accumulate):
            batch = next(batches).to(accelerator.device)
            turn = Turn(step, _rng(options.seed, position, accelerator.process_index))
            with accelerator.accumulate(*stage.networks.values()):
                numbers = stage.learn(batch, turn)
            position += count
            if log:
                log.add(numbers)
        step += 1
        for name, average in averages.items():
            network = accelerator.unwrap_model(stage.networks[name])
            follow(average, network, position, count * options.accumulate, options.half_life)
        progress.advance("train", step / options.steps)
        late = options.seconds is not None and time.monotonic() - began > options.seconds
        ends = late or step == options.steps
        if log and (ends or step % options.save_every == 0):
            examined = None
            if ends or step % options.look_every == 0:
                examined, picture = stage.examine(averages)
                images.save(out / SAMPLES / f"{step:07d}.jpg", picture)
            log.write(step, examined)
            stage.ship(averages, out / WEIGHTS)
            _save(stage, averages, out / CHECKPOINT, {"step": step, "position": position, **_identity(stage, options)})
    accelerator.wait_for_everyone()
    return step


def follow(average: nn.Module, network: nn.Module, seen: int, fresh: int, half_life: int) -> None:
    """The moving average after `fresh` of `seen` samples; running statistics are averaged like weights.

    Its half-life grows with the samples, so that the average of a short run does not consist of its beginning.
    """
    keep = 0.5 ** (fresh / max(min(half_life, RAMP * seen), 1e-8))
    with torch.no_grad():
        for old, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if old.is_floating_point():
                old.lerp_(new, 1 - keep)
            else:
                old.copy_(new)


class Log:
    """log.jsonl and TensorBoard's events: the means of what was added since the last line."""

    def __init__(self, out: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path = out / LOG
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        with atomic_file(self.path) as temporary:       # what came after the checkpoint comes again
            temporary.write_text("".join(f"{line}\n" for line in lines if _step_of(line) <= step), encoding="utf-8")
        self.board = SummaryWriter(str(out), purge_step=step + 1)
        self._begin()

    def _begin(self) -> None:
        self.values: dict[str, list[float]] = {}
        self.steps, self.start = 0, time.monotonic()

    def add(self, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            self.values.setdefault(name, []).append(value)

    def write(self, step: int, examined: Mapping[str, float] | None) -> None:
        """A line for a step; raises ValueError where training has blown up, so that no checkpoint keeps it."""
        facts = {name: sum(values) / len(values) for name, values in self.values.items()}
        facts |= {f"examined/{name}": value for name, value in (examined or {}).items()}
        if wrong := [name for name, value in facts.items() if not math.isfinite(value)]:
            raise ValueError(f"not finite at step {step}: {', '.join(wrong)}")
        for name, value in facts.items():
            self.board.add_scalar(name, value, step)
        self.board.flush()
        with self.path.open("a", encoding="utf-8") as file:
            seconds = time.monotonic() - self.start
            file.write(json.dumps({"step": step, "seconds": round(seconds, 3), **facts}) + "\n")
        self._begin()


def _step_of(line: str) -> float:
    """The step of a line of the log; of one that was cut short, none."""
    try:
        return json.loads(line)["step"]
    except ValueError:
        return math.inf


def _rng(seed: int, position: int, process: int) -> torch.Generator:
    mixed = np.random.SeedSequence([seed, position, process]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed >> 1))


class _Positions:
    """The positions of this process' batches, without end."""

    def __init__(self, start: int, batch: int, processes: int, process: int) -> None:
        self.first, self.batch, self.stride = start + process * batch, batch, processes * batch

    def __iter__(self) -> Iterator[list[int]]:
        for first in itertools.count(self.first, self.stride):
            yield list(range(first, first + self.batch))


def _batches(stage: Stage, options: Options, start: int, processes: int, process: int) -> Iterator[Any]:
    positions = _Positions(start, options.batch, processes, process)
    context = "spawn" if options.workers else None       # forked ones inherit locks of threads that they lack
    loader = DataLoader(
        stage.data,
        batch_sampler=positions,
        collate_fn=stage.collate,
        num_workers=options.workers,
        multiprocessing_context=context,
    )
    with children_threads(1):
        return iter(loader)


def _identity(stage: Stage, options: Options) -> dict[str, Any]:
    """What a run that goes on must have in common with the one that began."""
    return {"stage": stage.name, "preset": stage.preset.name, "seed": options.seed}


def _begin(
    stage: Stage, averages: Mapping[str, nn.Module], out: Path, options: Options, resume: bool
) -> tuple[int, int]:
    """The step and position to go on at: of the checkpoint, else 0."""
    path = out / CHECKPOINT
    if not path.exists():
        for folder in (out, out / SAMPLES):
            check_file(folder / LOG)
            folder.mkdir(parents=True, exist_ok=True)
        return 0, 0
    if not resume:
        raise InputError(f"{out} holds a run already; go on with --resume, or choose another folder")
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}   # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error})") from error
    for name, value in _identity(stage, options).items():
        if facts.get(name) != value:
            raise InputError(f"{path} belongs to a run with {name} {facts.get(name)}, not {value}")
    try:
        for name, network in stage.networks.items():
            network.load_state_dict(_under(tensors, f"network/{name}/"))
        for name, average in averages.items():
            average.load_state_dict(_under(tensors, f"average/{name}/"))
        for name, optimizer in stage.optimizers.items():
            _restore(optimizer, _under(tensors, f"optimizer/{name}/"))
        return int(facts["step"]), int(facts["position"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise InputError(f"{path} does not fit this version's networks ({str(error).splitlines()[0]})") from error


def _save(stage: Stage, averages: Mapping[str, nn.Module], path: Path, facts: Mapping[str, Any]) -> None:
    """Networks, averages and optimisers in one file, replaced whole."""
    unwrap = stage.accelerator.unwrap_model
    tensors = {}
    for name, network in stage.networks.items():
        tensors |= {f"network/{name}/{key}": value for key, value in unwrap(network).state_dict().items()}
    for name, average in averages.items():
        tensors |= {f"average/{name}/{key}": value for key, value in average.state_dict().items()}
    for name, optimizer in stage.optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{name}/{index}/{key}": value for key, value in state.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_file(path) as temporary:
        save_file(tensors, temporary, metadata={"run": json.dumps(facts)})


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _restore(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split("/")
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
