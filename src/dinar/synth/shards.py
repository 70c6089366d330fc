"""Sets of synthetic people on disk: tar files in webdataset's layout, one sample a person.

A sample `000012` of `people-00000.tar` is `000012.json`, `000012.texels.png` (the part of a person that each texel of
the front-cut layout shows) and, for each view, `000012.<view>.image.jpg`, `000012.<view>.mask.png` and
`000012.<view>.parts.png` (the part at each pixel; both are `dinar.parts.BodyPart`). The JSON holds `seed`, `female`,
`years`, `tone`, `wears`, `model`, `shape`, `poses` (each with pose, expression and translation) and `views` (each with
the number of its pose and its camera's K, R, t, size).
Of people out of files `wears` is the file's name, what is not known is null, and `registration` holds how far the body
and their mesh are apart at rest, metres (see `distances.Distances`).
"""

from __future__ import annotations

import io
import json
import math
import tarfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch

from dinar.camera import Camera
from dinar.errors import InputError
from dinar.files import atomic_file, check_file
from dinar.parallel import one_thread_processes
from dinar.parts import coloured
from dinar.progress import Progress
from dinar.synth.lens import Lens
from dinar.synth.people import Person, random_person
from dinar.synth.places import Light
from dinar.synth.poses import random_body
from dinar.synth.rigged import load_person, rigged_files
from dinar.synth.sets import random_background, random_lens, random_light
from dinar.synth.studio import arrange, frame_camera, illuminate, take
from dinar.synth.truth import surface_parts
from dinar.synth.wardrobe import Wardrobe

PEOPLE_A_SHARD = 16
VIEWS_A_POSE = 4
MARKER = "set.json"
SHEET, LABELS, TEXELS = "sheet.jpg", "labels.jpg", "texels.png"
_SHEET_ROWS, _SHEET_COLUMNS, _SHEET_SIDE = 12, 8, 192
_SHEET_FILES = {".image.jpg": SHEET, ".parts.png": LABELS, TEXELS: TEXELS}     # ends of names, and who shows them


@dataclass(frozen=True)
class Plan:
    """What a set holds; two sets of equal plans are equal byte by byte, whatever machine part makes them.

    people, views  numbers; views are a person's, VIEWS_A_POSE or fewer a pose and two poses at least
    size           pixels a side
    """

    people: int
    views: int
    seed: int = 0
    size: int = 512

    @property
    def poses(self) -> int:
        """Poses a person."""
        return max(min(self.views, 2), -(-self.views // VIEWS_A_POSE))

    @property
    def shards(self) -> int:
        return -(-self.people // PEOPLE_A_SHARD)


def write_shards(
    assets: Path,
    out: Path,
    plan: Plan,
    *,
    built: Path | None = None,  # what tools have built (docs/synth.md); None: the folder `built` in assets, if any
    rigged: Path | None = None,  # a folder of .glb people; they are taken by name, each once
    workers: int = 2,
    progress: Progress | None = None,
) -> list[Path]:
    """Makes a set in the folder `out`, with contact sheets; shards that are there already stay. Returns the shards.

    Raises InputError where the assets are missing or damaged, or too few, or `out` holds something else or cannot be
    written.
    """
    progress = progress or Progress()
    wardrobe = Wardrobe(assets, built)
    files = rigged_files(rigged) if rigged else []
    if rigged and plan.people > len(files):
        raise InputError(f"{rigged} holds {len(files)} people, not {plan.people}")
    files = files[: plan.people]
    _claim(out, plan, [file.name for file in files], wigs=len(wardrobe.wigs))
    paths = [out / f"people-{k:05d}.tar" for k in range(plan.shards)]
    wanted = [k for k, path in enumerate(paths) if not path.exists()]
    members = [number for k in wanted for number in _members(plan, k)]
    jobs = [(assets, built, plan, number, files[number] if files else None) for number in members]
    if jobs:
        with one_thread_processes(min(workers, len(jobs))) as pool:
            samples = progress.track(pool.imap(_work, jobs), len(jobs), "render")
            for k in wanted:
                with atomic_file(paths[k]) as temporary, tarfile.open(temporary, "w") as tar:
                    for _ in _members(plan, k):
                        for name, content in next(samples):
                            entry = tarfile.TarInfo(name)
                            entry.size = len(content)
                            tar.addfile(entry, io.BytesIO(content))
            next(samples, None)
    _write_sheets(out, paths)
    return paths


def make_sample(wardrobe: Wardrobe, plan: Plan, number: int, file: Path | None = None) -> list[tuple[str, bytes]]:
    """One person's files, name and content: of somebody made up, or out of a rigged `file`.

    A person is photographed as on one day: in one light, with one camera's exposure and colours, in several poses and
    places, from all around. So what is seen in one view holds for the others.
    """
    rng = np.random.default_rng([plan.seed, number, 11])
    known = {}
    if file is None:
        person = made_up(wardrobe, plan, number)
    else:
        person, distances = load_person(file)
        known["registration"] = asdict(distances)
    motions = tuple(sorted((wardrobe.root / "poses").glob("*.bvh")))
    light, session = light_and_lens(rng)
    azimuths = rng.permutation(plan.views) * (360 / plan.views) + rng.uniform(0, 360)
    size = (plan.size, plan.size)
    key = f"{number:06d}"
    files, poses, views, meter = [], [], [], None
    for p in range(plan.poses):
        body = random_body(person, rng, lively=0.5, motions=motions)
        if file is not None:
            body = replace(body, expression=torch.zeros_like(body.expression))  # their faces do not move
        lit = illuminate(arrange(person, body), light)
        meter = meter or lit.meter
        background = random_background(rng, wardrobe)
        poses.append({name: getattr(body, name)[0].tolist() for name in ("pose", "expression", "translation")})
        for k in range(p, plan.views, plan.poses):
            camera = frame_camera(
                lit.scene,
                size,
                azimuth=float(azimuths[k] + rng.normal(0, 90 / plan.views)),
                height=rng.uniform(0.5, 2.0),
                fov=math.exp(rng.uniform(math.log(15), math.log(50))),
                margin=rng.uniform(0.03, 0.12),
                roll=rng.normal(0, 1.2),
            )
            view = take(lit, camera, background, lens=session, seed=int(rng.integers(1 << 31)), meter=meter)
            views.append((k, {"pose": p, **_camera_entry(camera)}))
            files += [
                (f"{key}.{k:03d}.image.jpg", _jpeg(view.image.permute(1, 2, 0).numpy())),
                (f"{key}.{k:03d}.mask.png", _png(view.mask[0].numpy())),
                (f"{key}.{k:03d}.parts.png", _label_png(view.parts.numpy())),
            ]
    facts = {
        "seed": _seed(plan, number), "female": person.female, "years": person.years, "tone": person.tone,
        "wears": person.wears, "model": person.model.name, "shape": person.shape[0].tolist(), "poses": poses,
        "views": [entry for _, entry in sorted(views, key=lambda view: view[0])], **known,
    }  # fmt: skip
    files.append((f"{key}.texels.png", _label_png(surface_parts(person))))
    return [(f"{key}.json", json.dumps(facts).encode()), *sorted(files)]


def made_up(wardrobe: Wardrobe, plan: Plan, number: int) -> Person:
    """The person of a sample."""
    return random_person(wardrobe, _seed(plan, number), texture=512 if plan.size <= 640 else 1024)


def _seed(plan: Plan, number: int) -> int:
    return plan.seed * 1_000_003 + number


def light_and_lens(rng: np.random.Generator) -> tuple[Light, Lens]:
    """Those of all views of a sample: the first that is drawn."""
    light = random_light(rng, rng.normal(0, 20))
    return light, random_lens(rng)


def _camera_entry(camera: Camera) -> dict:
    return {"K": camera.K.tolist(), "R": camera.R.tolist(), "t": camera.t.tolist(), "size": list(camera.size)}


def _jpeg(image: np.ndarray) -> bytes:
    pixels = cv2.cvtColor(_to_bytes(image), cv2.COLOR_RGB2BGR)
    full = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, full]
    return cv2.imencode(".jpg", pixels, options)[1].tobytes()


def _png(mask: np.ndarray) -> bytes:
    return _label_png(_to_bytes(mask))


def _to_bytes(picture: np.ndarray) -> np.ndarray:
    """Values in [0, 1] as uint8."""
    return cv2.convertScaleAbs(np.ascontiguousarray(picture), alpha=255)


def _label_png(labels: np.ndarray) -> bytes:
    runs = cv2.IMWRITE_PNG_STRATEGY_RLE  # areas of one value: faster than other ways
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, runs]
    return cv2.imencode(".png", labels, options)[1].tobytes()


def _members(plan: Plan, shard: int) -> range:
    """The numbers of a shard's people."""
    return range(shard * PEOPLE_A_SHARD, min((shard + 1) * PEOPLE_A_SHARD, plan.people))


def _claim(out: Path, plan: Plan, rigged: Sequence[str] = (), *, wigs: int = 0) -> None:
    """Writes the plan to `out`, or sees that it is the one that is there."""
    wanted = {"people": plan.people, "views": plan.views, "seed": plan.seed, "size": plan.size}
    if rigged:
        wanted["rigged"] = list(rigged)
    elif wigs:
        wanted["wigs"] = wigs
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give the name of a folder")
    marker = out / MARKER
    if marker.exists():
        try:
            written = marker.read_text(encoding="utf-8")
            found = json.loads(written)
        except (OSError, ValueError) as error:
            raise InputError(f"{marker} is damaged; give the name of a new folder") from error
        if found != wanted:
            raise InputError(f"{out} holds another set ({written.strip()}); give the name of a new folder")
        return
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} holds other files; give the name of a new folder")
    check_file(marker)
    with atomic_file(marker) as temporary:
        temporary.write_text(json.dumps(wanted) + "\n", encoding="utf-8")


def _work(job: tuple[Path, Path | None, Plan, int, Path | None]) -> list[tuple[str, bytes]]:
    assets, built, plan, number, file = job
    return make_sample(_wardrobe(assets, built), plan, number, file)


@lru_cache(maxsize=1)
def _wardrobe(assets: Path, built: Path | None) -> Wardrobe:
    return Wardrobe(assets, built)


def _write_sheets(out: Path, shards: list[Path]) -> None:
    """A row a person, with some views each, of people from all over the set; and their parts alike, those of the texels
    in the last column.
    """
    rows: dict[str, list[list[np.ndarray]]] = {SHEET: [], LABELS: []}
    share = -(-_SHEET_ROWS // len(shards))  # people of each shard
    for shard in shards[:: max(1, len(shards) // _SHEET_ROWS)][:_SHEET_ROWS]:
        found: dict[str, dict[str, list[np.ndarray]]] = {}
        with tarfile.open(shard) as tar:
            for member in tar:
                key, _, name = member.name.partition(".")
                if len(found) == share and key not in found:
                    break
                person = found.setdefault(key, {SHEET: [], LABELS: [], TEXELS: []})
                sheet = next((part for end, part in _SHEET_FILES.items() if name.endswith(end)), None)
                if sheet is not None and len(person[sheet]) < _SHEET_COLUMNS:
                    person[sheet].append(_cell(tar.extractfile(member).read(), labels=sheet != SHEET))
        rows[SHEET] += [person[SHEET] for person in found.values()]
        rows[LABELS] += [person[LABELS] + person[TEXELS] for person in found.values()]
    for name, cells in rows.items():
        width = max(len(row) for row in cells)
        blank = np.zeros((_SHEET_SIDE, _SHEET_SIDE, 3), np.uint8)
        sheet = np.vstack([np.hstack(row + [blank] * (width - len(row))) for row in cells])
        with atomic_file(out / name) as temporary:
            temporary.write_bytes(cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())


def _cell(content: bytes, *, labels: bool) -> np.ndarray:
    """A picture, or a label map in colours, as the sheets have it: uint8 [side, side, 3], blue first."""
    pixels = np.frombuffer(content, np.uint8)
    if labels:
        picture = coloured(cv2.imdecode(pixels, cv2.IMREAD_GRAYSCALE))[..., ::-1]
    else:
        picture = cv2.imdecode(pixels, cv2.IMREAD_COLOR)
    return cv2.resize(picture, (_SHEET_SIDE, _SHEET_SIDE), interpolation=cv2.INTER_AREA)
