"""Training of the lifter: where the points that BlazePose sees of people truly are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW

from dinar.data.sightings import SeenPeople, Sightings
from dinar.networks.lifter import HIPS, LandmarkLifter
from dinar.photo.landmarks import BODY
from dinar.photo.lifting import flipped, mirrored
from dinar.presets import Preset, build_lifter
from dinar.train.loop import Stage, Turn

LOOKED_AT = 400     # people that every examination lifts
SHOWN = 12          # of them, that its picture shows
TILE = 240          # pixels a side of each
_LINES = tuple(
    (BODY.index(a), BODY.index(b))
    for side in ("left", "right")
    for a, b in (
        (f"{side}_shoulder", f"{side}_elbow"), (f"{side}_elbow", f"{side}_wrist"), (f"{side}_shoulder", f"{side}_hip"),
        (f"{side}_hip", f"{side}_knee"), (f"{side}_knee", f"{side}_ankle"), (f"{side}_ankle", f"{side}_foot_index"),
        ("nose", f"{side}_ear"), (f"{side}_ear", f"{side}_shoulder"),
    )
)  # fmt: skip
_TRUE, _GUESSED, _LIFTED = (0, 0, 0), (220, 60, 40), (30, 110, 220)


class LifterStage(Stage):
    """Learns depths from sightings of people whose points are known; depends on no other stage."""

    name = "lifter"
    averaged = ("lifter",)

    def __init__(
        self,
        preset: Preset,
        data: Sequence[Path],                   # folders of sightings
        *,
        seed: int = 0,
        examples: Sequence[Path] = (),          # the same that are not trained on; default: data
    ) -> None:
        self.preset, self.how = preset, preset.lifting
        self.data = SeenPeople(data, seed=seed)
        self.examples = SeenPeople(examples or data, seed=seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            lifter = build_lifter(preset)
        self.networks = {"lifter": lifter}
        how = self.how
        self.optimizers = {"lifter": AdamW(lifter.parameters(), how.learning_rate, weight_decay=how.weight_decay)}

    def collate(self, samples: list[Sightings]) -> Sightings:
        return Sightings.stacked(samples)

    def learn(self, batch: Sightings, turn: Turn) -> dict[str, float]:
        """The negative logarithm of a Laplace distribution about the lifted points, of the network's own spread."""
        seen = worn(batch, turn.rng, self.how.turn, self.how.noise)
        found = self.networks["lifter"](seen.xy, seen.world, seen.confidence)
        apart = (found.points - goal(seen)).abs()
        self.update("lifter", (apart / found.spread + found.spread.log()).mean())
        return {"apart_mm": float(1000 * apart.detach().mean())}

    def examine(self, averaged: Mapping[str, nn.Module]) -> tuple[dict[str, float], Tensor]:
        """Millimetres between points found and true, and of depth alone, of people at the start of `examples`, beside
        BlazePose's; the picture shows some from their side: true in black, BlazePose's red, lifted blue.
        """
        lifter, people = averaged["lifter"], self._looked_at
        device = next(lifter.parameters()).device
        with torch.no_grad():
            found = lifter(*(values.to(device) for values in (people.xy, people.world, people.confidence))).points.cpu()
        true, guessed = goal(people), _about_hips(people.world)
        facts = {}
        for name, points in (("blazepose", guessed), ("lifted", found)):
            facts[f"{name}_mm"] = float(1000 * (points - true).norm(dim=2).mean())
            facts[f"{name}_depth_mm"] = float(1000 * (points - true)[..., 2].abs().mean())
        tiles = [_from_aside(*person) for person in zip(true[:SHOWN], guessed[:SHOWN], found[:SHOWN], strict=True)]
        tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % 6)
        rows = [np.concatenate(tiles[k : k + 6], axis=1) for k in range(0, len(tiles), 6)]
        return facts, torch.from_numpy(np.concatenate(rows)).permute(2, 0, 1) / 255

    def ship(self, averaged: Mapping[str, nn.Module], folder: Path) -> None:
        LandmarkLifter.named(self.preset.name, averaged["lifter"]).save(folder, self.preset.lifter)

    @cached_property
    def _looked_at(self) -> Sightings:
        return Sightings.stacked([self.examples[k] for k in range(min(LOOKED_AT, len(self.examples.all)))])


def goal(people: Sightings) -> Tensor:
    """Where their points are about the hips' middle [P, 33, 3], in the size that BlazePose guessed them in.

    No picture tells how tall somebody is; fits take depths for those of a person of average size.
    """
    true, guessed = _about_hips(people.points), _about_hips(people.world)
    along = (true * guessed)[..., :2].sum((1, 2)) / true[..., :2].square().sum((1, 2))
    return true * along[:, None, None]


def worn(people: Sightings, rng: torch.Generator, turn: float, noise: float) -> Sightings:
    """Some of them in the mirror, all turned a little in the picture, their points moved a little."""
    count, device = len(people), people.xy.device

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng).to(device)

    swap = (torch.rand(count, generator=rng) < 0.5).to(device)
    xy, world, confidence = mirrored(people.xy, people.world, people.confidence)
    xy = torch.where(swap[:, None, None], xy, people.xy)
    world, points = (
        torch.where(swap[:, None, None], *pair)
        for pair in ((world, people.world), (flipped(people.points), people.points))
    )
    confidence = torch.where(swap[:, None], confidence, people.confidence)
    angle = turn * normal(count)
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    matrix = torch.stack([c, -s, zero, s, c, zero, zero, zero, one], dim=1).view(-1, 3, 3)
    xy = xy @ matrix[:, :2, :2].mT
    size = (xy.amax(1) - xy.amin(1)).amax(1)[:, None, None]
    xy = xy + noise * size * normal(*xy.shape)
    world = world @ matrix.mT
    return replace(
        people, xy=xy, world=world + noise * normal(*world.shape), confidence=confidence, points=points @ matrix.mT
    )


def _about_hips(points: Tensor) -> Tensor:
    return points - points[:, list(HIPS)].mean(1, keepdim=True)


def _from_aside(true: Tensor, guessed: Tensor, found: Tensor) -> np.ndarray:
    """Stick figures [33, 3] as their left side shows them: uint8 [TILE, TILE, 3]."""
    picture = np.full((TILE, TILE, 3), 255, np.uint8)
    for points, colour in ((guessed, _GUESSED), (found, _LIFTED), (true, _TRUE)):
        places = (TILE / 2 + points[:, [2, 1]].numpy() * TILE / 2.2).round().astype(int)
        for a, b in _LINES:
            cv2.line(picture, places[a].tolist(), places[b].tolist(), colour, 1, cv2.LINE_AA)
    return picture
