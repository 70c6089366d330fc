"""Multi-view sets on disk as training data: pairs of views of one person in two poses (sections 3.1 and 4.1)."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dinar.body.model import Body
from dinar.camera import Camera
from dinar.errors import InputError
from dinar.synth.view import View

_DAMAGED = (OSError, ValueError, KeyError, TypeError, IndexError, cv2.error)


@dataclass(frozen=True)
class Pair:
    """One sample of appearance training: what the network sees, and what it is to draw.

    source, target  different views in different poses of one person
    person          the sample's name in its shard
    """

    source: View
    target: View
    person: str


@dataclass(frozen=True)
class Purpose:
    """A view taken for a purpose: its name, and what it shows ("person", "head", "motion", ...)."""

    name: str
    kind: str


@dataclass(frozen=True)
class Augmentation:
    """How training data are made worse, so that real photos are no surprise; 0 switches a thing off.

    Colours change in both views alike, since the target has to be what the source promises; all else happens to the
    source only, as does a photo to what is seen, segmented and fitted in it.

    colour      spread of the logarithm of each channel's gain
    noise       most standard deviation
    blur        most standard deviation, pixels of a picture 512 high
    jpeg        share of the sources that are saved as JPEG of quality 30 to 95
    mask        most shift of the mask's edge, share of the picture's height
    pose        spread of each joint's rotation, degrees; a tenth of the joints get three times that
    shape       spread of each shape component, standard deviations of the population
    expression  spread of each expression's strength
    place       spread of the body's translation across the view, metres; along it three times that
    """

    colour: float = 0.12
    noise: float = 0.03
    blur: float = 1.2
    jpeg: float = 0.5
    mask: float = 0.006
    pose: float = 0.7
    shape: float = 0.15
    expression: float = 0.05
    place: float = 0.003


@dataclass(frozen=True)
class _Sample:
    """Where a person's files lie in a shard: name -> (first byte, bytes)."""

    shard: Path
    key: str
    files: dict[str, tuple[int, int]]

    @property
    def views(self) -> int:
        return sum(name.endswith(".image.jpg") for name in self.files)


class MultiView(Dataset):
    """The shards of one or more folders (or single .tar files), read in place.

    `dataset[position]` is a `Pair` for every position >= 0, a function of seed and position alone: training that stops
    after n samples goes on at position n. Each round of len(dataset) positions has every person once, in a new order.

    frontal  share of the sources that are the most frontal of three views: people are photographed from the front

    Raises InputError where there are no shards, or a shard is damaged (also later, when the damage is met).
    """

    def __init__(
        self, *places: Path, seed: int = 0, augmentation: Augmentation | None = None, frontal: float = 0.0
    ) -> None:
        shards = [shard for place in places for shard in _shards(Path(place))]
        self.seed = seed
        self.augmentation = augmentation
        self.frontal = frontal
        self._samples = [sample for shard in shards for sample in _index(shard)]
        self._facts = lru_cache(maxsize=256)(self._read_facts)

    def __len__(self) -> int:
        """The number of people."""
        return len(self._samples)

    def __getitem__(self, position: int) -> Pair:
        rng = np.random.default_rng([self.seed, position])
        number = self._person_at(position)
        facts = self._facts(number)
        poses = [view["pose"] for view in facts["views"]]
        candidates = rng.integers(len(poses), size=3 if rng.random() < self.frontal else 1)
        first = int(max(candidates, key=lambda view: _frontality(facts, view)))
        others = [k for k, pose in enumerate(poses) if pose != poses[first]]
        if not others:
            sample = self._samples[number]
            raise InputError(f"{sample.shard}: {sample.key} has one pose only; training takes two")
        pair = Pair(self.view(number, first), self.view(number, int(rng.choice(others))), self._samples[number].key)
        return augmented(pair, self.augmentation, rng) if self.augmentation else pair

    def stream(self, position: int = 0) -> Iterator[Pair]:
        """Pairs without end from a position on."""
        while True:
            yield self[position]
            position += 1

    def views(self, number: int) -> int:
        """How many views person `number` has."""
        return self._samples[number].views

    def pose_of(self, number: int, view: int) -> int:
        """The number of the pose that a view shows."""
        return self._facts(number)["views"][view]["pose"]

    def purpose_of(self, number: int, view: int) -> Purpose | None:
        """What a view serves that was taken for a purpose; None for the usual ones, from anywhere in any pose."""
        entry = self._facts(number)["views"][view]
        return Purpose(str(entry["name"]), str(entry["kind"])) if "name" in entry else None

    def parts_of(self, number: int, view: int) -> Tensor | None:
        """Which part of the person each pixel of a view shows, uint8 [H, W], 0 for none; None where no file tells.

        Made-up and rigged people have `dinar.parts.BodyPart` there.
        """
        return self._labels(number, f"{view:03d}.parts.png")

    def surface_parts(self, number: int) -> Tensor | None:
        """Which part of a person each texel of the front-cut layout shows (`dinar.parts.BodyPart`), uint8 [S, S], 0
        outside its islands; None where no file tells."""
        return self._labels(number, "texels.png")

    def _labels(self, number: int, name: str) -> Tensor | None:
        sample = self._samples[number]
        if name not in sample.files:
            return None
        try:
            return torch.from_numpy(_decoded(self._bytes(sample, name), cv2.IMREAD_GRAYSCALE))
        except _DAMAGED as error:
            raise InputError(f"{sample.shard} is damaged at {sample.key}; make it anew") from error

    def digest(self, number: int) -> str:
        """Of all files of person `number`."""
        sample, digest = self._samples[number], hashlib.sha256()
        try:
            for name in sorted(sample.files):
                digest.update(name.encode() + hashlib.sha256(self._bytes(sample, name)).digest())
        except _DAMAGED as error:
            raise InputError(f"{sample.shard} is damaged at {sample.key}; make it anew") from error
        return digest.hexdigest()[:16]

    def frontality(self, number: int, view: int) -> float:
        """Cosine between where the person's hips face and where the camera is."""
        return _frontality(self._facts(number), view)

    def view(self, number: int, view: int) -> View:
        """One view of person `number`, in [0, len)."""
        sample, facts = self._samples[number], self._facts(number)
        try:
            entry = facts["views"][view]
            pose = facts["poses"][entry["pose"]]
            image = _decoded(self._bytes(sample, f"{view:03d}.image.jpg"), cv2.IMREAD_COLOR)[..., ::-1]
            mask = _decoded(self._bytes(sample, f"{view:03d}.mask.png"), cv2.IMREAD_GRAYSCALE)
            camera = Camera(*(torch.tensor(entry[name]) for name in "KRt"), size=tuple(entry["size"]))
            moves = (torch.tensor(pose[name])[None] for name in ("pose", "expression", "translation"))
            body = Body(torch.tensor(facts["shape"])[None], *moves)
            if mask.shape != camera.size or image.shape[:2] != camera.size:
                raise ValueError("sizes differ")
            parts = self.parts_of(number, view)
            if parts is not None and parts.shape != camera.size:
                raise ValueError("sizes differ")
        except _DAMAGED as error:
            raise InputError(f"{sample.shard} is damaged at {sample.key}; make it anew") from error
        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255
        return View(pixels, torch.from_numpy(mask)[None].float() / 255, camera, body, parts)

    def _person_at(self, position: int) -> int:
        count = len(self._samples)
        order = _order(self.seed, position // count, count)
        return int(order[position % count])

    def _read_facts(self, number: int) -> dict:
        sample = self._samples[number]
        try:
            facts = json.loads(self._bytes(sample, "json"))
            if len(facts["views"]) != sample.views:
                raise ValueError("views are missing")
        except _DAMAGED as error:
            raise InputError(f"{sample.shard} is damaged at {sample.key}; make it anew") from error
        return facts

    def _bytes(self, sample: _Sample, name: str) -> bytes:
        start, size = sample.files[name]
        with sample.shard.open("rb") as file:
            file.seek(start)
            content = file.read(size)
        if len(content) != size:
            raise ValueError("cut short")
        return content


@lru_cache(maxsize=4)
def _order(seed: int, turn: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, turn, 1]).permutation(count)


def _frontality(facts: dict, view: int) -> float:
    """Cosine between where a person's hips face and where the camera is."""
    entry = facts["views"][view]
    forward = cv2.Rodrigues(np.array(facts["poses"][entry["pose"]]["pose"][0]))[0][:, 2]
    return -float(np.array(entry["R"])[2] @ forward)


def _shards(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    found = sorted(place.glob("*.tar"))
    if not found:
        raise InputError(f"{place} holds no shards (*.tar); `dinar synth` makes them")
    return found


def _index(shard: Path) -> list[_Sample]:
    """The samples of a shard, by its headers alone."""
    samples: dict[str, dict[str, tuple[int, int]]] = {}
    length = shard.stat().st_size
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                key, _, name = member.name.partition(".")
                if member.offset_data + member.size > length:
                    raise ValueError("cut short")
                samples.setdefault(key, {})[name] = (member.offset_data, member.size)
    except (tarfile.TarError, OSError, ValueError) as error:
        raise InputError(f"{shard} is damaged or cut short; make it anew") from error
    for key, files in samples.items():
        views = {name.partition(".")[0] for name in files if name not in ("json", "texels.png")}
        needed = {"json", *(f"{view}.{kind}" for view in views for kind in ("image.jpg", "mask.png"))}
        if not views or not needed <= set(files):
            raise InputError(f"{shard} is damaged or cut short: {key} lacks files; make it anew")
    if not samples:
        raise InputError(f"{shard} is damaged: it is empty; make it anew")
    return [_Sample(shard, key, files) for key, files in samples.items()]


def _decoded(content: bytes, flags: int) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if picture is None:
        raise ValueError("no picture")
    return picture


def augmented(pair: Pair, how: Augmentation, rng: np.random.Generator) -> Pair:
    """A pair made worse; see `Augmentation`. The same generator state gives the same pair."""
    gain = torch.from_numpy(np.exp(rng.normal(0, how.colour, 3)).astype(np.float32))[:, None, None]
    source, target = (replace(view, image=(view.image * gain).clamp(0, 1)) for view in (pair.source, pair.target))
    image = _worn(source.image.permute(1, 2, 0).numpy(), how, rng)
    source = replace(
        source,
        image=torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
        mask=torch.from_numpy(_shifted(source.mask[0].numpy(), how.mask, rng))[None],
        body=_misfitted(source.body, source.camera, how, rng),
    )
    return replace(pair, source=source, target=target)


def _worn(image: np.ndarray, how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """A picture float32 [H, W, 3] blurred, noisy and compressed."""
    blur = rng.uniform(0, how.blur) * len(image) / 512
    noise = rng.uniform(0, how.noise)
    quality, compressed = int(rng.integers(30, 96)), rng.random() < how.jpeg
    if blur > 0.15:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    if noise > 0:
        image = image + noise * rng.standard_normal(image.shape, np.float32)
    image = np.clip(image, 0, 1)
    if compressed:
        pixels = np.rint(image[..., ::-1] * 255).astype(np.uint8)
        coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1] / np.float32(255)
    return image.astype(np.float32)


def _shifted(mask: np.ndarray, most: float, rng: np.random.Generator) -> np.ndarray:
    """A mask float32 [H, W] whose edge wanders in and out by up to `most` of its height."""
    h, w = mask.shape
    if most <= 0:
        return mask
    field = np.float32(rng.uniform(0.3, 1)) * rng.uniform(-1, 1, (8, 8)).astype(np.float32)
    field = cv2.resize(field, (w, h), interpolation=cv2.INTER_CUBIC)
    reach = most * h
    inside = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((mask <= 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    edge = inside - outside - 0.5 * np.sign(mask - 0.5)  # pixels from a pixel's centre to the edge, inside positive
    return np.clip(edge + field * reach + 0.5, 0, 1).astype(np.float32)


def _misfitted(body: Body, camera: Camera, how: Augmentation, rng: np.random.Generator) -> Body:
    """A body as a fit finds it: near."""

    def spread(like: Tensor, scale: float | np.ndarray) -> Tensor:
        return like + torch.from_numpy((rng.standard_normal(like.shape) * scale).astype(np.float32))

    joints = np.radians(how.pose) * np.where(rng.random((1, body.pose.shape[1], 1)) < 0.1, 3.0, 1.0)
    joints[:, 0] = np.radians(how.pose) / 2
    away = torch.from_numpy((rng.standard_normal(3) * how.place * np.array([1, 1, 3])).astype(np.float32))
    return Body(
        shape=spread(body.shape, how.shape),
        pose=spread(body.pose, joints),
        expression=spread(body.expression, how.expression),
        translation=body.translation + away @ camera.R,
    )
