"""A protocol from people to results: in several processes, taken up where it stopped, the same digits every time."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dinar import images
from dinar.avatar import open_body
from dinar.errors import InputError
from dinar.evaluate import identity
from dinar.evaluate.metrics import BACKGROUND, DIGITS, Judges, Scores, Seen
from dinar.evaluate.protocols import Cases, Target
from dinar.evaluate.rows import ROWS, Material, Row, chosen
from dinar.evaluate.walk import flicker, frames
from dinar.files import atomic_file
from dinar.inpainting import inpainter
from dinar.inpainting.inpainter import Inpainter
from dinar.networks.appearance import Appearance, shipped
from dinar.parallel import one_thread_processes, ray_cluster, torch_threads
from dinar.progress import Progress
from dinar.store import Store

RESULTS = "results.jsonl"
MADE = "data"              # in the output folder: data that were made for the run
FEATURES = "features.safetensors"
UNUSED = {None, "none"}    # weights that no row asks for
INCEPTION = "inception/"   # what names of features for KID on the user's network begin with
TRUTH = "truth"            # what features and pictures of the true view are called in place of a row
SIDE = 320                 # pixels of the longer side of a report's pictures
ERROR = 0.5                # mean difference of colours that is painted brightest
WEIGHTS = ("alexnet.safetensors", "vgg16.safetensors", "dists.safetensors")


@dataclass(frozen=True)
class Plan:
    """What is measured; it travels to other processes.

    cases      who, from which view, in which views
    rows       names of rows
    weights    folder of trained weights, None for those that ship with the package
    walk       measure flicker as well
    face       compare faces as well
    reid       the user's own ONNX network for re-identification
    inception  the user's own ONNX network for KID
    """

    cases: Cases
    rows: tuple[str, ...]
    weights: Path | None = None
    walk: bool = True
    face: bool = True
    reid: Path | None = None
    inception: Path | None = None

    @property
    def neural(self) -> bool:
        return any(row.neural for row in self.chosen)

    @property
    def paints(self) -> bool:
        return any(row.paints for row in self.chosen)

    @property
    def chosen(self) -> tuple[Row, ...]:
        return tuple(row for row in ROWS if row.name in self.rows)


def planned(
    cases: Cases,
    rows: str,                         # names, "system" or "all": see `rows.chosen`
    weights: Path | None,              # None: those that ship, if there are any
    *,
    walk: bool = True,
    face: bool = True,
    reid: Path | None = None,
    inception: Path | None = None,
) -> Plan:
    """A plan whose rows can be drawn. Raises InputError for unknown rows, or missing weights or networks."""
    for path in (reid, inception):
        if path is not None and not path.is_file():
            raise InputError(f"{path} does not exist")
    try:
        _networks(weights)
        neural = True
    except InputError:
        if weights is not None:
            raise
        neural = False
    found = chosen(rows, neural=neural, paints=neural and _painter(weights) is not None)
    return Plan(cases, tuple(row.name for row in found), weights, walk, face, reid, inception)


@dataclass(frozen=True)
class Result:
    """One row in one target: a line of results.jsonl."""

    person: str
    target: str
    row: str
    azimuth: float
    same: bool
    moved: bool
    scores: Scores


@dataclass(frozen=True)
class Walk:
    """How much a row flickers on one person: a line of results.jsonl."""

    person: str
    row: str
    flicker: float


@dataclass(frozen=True)
class Failure:
    """A person of whom no avatar could be made, and why: a line of results.jsonl."""

    person: str
    failure: str


Line = Result | Walk | Failure


@dataclass(frozen=True)
class Findings:
    """All of a run.

    settings  what decided the numbers
    """

    settings: Mapping[str, str]
    results: tuple[Result, ...]
    walks: tuple[Walk, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class _Job:
    plan: Plan
    person: str


@dataclass(frozen=True)
class _Outcome:
    """What a job brings home: lines, features by "row/target", files of the person's folder by name."""

    person: str
    lines: tuple[Line, ...]
    features: dict[str, Tensor]
    pictures: dict[str, bytes]


def run(
    plan: Plan,
    out: Path,
    *,
    workers: int = 1,
    cluster: str | None = None,        # address of a Ray cluster, "local" for this machine
    store: Store | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Measures what `out` does not hold yet, and keeps it there: results.jsonl, and a folder of pictures a person.

    A killed run goes on where it stopped; a second run gives the same bytes. Each person is worked on by one thread, so
    the digits do not depend on the number of processes.

    Raises InputError where data or weights are missing, or `out` holds results of something else.
    """
    progress, store = progress or Progress(), store or Store()
    people = plan.cases.people
    if not people:
        raise InputError("there is nobody to evaluate")
    store.paths([*WEIGHTS, *([identity.SFACE] if plan.face else [])])
    settings = _settings(plan)
    journal = _Journal(out, settings)
    jobs = [job for person in people if (job := journal.missing(plan, person)) is not None]
    if jobs:
        outcomes = _on_ray(jobs, cluster) if cluster else _here(jobs, workers)
        for outcome in progress.track(outcomes, len(jobs), "evaluate"):
            journal.keep(outcome)
    return journal.close(plan, people)


def _settings(plan: Plan) -> dict[str, str]:
    weights = _networks(plan.weights).name if plan.neural else "none"
    painter = {"inpainting": _painter(plan.weights).name} if plan.paints else {}
    networks = {"reid": plan.reid, "inception": plan.inception}
    digests = {name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for name, path in networks.items() if path}
    facts = {"protocol": plan.cases.name, "program": f"dinar {version('dinar')}", "weights": weights}
    return {**facts, **painter, **plan.cases.facts, **digests}


class _Journal:
    """results.jsonl while it grows: the settings, then a line a result; at the end all in order."""

    def __init__(self, out: Path, settings: Mapping[str, str]) -> None:
        self.out, self.path, self.settings = out, out / RESULTS, dict(settings)
        self.lines: dict[tuple[str, str, str], Line] = {}
        if out.exists() and not out.is_dir():
            raise InputError(f"{out} is a file; give the name of a folder")
        if self.path.exists():
            found, lines = read_lines(self.path)
            other = [name for name in {**found, **self.settings} if found.get(name) != self.settings.get(name)]
            # plain rows do not depend on weights, so a run without any may be continued with some
            some = [name for name in ("weights", "inpainting") if {found.get(name), self.settings.get(name)} & UNUSED]
            if set(other) - set(some):
                raise InputError(f"{out} holds results with other {', '.join(other)}; give the name of a new folder")
            self.settings |= {name: found[name] for name in some if name in found and self.settings.get(name) in UNUSED}
            self.lines = {_key(line): line for line in lines}
        elif out.exists() and any(path.name != MADE for path in out.iterdir()):
            raise InputError(f"{out} holds other files; give the name of a new folder")
        out.mkdir(parents=True, exist_ok=True)
        self._rewrite(self.lines.values())

    def missing(self, plan: Plan, person: str) -> _Job | None:
        """What is left to do for a person."""
        if (person, "", "") in self.lines:
            return None
        done = {row for name, _, row in self.lines if name == person}
        if plan.walk:
            done = {row for row in done if (person, "walk", row) in self.lines}
        rows = tuple(row for row in plan.rows if row not in done)
        return _Job(replace(plan, rows=rows), person) if rows else None

    def keep(self, outcome: _Outcome) -> None:
        """Pictures and features first: where lines are, all is."""
        folder = self.out / "people" / outcome.person
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in outcome.pictures.items():
            with atomic_file(folder / name) as temporary:
                temporary.write_bytes(content)
        if outcome.features:
            with atomic_file(folder / FEATURES) as temporary:
                save_file({**features_of(self.out, outcome.person), **outcome.features}, temporary)
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(_written(line) for line in outcome.lines))
        self.lines.update({_key(line): line for line in outcome.lines})

    def close(self, plan: Plan, people: Sequence[str]) -> Findings:
        """Everything in the order of people and rows; results of earlier runs with more of them stay."""
        order = {name: i for i, name in enumerate((*dict.fromkeys([*people, *(key[0] for key in self.lines)]),))}
        ranks = {row.name: i for i, row in enumerate(ROWS)}
        keys = sorted(self.lines, key=lambda key: (order[key[0]], ranks.get(key[2], -1), key[1]))
        lines = [self.lines[key] for key in keys]
        self._rewrite(lines)
        return Findings(
            self.settings,
            *(tuple(line for line in lines if isinstance(line, kind)) for kind in (Result, Walk, Failure)),
        )

    def _rewrite(self, lines: Iterable[Line]) -> None:
        with atomic_file(self.path) as temporary:
            first = json.dumps({"settings": self.settings}) + "\n"
            temporary.write_text(first + "".join(_written(line) for line in lines), encoding="utf-8")


def read_lines(path: Path) -> tuple[dict[str, str], list[Line]]:
    """Settings and results of a results.jsonl; a last line that was cut short is left out.

    Raises InputError where it is damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
        first, *rest = text.split("\n")[:-1]
        return dict(json.loads(first)["settings"]), [_read(json.loads(line)) for line in rest]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged; remove it or give the name of a new folder") from error


def features_of(out: Path, person: str) -> dict[str, Tensor]:
    """The features of a person's pictures by "row/target"."""
    path = out / "people" / person / FEATURES
    try:
        return load_file(path) if path.exists() else {}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is damaged; give the name of a new folder") from error


def _key(line: Line) -> tuple[str, str, str]:
    if isinstance(line, Failure):
        return line.person, "", ""
    return line.person, "walk" if isinstance(line, Walk) else line.target, line.row


def _written(line: Line) -> str:
    entry: dict[str, Any] = asdict(line)
    if isinstance(line, Result):
        entry["scores"] = {name: value for name, value in entry["scores"].items() if not math.isnan(value)}
    return json.dumps(entry) + "\n"


def _read(entry: dict[str, Any]) -> Line:
    kind = Result if "scores" in entry else Walk if "flicker" in entry else Failure
    if kind is Result:
        entry["scores"] = Scores(**entry["scores"])
    return kind(**entry)


# What a process does

def work(job: _Job) -> _Outcome:
    """All that is missing of one person."""
    plan, model = job.plan, open_body()
    try:
        case = plan.cases.case(job.person)
    except InputError as error:
        return _Outcome(job.person, (Failure(job.person, str(error)),), {}, {})
    judges, face, reid = _judges(plan.face, plan.reid)
    appearance = _networks(plan.weights) if plan.neural else None
    material = Material(case.source, model, appearance, _painter(plan.weights) if plan.paints else None)
    inception = identity.Network(plan.inception) if plan.inception else None
    lines: list[Line] = []
    features: dict[str, Tensor] = {}
    pictures = {"input.webp": _picture(case.source.image)}

    def remember(name: str, seen: Seen) -> None:
        features[name] = seen.deep
        if inception:
            features[INCEPTION + name] = identity.inception_features(inception, seen.image)

    truths = [judges.look(_truth(target)) for target in case.targets]
    for target, truth in zip(case.targets, truths, strict=True):
        pictures[f"{target.name}.{TRUTH}.webp"] = _picture(truth.image[0])
        remember(f"{TRUTH}/{target.name}", truth)
    for row in plan.chosen:
        drawer = row.make(material)
        for target, truth in zip(case.targets, truths, strict=True):
            drawn = drawer(target.view.body, target.view.camera)
            seen = judges.look(drawn.over(BACKGROUND)[0])
            found = _identity(face, reid, seen.image[0], drawn.mask[0], target, truth.image[0])
            scores = replace(judges.compare(seen, truth), **found)
            place = (round(target.azimuth, 1), target.same, target.moved)
            lines.append(Result(job.person, target.name, row.name, *place, scores.rounded()))
            remember(f"{row.name}/{target.name}", seen)
            pictures[f"{target.name}.{row.name}.webp"] = _picture(seen.image[0])
            pictures[f"{target.name}.{row.name}.error.webp"] = _picture(_error(seen.image[0], truth.image[0]))
        if plan.walk:
            moving = frames(drawer, model, case.source.body.shape[0])
            lines.append(Walk(job.person, row.name, round(flicker(judges.alex, moving), DIGITS)))
    return _Outcome(job.person, tuple(lines), features, pictures)


def _identity(
    face: identity.Network | None,
    reid: identity.Network | None,
    image: Tensor,                 # [3, H, W] drawn, on its background
    mask: Tensor,                  # [1, H, W] drawn
    target: Target,
    truth: Tensor,                 # [3, H, W] on the same background
) -> dict[str, float]:
    """The scores about who it is, by their names."""
    model, view = open_body(), target.view
    region = identity.clothed(model, view.body, view.camera)
    found = {"clothing": identity.clothing_distance(image, mask, truth, view.mask, region)}
    if face and (points := identity.face_points(model, view.body, view.camera)) is not None:
        found["face"] = identity.face_distance(face, image, truth, points)
    if reid:
        found["reid"] = identity.reid_distance(reid, image, mask, truth, view.mask)
    return found


def _truth(target: Target) -> Tensor:
    view = target.view
    return view.image * view.mask + BACKGROUND * (1 - view.mask)


def _error(image: Tensor, truth: Tensor) -> Tensor:
    """Mean difference of colours from black through red to white, [3, H, W]."""
    error = ((image - truth).abs().mean(0, keepdim=True) / ERROR).clamp(0, 1)
    painted = cv2.applyColorMap(images.to_bytes(error)[..., 0], cv2.COLORMAP_INFERNO)
    return images.from_bytes(painted[..., ::-1])


def _picture(image: Tensor) -> bytes:
    scale = min(1.0, SIDE / max(image.shape[-2:]))
    small = images.resize(image, tuple(max(1, round(side * scale)) for side in image.shape[-2:]))
    pixels = images.to_bytes(small)[..., ::-1]
    return cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, 85])[1].tobytes()


@lru_cache(maxsize=1)
def _judges(face: bool, reid: Path | None) -> tuple[Judges, identity.Network | None, identity.Network | None]:
    store = Store()
    return Judges.load(store), identity.load_face(store) if face else None, identity.Network(reid) if reid else None


@lru_cache(maxsize=1)
def _networks(weights: Path | None) -> Appearance:
    return shipped() if weights is None else Appearance.load(weights)


@lru_cache(maxsize=1)
def _painter(weights: Path | None) -> Inpainter | None:
    """The networks that paint textures of those weights: what ships, or lies beside them; None without any."""
    appearance = _networks(weights).name
    if weights is None:
        return inpainter.shipped() if inpainter.ships_for(appearance) else None
    folder = Path(weights).resolve().parent / "inpainting"
    found = Inpainter.load(folder) if (folder / inpainter.MARKER).exists() else None
    return found if found is not None and found.appearance == appearance else None


# Where it does it

def _here(jobs: Sequence[_Job], workers: int) -> Iterator[_Outcome]:
    workers = min(workers, len(jobs))
    if workers <= 1:
        with _one_thread():
            yield from map(work, jobs)
        return
    with one_thread_processes(workers) as pool:
        yield from pool.imap_unordered(work, jobs)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums of floating-point numbers depend on the number of threads."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with torch_threads(1):
            yield
    finally:
        cv2.setNumThreads(before)


def _on_ray(jobs: Sequence[_Job], address: str) -> Iterator[_Outcome]:
    """A task a person on a Ray cluster; its machines see data and weights at the same paths."""
    with ray_cluster(address) as ray:
        task = ray.remote(num_cpus=1)(_alone)
        waiting = [task.remote(job) for job in jobs]
        while waiting:
            (done,), waiting = ray.wait(waiting, num_returns=1)
            try:
                yield ray.get(done)
            except ray.exceptions.RayTaskError as error:
                raise error.as_instanceof_cause() from error      # an InputError there is one here
            except ray.exceptions.RayError as error:
                raise InputError(
                    f"a computer of the cluster was lost ({type(error).__name__}); the same command goes on"
                ) from error


def _alone(job: _Job) -> _Outcome:
    with _one_thread():
        return work(job)
