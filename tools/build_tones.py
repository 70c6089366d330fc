"""Builds `src/dinar/synth/data/tones.json`, the colours of skin, from 200 portraits of faker-js (CC0).

    git clone https://github.com/faker-js/assets-person-portrait
    .venv/bin/python tools/build_tones.py assets-person-portrait

The portraits are no photographs: a network drew them, of women and men of every age and most countries, evenly. What is
taken are numbers only: the colour of each face's cheeks in linear light. How bright a picture is says little of how
light a skin is, so people are put in the order of their lightness, 0 the lightest to 1 the darkest, and the logarithms
of red by green and of blue by green, which exposure does not change, go with that place as parabolas. Cheeks of which
one gets APART times the other's light are lit from aside and left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from dinar import images
from dinar.photo.sighting import Perception
from dinar.store import Store
from dinar.synth.kernels.colours import LINEAR

OUTPUT = Path(__file__).parents[1] / "src/dinar/synth/data/tones.json"
CHEEKS = ((42, 45, 54, 35), (39, 36, 48, 31))  # iBUG: of an eye the inner and outer corner, the mouth's, a nostril
FIRST = 17  # the number of the first of a face's points
RADIUS = 0.14  # of a cheek's patch, as a share of the distance between the eyes
APART = 1.6


def cheeks(path: Path, perception: Perception) -> np.ndarray | None:
    """The colour [3] of the cheeks of the one face in a picture, linear light; None where none is seen, or it is lit
    from aside."""
    pixels = images.read(path).pixels
    people = perception.pose(pixels)
    face = perception.face(pixels, people[0]) if people else None
    if face is None:
        return None
    points = face.xy
    eyes = np.linalg.norm(points[36 - FIRST : 42 - FIRST].mean(0) - points[42 - FIRST : 48 - FIRST].mean(0))
    light = LINEAR[pixels]
    found = []
    for corners in CHEEKS:
        inner, outer, mouth, nostril = (points[number - FIRST] for number in corners)
        middle = 0.45 * outer + 0.05 * inner + 0.35 * mouth + 0.15 * nostril
        patch = np.zeros(pixels.shape[:2], np.uint8)
        cv2.circle(patch, tuple(int(v) for v in middle), max(int(RADIUS * eyes), 2), 1, -1)
        found.append(np.median(light[patch > 0], axis=0))
    left, right = found
    if max(left.mean(), right.mean()) > APART * min(left.mean(), right.mean()):
        return None
    return (left + right) / 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=Path, help="the repository's folder, or one with female/512 and male/512")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    perception = Perception.load(Store())
    colours, women = [], []
    for sex in ("female", "male"):
        files = sorted((args.portraits / sex / "512").glob("*.jpg"))
        found = [colour for colour in (cheeks(path, perception) for path in files) if colour is not None]
        print(f"{sex}: {len(found)} of {len(files)} faces", flush=True)
        colours += found
        women += [sex == "female"] * len(found)
    colours, women = np.array(colours), np.array(women)
    order = np.empty(len(colours))
    order[np.argsort(-colours.mean(1))] = np.linspace(0, 1, len(colours))
    ratios = np.log(colours[:, [0, 2]] / colours[:, 1:2])
    powers = order[:, None] ** np.arange(3)
    curves = np.linalg.lstsq(powers, ratios, rcond=None)[0]
    rest = ratios - powers @ curves
    for c, name in enumerate(("red by green", "blue by green")):
        print(
            f"{name}: {np.exp(curves[0, c]):.2f} of the lightest, {np.exp(curves[:, c].sum()):.2f} of the darkest, "
            f"people {rest[:, c].std():.3f} off in the logarithm; women {rest[women, c].mean():+.3f}"
        )
    table = {
        "faces": len(colours),
        "red": curves[:, 0].round(4).tolist(),
        "blue": curves[:, 1].round(4).tolist(),
        "spread": np.cov(rest.T).round(6).tolist(),
    }
    args.output.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
