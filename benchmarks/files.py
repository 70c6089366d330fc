"""What becomes of odd pictures, masks and keypoints: `python benchmarks/files.py FOLDER [PHOTO]`.

FOLDER holds `make_cases.py`, which makes some 180 files out of one photo and its mask and keypoints, and a table of
what each is and what is right. A table of Markdown goes to stdout, a row a file: what is right, what came of it, and
whether that is right. The crop is compared with the photo's own, whatever their sizes:

    overlap  of the masks, intersection over union
    levels   mean difference of the colours (0 to 255) where both masks are sure
    edge     the same within the outline's band, where fringes lie

The same are an overlap of 0.95, 6 levels and 14 at the edge (of the brightness alone where grey is right; of pictures
that cannot have the same colours the overlap). What another result is allowed is told as `look`: look at it, with
`--pictures`. Where residuals are to warn, a body that covers the mask by less than 0.8 does, or landmarks more than 2 %
off, or a note. A traceback is never right.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import torch
from torch import Tensor

from dinar import images
from dinar.avatar import MARKER, open_body
from dinar.errors import InputError
from dinar.files import check_folder, portable
from dinar.fit.fit import fit
from dinar.fit.overlay import overlay
from dinar.photo.openpose import BODY_25
from dinar.photo.photo import Photo, look
from dinar.store import Store

OVERLAP, LEVELS, EDGE = 0.95, 6.0, 14.0
SIDE = 512
WEAK = 0.8                # overlap of body and mask under which residuals say that something is wrong
OFF = 2.0                 # per cent of the person's size that landmarks may be off before residuals say the same
FRINGES = ("no magenta", "no dark outline", "no shadow")
ANYHOW = ("avatar", "person found", "grey person", "no crash", "four people", "two people", "largest", "mirrored")
COARSE = ("i_p", "i_adobe", "l0", "g12", "m05", "m06", "m07", "c12")     # colours that cannot come out alike
EXAMPLE = Path(__file__).parents[1] / "examples" / "person.jpg"


@dataclass(frozen=True)
class Case:
    """A row of `cases.tsv`."""

    path: Path
    group: str
    right: str

    def asked(self, photo: Path) -> dict[str, Path]:
        """What `look` is called with."""
        if self.group in ("mask", "keypoints"):
            return {"path": photo, ("mask" if self.group == "mask" else "keypoints"): self.path}
        return {"path": self.path}


@dataclass(frozen=True)
class Alike:
    """How alike two crops of one person are; see the module's text."""

    overlap: float
    levels: float
    edge: float

    @classmethod
    def of(cls, reference: Photo, found: Photo, *, grey: bool) -> Alike:
        both = torch.cat([found.image, found.mask])
        both = torch.nn.functional.grid_sample(both[None], _grid(reference, found), align_corners=False)[0]
        pictures = [images.resize(p, (SIDE, SIDE)) for p in (torch.cat([reference.image, reference.mask]), both)]
        colours, masks = ([p[part] for p in pictures] for part in (slice(0, 3), slice(3, 4)))
        if grey:
            weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
            colours = [(image * weights).sum(dim=0, keepdim=True) for image in colours]
        off = (colours[0] - colours[1]).abs().mean(dim=0, keepdim=True) * 255
        both, either = ((op(masks[0], masks[1]) > 0.5) for op in (torch.minimum, torch.maximum))
        inner = -torch.nn.functional.max_pool2d(-both.float()[None], 9, 1, 4)[0] > 0.5
        band = both & ~inner
        return cls(*(float(v) for v in (both.sum() / either.sum().clamp(min=1), _mean(off, inner), _mean(off, band))))

    def same(self, *, coarse: bool) -> bool:
        return self.overlap >= OVERLAP and (coarse or (self.levels <= LEVELS and self.edge <= EDGE))


def _grid(reference: Photo, found: Photo) -> Tensor:
    """Where the reference's pixels lie in the other crop: by their windows, or of another picture by landmarks."""
    rows = torch.arange(reference.image.shape[-1]) + 0.5
    pixels = torch.stack(torch.meshgrid(rows, rows, indexing="xy"), dim=-1)
    if reference.source_size == found.source_size:
        (x, y, scale), (left, top, size) = reference.window, found.window
        places = (pixels / scale + torch.tensor([x - left, y - top])) * size
    else:
        shared = [name for name in reference.landmarks.names if name in found.landmarks]
        here, there = (p.landmarks.select(shared).xy for p in (reference, found))
        size = (there - there.mean(dim=0)).norm() / (here - here.mean(dim=0)).norm()
        places = (pixels - here.mean(dim=0)) * size + there.mean(dim=0)
    return places[None] / found.image.shape[-1] * 2 - 1


def _mean(values: Tensor, where: Tensor) -> Tensor:
    return values[where].mean() if bool(where.any()) else torch.tensor(0.0)


def cases_of(folder: Path) -> list[Case]:
    with (folder / "cases.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    return [Case(_path(folder, name), group, right) for name, group, _, right, _ in rows]


def _path(folder: Path, name: str) -> Path:
    """Names of the table are escaped; one is no UTF-8."""
    plain = name.encode().decode("unicode_escape")
    path = folder / plain
    return path if os.path.lexists(path) else folder / os.fsdecode(plain.encode("latin1", "replace"))


def result(case: Case, photo: Path, reference: Photo, store: Store, pictures: Path | None) -> tuple[str, str]:
    """What came of a file, and whether it is right."""
    right = case.right
    try:
        found = look(**case.asked(photo), store=store)
        if case.group == "name":
            check_folder(case.path.parent / "avatars" / portable(case.path.stem), marker=MARKER)
    except InputError as error:
        said = str(error).replace(f"{case.path.parent}{os.sep}", "").replace(f"{photo.parent}{os.sep}", "")
        return said, "yes" if "sentence" in right else "no"
    except Exception:
        return traceback.format_exc().splitlines()[-1], "no: a bug"
    alike = Alike.of(reference, found, grey="grey" in right)
    told = f"overlap {alike.overlap:.3f}, {alike.levels:.1f} levels, edge {alike.edge:.1f}"
    if found.notes:
        told += f"; {' '.join(found.notes)}".replace(f"{case.path.parent}{os.sep}", "")
    if not right.startswith("sentence:") and alike.same(coarse=case.path.name.startswith(COARSE)):
        return told, "yes"
    if any(words in right for words in FRINGES):
        return told, "no"
    (fitted,) = fit([found], open_body())
    told += f"; body {fitted.mask_iou:.2f}, landmarks {fitted.reprojection:.2f} %"
    if pictures is not None:
        images.save(pictures / f"{case.path.stem[:40]}.jpg", overlay(found, fitted, open_body()))
    if "residuals" in right:
        weak = fitted.mask_iou < WEAK or fitted.reprojection > OFF or bool(found.notes)
        return told, "yes" if weak else "no"
    return told, "look" if any(words in right for words in ANYHOW) else "no"


def prepared(photo: Path, folder: Path, store: Store) -> Photo:
    """The photo as `look` sees it, and its mask and keypoints as files in `folder`."""
    seen = look(photo, store=store)
    x, y, scale = seen.window
    side = round(seen.mask.shape[-1] / scale)
    mask = images.crop(images.resize(seen.mask, (side, side)), round(-x), round(-y), seen.source_size, outside=0)
    images.save(folder / "mask.png", mask)
    places = dict(zip(seen.landmarks.names, (seen.landmarks.xy / scale + torch.tensor([x, y])).tolist(), strict=True))
    places["neck"] = _middle(places["left_shoulder"], places["right_shoulder"])
    places["mid_hip"] = _middle(places["left_hip"], places["right_hip"])
    for side_of in ("left", "right"):
        places |= {f"{side_of}_{toe}_toe": places[f"{side_of}_foot_index"] for toe in ("big", "small")}
    numbers = [number for name in BODY_25 for number in (*places[name], 0.9)]
    people = [{"pose_keypoints_2d": [round(number, 2) for number in numbers]}]
    (folder / "keypoints.json").write_text(json.dumps({"version": 1.3, "people": people}))
    return seen


def _middle(first: list[float], second: list[float]) -> list[float]:
    return [(a + b) / 2 for a, b in zip(first, second, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("photo", type=Path, nargs="?", default=EXAMPLE)
    parser.add_argument("--only", help="a group of the table, or the start of files' names")
    parser.add_argument("--pictures", type=Path, help="a folder for the bodies of what did not come out the same")
    args = parser.parse_args()
    if args.pictures:
        args.pictures.mkdir(parents=True, exist_ok=True)
    store = Store()
    verdicts: list[str] = []
    with tempfile.TemporaryDirectory(prefix="dinar-files-") as scratch:
        place = Path(scratch)
        reference = prepared(args.photo, place, store)
        words = [args.folder / "make_cases.py", args.photo, place / "cases", "--mask", place / "mask.png"]
        words += ["--keypoints", place / "keypoints.json"]
        subprocess.run([sys.executable, *map(str, words)], check=True, stdout=sys.stderr)
        print("| file | right | got | so |\n|---|---|---|---|")
        for case in cases_of(place / "cases"):
            if args.only and args.only != case.group and not case.path.name.startswith(args.only):
                continue
            said, verdict = result(case, args.photo, reference, store, args.pictures)
            verdicts.append(verdict)
            name = ascii(case.path.name)[1:-1]
            print(f"| {name[:40]} | {case.right} | {said.replace('|', '/')} | {verdict} |", flush=True)
    counts = ", ".join(f"{verdicts.count(word)} {word}" for word in sorted(set(verdicts), reverse=True))
    print(f"{len(verdicts)} files: {counts}", file=sys.stderr)


if __name__ == "__main__":
    main()
