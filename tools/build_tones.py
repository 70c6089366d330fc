"""Builds `src/dinar/synth/data/tones.json`, the colours of skin, from 200 portraits (CC0, faker-js/assets-person-portrait).

    git clone https://github.com/faker-js/assets-person-portrait
    .venv/bin/python tools/build_tones.py assets-person-portrait

The portraits are no photographs: a network drew them, of women and men of every age and most countries, evenly. What is
taken are numbers only, in CIE L*a*b* (D65): each face's cheeks, both, in the middle; of them, how light skins are (the
5th to 95th percentile, women and men), how a* and b* go with L* (a parabola for all), and how far people are from that.
Cheeks that differ by more than APART from one another are lit from aside and left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from dinar import images
from dinar.photo.photo import Perception
from dinar.store import Store

OUTPUT = Path(__file__).parents[1] / "src/dinar/synth/data/tones.json"
CHEEKS = ((42, 45, 54, 31), (39, 36, 48, 35))  # iBUG: of an eye the inner and outer corner, the mouth's, a nostril
FIRST = 17  # the number of the first of a face's points
RADIUS = 0.14  # of a cheek's patch, as a share of the distance between the eyes
APART = 14.0  # of L*
SHARES = (5, 25, 50, 75, 95)


def cheeks(path: Path, perception: Perception) -> np.ndarray | None:
    """L*, a*, b* of the cheeks of the one face in a picture; None where none is seen, or it is lit from aside."""
    pixels = images.read(path).pixels
    people = perception.pose(pixels)
    face = perception.face(pixels, people[0]) if people else None
    if face is None:
        return None
    points = face.xy.numpy()
    eyes = np.linalg.norm(points[36 - FIRST : 42 - FIRST].mean(0) - points[42 - FIRST : 48 - FIRST].mean(0))
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    found = []
    for corners in CHEEKS:
        inner, outer, mouth, nostril = (points[number - FIRST] for number in corners)
        middle = 0.45 * outer + 0.05 * inner + 0.35 * mouth + 0.15 * nostril
        patch = np.zeros(pixels.shape[:2], np.uint8)
        cv2.circle(patch, tuple(int(v) for v in middle), max(int(RADIUS * eyes), 2), 1, -1)
        found.append(np.median(lab[patch > 0], axis=0))
    left, right = found
    if abs(left[0] - right[0]) > APART:
        return None
    return (left + right) / 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=Path, help="the repository's folder, or one with female/512 and male/512")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    perception = Perception.load(Store())
    colours = {}
    for sex in ("female", "male"):
        files = sorted((args.portraits / sex / "512").glob("*.jpg"))
        found = [cheeks(path, perception) for path in files]
        colours[sex] = np.array([colour for colour in found if colour is not None])
        lightness = np.percentile(colours[sex][:, 0], SHARES)
        print(f"{sex}: {len(colours[sex])} of {len(files)} faces, L* {dict(zip(SHARES, lightness.round(1).tolist(), strict=True))}")
    every = np.concatenate(list(colours.values()))
    powers = np.stack([np.ones(len(every)), every[:, 0], every[:, 0] ** 2], axis=1)
    curves = np.linalg.lstsq(powers, every[:, 1:], rcond=None)[0]
    rest = every[:, 1:] - powers @ curves
    for name, values in (("a*", 0), ("b*", 1)):
        of_sex = [rest[: len(colours["female"]), values].mean(), rest[len(colours["female"]) :, values].mean()]
        print(f"{name}: off the curve by {rest[:, values].std():.1f}; women {of_sex[0]:+.1f}, men {of_sex[1]:+.1f}")
    low, high = np.percentile(every[:, 0], (SHARES[0], SHARES[-1]))
    table = {
        "faces": len(every),
        "lightness": [round(float(low), 1), round(float(high), 1)],
        "a": curves[:, 0].round(6).tolist(),
        "b": curves[:, 1].round(6).tolist(),
        "spread": rest.std(0).round(2).tolist(),
    }
    print(json.dumps(table))
    args.output.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
