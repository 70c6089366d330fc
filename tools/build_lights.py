"""Builds `src/dinar/synth/data/lights.json`: 18 photographed surroundings as lamps, from their HDR panoramas (CC0).

    npm pack @pmndrs/assets@1.7.0
    python -m venv .venv-exr && .venv-exr/bin/pip install numpy scipy OpenEXR
    .venv-exr/bin/python tools/build_lights.py pmndrs-assets-1.7.0.tgz

Of each panorama the brightest spot becomes the lamp that casts shadows; what is left becomes a gradient from the ground
to the sky and soft lamps, as `dinar.synth.places.Light` has them. All are as bright: white paper turned every way gets
MEAN on average. The table that is printed tells how far the light on such paper is from the panorama's, in per cent of
the mean, and what a uniform grey sky would miss.
"""

from __future__ import annotations

import argparse
import base64
import json
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import OpenEXR
from scipy.optimize import nnls

OUTPUT = Path(__file__).parents[1] / "src/dinar/synth/data/lights.json"
MEAN = 0.6
LOBES = 8
FOCI = (1.5, 3.0, 6.0, 10.0)  # narrower ones would fall between the directions that the studio gathers light from
CENTRES = 60
SPOT = 12.0  # degrees about the brightest point that belong to it
WALL = 0.4  # metres from what casts a shadow to what it falls on: how soft a lamp's width makes it


def panoramas(path: Path) -> dict[str, np.ndarray]:
    """Name -> light float64 [H, W, 3] of npm's package."""
    found = {}
    with tarfile.open(path) as tar, tempfile.TemporaryDirectory() as folder:
        for member in sorted(tar.getnames()):
            if not (member.startswith("package/hdri/") and member.endswith(".exr.js")):
                continue
            text = tar.extractfile(member).read().decode()
            file = Path(folder) / "light.exr"
            file.write_bytes(base64.b64decode(text[text.index("base64,") + 7 :].strip().rstrip(";").strip("'\"`")))
            with OpenEXR.File(str(file)) as image:
                channels = image.channels()
                picture = channels["RGB"].pixels if "RGB" in channels else [channels[c].pixels for c in "RGB"]
                picture = np.asarray(picture, np.float64)
            if picture.shape[0] == 3:
                picture = picture.transpose(1, 2, 0)
            found[Path(member).name.split(".")[0]] = np.clip(picture, 0, None)
    return found


def directions_of(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors [H * W, 3] to a panorama's pixels, Y up, and their solid angles [H * W]."""
    h, w = shape
    up = np.pi / 2 - (np.arange(h) + 0.5) / h * np.pi
    round_ = (np.arange(w) + 0.5) / w * 2 * np.pi
    up, round_ = np.meshgrid(up, round_, indexing="ij")
    ways = np.stack([np.cos(up) * np.sin(round_), np.sin(up), np.cos(up) * np.cos(round_)], axis=-1)
    return ways.reshape(-1, 3), (np.cos(up) * np.pi / h * 2 * np.pi / w).ravel()


def fibonacci(count: int) -> np.ndarray:
    """Unit vectors spread over the sphere [count, 3]."""
    k = np.arange(count) + 0.5
    y, angle = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    r = np.sqrt(1 - y * y)
    return np.stack([r * np.cos(angle), y, r * np.sin(angle)], axis=1)


def spot(light: np.ndarray, ways: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
    """The lamp in a panorama [P, 3]: its direction, its light on paper [3], its radius in radians, and what is left."""
    power = light.mean(1) * angle
    best, near = 0.0, None
    for centre in ways[np.argsort(light.mean(1))[-40:]]:
        inside = ways @ centre > np.cos(np.radians(SPOT / 2))
        if power[inside].sum() > best:
            best, near = power[inside].sum(), centre
    inside = ways @ near > np.cos(np.radians(SPOT))
    rim = (ways @ near > np.cos(np.radians(2 * SPOT))) & ~inside
    around = np.median(light[rim], axis=0)
    more = np.clip(light[inside] - around, 0, None)
    weight = more * angle[inside, None]
    direction = (weight.mean(1)[:, None] * ways[inside]).sum(0)
    direction /= np.linalg.norm(direction)
    off = np.arccos(np.clip(ways[inside] @ direction, -1, 1))
    radius = float(np.sqrt((weight.mean(1) * off**2).sum() / max(weight.mean(1).sum(), 1e-9)))
    left = light.copy()
    left[inside] = np.minimum(light[inside], around)
    return direction, weight.sum(0) / np.pi, radius, left


def on_paper(light: np.ndarray, ways: np.ndarray, angle: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Light [N, 3] on paper that faces `normals`."""
    return np.clip(normals @ ways.T, 0, None) @ (light * angle[:, None]) / np.pi


def basis(ways: np.ndarray, centres: np.ndarray, foci: np.ndarray) -> np.ndarray:
    """What ground, sky and soft lamps of strength 1 send from each direction, [P, 2 + lamps]."""
    t = np.clip(0.5 + 0.9 * ways[:, 1:2], 0, 1)
    return np.hstack([1 - t, t, np.exp((ways @ centres.T - 1) * foci)])


def fitted(light: np.ndarray, ways: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strengths [2, 3] of ground and sky, and soft lamps [LOBES or fewer, 7]: direction, colour, focus."""
    normals = fibonacci(400)
    centres = np.repeat(fibonacci(CENTRES), len(FOCI), axis=0)
    foci = np.tile(FOCI, CENTRES)
    shine = np.clip(normals @ ways.T, 0, None) * angle / np.pi
    parts = shine @ basis(ways, centres, foci)  # [400, 2 + lamps]
    wanted = shine @ light
    strength, _ = nnls(parts, wanted.mean(1))
    kept = np.sort(np.argsort(strength[2:] * parts[:, 2:].mean(0))[-LOBES:])
    columns = np.concatenate([[0, 1], kept + 2])
    colours = np.stack([nnls(parts[:, columns], wanted[:, c])[0] for c in range(3)], axis=1)
    lobes = np.hstack([centres[kept], colours[2:], foci[kept, None]])
    return colours[:2], lobes[colours[2:].max(1) > 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="pmndrs-assets-1.7.0.tgz")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    normals, lights = fibonacci(400), {}
    print("| | lamp's share | softness, m | soft lamps | error, % | of a grey sky, % |\n|---|---|---|---|---|---|")
    for name, picture in panoramas(args.package).items():
        picture = picture[: picture.shape[0] // 2 * 2].reshape(picture.shape[0] // 2, 2, -1, 2, 3).mean((1, 3))
        ways, angle = directions_of(picture.shape[:2])
        light = picture.reshape(-1, 3)
        whole = on_paper(light, ways, angle, normals)
        lamp, colour, radius, left = spot(light, ways, angle)
        (ground, sky), lobes = fitted(left, ways, angle)
        made = basis(ways, lobes[:, :3], lobes[:, 6]) @ np.vstack([ground, sky, lobes[:, 3:6]])
        made = on_paper(made, ways, angle, normals) + np.clip(normals @ lamp, 0, None)[:, None] * colour
        scale = MEAN / whole.mean()
        error = np.sqrt(((made - whole) ** 2).mean()) / whole.mean()
        grey = np.sqrt(((whole.mean(0) - whole) ** 2).mean()) / whole.mean()
        softness = float(np.clip(np.tan(radius) * WALL, 0.006, 0.08))
        lobes[:, 3:6] *= scale
        lights[name] = {
            "sky": sky * scale, "ground": ground * scale, "lamp": lamp, "colour": colour * scale,
            "softness": softness, "lobes": lobes,
        }  # fmt: skip
        share = colour.mean() / 4 / whole.mean()
        print(f"| {name} | {share:.2f} | {softness:.3f} | {len(lobes)} | {100 * error:.0f} | {100 * grey:.0f} |")
    rounded = {
        name: {key: np.round(value, 4).tolist() for key, value in light.items()} for name, light in lights.items()
    }
    lines = ",\n".join(f'"{name}": {json.dumps(light)}' for name, light in rounded.items())
    args.output.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
