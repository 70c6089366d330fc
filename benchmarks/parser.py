"""How well parts are told in labelled street photos: intersection over union of each part over all photos' pixels.

    git clone https://github.com/bearpaw/clothing-co-parsing
    python benchmarks/parser.py clothing-co-parsing                                   # the weights that ship
    python benchmarks/parser.py clothing-co-parsing --weights state/parser/weights
    python benchmarks/parser.py clothing-co-parsing --program                         # with the masks that `look` finds

Without `--program` boxes are the labels' and the network tells the background too: so the reference in
docs/measurements.md was measured. `benchmarks/street.py` has the table of labels. Faces are told from other skin by
BlazeFace's box; where it finds none, skin of the head is left out.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import cv2
import numpy as np
import torch
from masks import to_picture
from street import Street, StreetPhotos, overlap, summed

from dinar import images
from dinar.errors import InputError
from dinar.networks.parser import HumanParser, Parser, shipped
from dinar.parts import BodyPart, coloured
from dinar.photo import parsing
from dinar.photo.photo import look
from dinar.photo.sighting import Perception
from dinar.store import Store

HEAD = 0.17    # of a person's height


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a copy of the repository")
    parser.add_argument("--weights", type=Path, help="default: those that ship")
    parser.add_argument("--program", action="store_true", help="masks and boxes as `dinar create` finds them")
    parser.add_argument("--side", type=int, default=parsing.SIDE, help="pixels of the person's larger side")
    parser.add_argument("--every", type=int, default=1, help="of every 11th photo each so-manieth")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sheet", type=Path, help="a picture of some: to look at, not to pass on")
    parser.add_argument("--export", type=Path, help="writes photos and label maps for training and measuring, and ends")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    photos, store = StreetPhotos(args.data), Store()
    if args.export:
        export(photos, args.export, Perception.load(store))
        return
    found = HumanParser.load(args.weights) if args.weights else shipped()
    if found is None:
        raise SystemExit("no weights ship; give --weights")
    faces = Perception.load(store)
    rows, people, tiles, seconds = [], [], [], []
    for name in photos.measured[:: args.every]:
        street = with_faces(photos.read(name), faces)
        start = time.process_time()
        if args.program:
            try:
                labels = in_program(found.network, photos.path(name), store)
            except InputError as error:
                print(f"{name}: {error}", flush=True)
                continue
        else:
            labels = alone(found.network, street, args.side)
        seconds.append(time.process_time() - start)
        rows.append((labels, street.labels))
        people.append(overlap(labels > 0, street.labels > 0))
        if args.sheet:
            tiles.append(np.hstack([street.pixels, coloured(street.labels), coloured(labels)]))
    parts = summed(rows)
    skin = summed([tuple(np.where(m == BodyPart.FACE_SKIN, BodyPart.SKIN, m) for m in row) for row in rows])
    print(f"{found.name}, {len(rows)} photos, {np.mean(seconds):.2f} s of the processor each")
    print("| " + " | ".join(["person", *(BodyPart(k).name.lower() for k in range(1, 12)), "all skin", "mean"]) + " |")
    print("|---" * 14 + "|")
    values = [np.mean(people), *parts[1:], skin[BodyPart.SKIN], np.nanmean(parts[1:])]
    print("| " + " | ".join(f"{value:.3f}" for value in values) + " |")
    if args.sheet:
        small = [cv2.resize(tile, None, fx=0.35, fy=0.35, interpolation=cv2.INTER_AREA) for tile in tiles]
        size = small[0].shape[:2]
        kept = [tile for tile in small if tile.shape[:2] == size][:24]
        sheet = np.vstack([np.hstack(kept[k : k + 4]) for k in range(0, len(kept) // 4 * 4, 4)])
        images.save(args.sheet, images.from_bytes(sheet))


def alone(parser: Parser, street: Street, side: int) -> np.ndarray:
    """Parts [H, W] as the network tells them in the labels' box, background too."""
    rows, columns = ((street.labels > 0).any(axis).nonzero()[0] for axis in (1, 0))
    larger = max(np.ptp(rows), np.ptp(columns)) + 1
    free, (height, width) = round(parsing.FREE / 2 * larger), street.labels.shape
    top, bottom = max(0, rows[0] - free), min(height, rows[-1] + 1 + free)
    left, right = max(0, columns[0] - free), min(width, columns[-1] + 1 + free)
    part = images.from_bytes(street.pixels[top:bottom, left:right])
    scale = side / ((1 + parsing.FREE) * larger)
    small = images.resize(part, tuple(round(length * scale) for length in part.shape[1:]))
    found = images.resize(parsing.probabilities(parser, small), part.shape[1:]).argmax(0)
    out = np.zeros(street.labels.shape, np.uint8)
    out[top:bottom, left:right] = found.numpy()
    return out


def in_program(parser: Parser, path: Path, store: Store) -> np.ndarray:
    """Parts [H, W] as the program tells them."""
    seen = look(path, store=store)
    parts = parsing.parse(parser, seen.image, seen.mask)
    return to_picture(parts.numpy(), seen, cv2.INTER_NEAREST)


def with_faces(street: Street, perception: Perception) -> Street:
    """The photo with the skin of the face told from other skin."""
    labels = street.labels.copy()
    skin, rows = labels == BodyPart.SKIN, np.nonzero(labels.any(axis=1))[0]
    top, height = rows[0], np.ptp(rows)
    head = np.argwhere(labels == BodyPart.HAIR)
    if len(head) <= 50:
        head = np.argwhere(labels[: round(top + 0.12 * height)])
    (y, x), reach = head.mean(axis=0), 0.16 * height
    window = round(x - reach), round(y - 0.8 * reach), round(x + reach), round(y + 1.2 * reach)
    found = perception.face.detector(street.pixels, window, threshold=0.4)
    box = np.zeros_like(skin)
    if found:                       # the box goes from the brows to the chin
        left, upper, right, lower = found[0].box
        wide, high = right - left, lower - upper
        box[
            max(0, int(upper - 0.7 * high)) : max(0, int(lower + 0.04 * high)),
            max(0, int(left - 0.35 * wide)) : max(0, int(right + 0.35 * wide)),
        ] = True
    else:
        box[: int(top + HEAD * height)] = True
    labels[skin & box] = BodyPart.FACE_SKIN if found else BodyPart.UNKNOWN
    return Street(street.name, street.pixels, labels)


def export(photos: StreetPhotos, folder: Path, perception: Perception) -> None:
    """`dinar train parser` reads the folders train and test."""
    for kind, names in (("test", photos.measured), ("train", photos.others)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name in names:
            street = with_faces(photos.read(name), perception)
            images.save(folder / kind / f"{name}.jpg", images.from_bytes(street.pixels))
            cv2.imwrite(str(folder / kind / f"{name}.parts.png"), street.labels)


if __name__ == "__main__":
    main()
