"""Builds `hair.npz`, a shell of hair over the head as a linear shape model, from the wigs of `tools/build_wigs.py`.

    python tools/build_hair.py --wigs state/people2/wigs.npz --out src/dinar/body/data/hair.npz

The shell is a height field: one vertex on each of COLUMNS azimuths and ROWS heights about the head's axis, half of them
on rays from the head's middle and, below it, on level rays from the axis, down to the waist. A vertex moves along its
ray only. Where there is no hair it lies UNDER the skin, so that nothing of it is seen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

BODY = Path(__file__).parents[1] / "src/dinar/body/data/open.npz"
COLUMNS, CAP, FALL = 64, 18, 28  # azimuths; rows above the head's middle and below
PER_METRE = 10_000  # of the wigs' file
MIDDLE = np.array([0.0, 0.72, 0.0])  # of the head, metres; its z is measured
LOWEST = 0.06  # metres: the waist
SKULL = 0.0705  # metres from the middle to the side of the head: ears stand out from it
CHIN = 0.605
UNDER = 0.004  # metres
BROKEN = ("hime", "half_up")  # presets that lie on the shoulders like capes
POINTS = 150_000  # on a wig
SKIN = 0.98  # likewise of the body's: where hair begins
FOLLOWED = 4  # vertices of the body that one of the shell follows, and joints that it moves with
QUANTILE = 0.9  # of the radii of a cell's points: single strands that stand out do not make the shell
MARGIN, LEFT = 3 / 640, 0.8  # of the island in the atlas `clothed`
COMPONENTS = 40
UP = np.array([0.0, 1.0, 0.0])
NAMES = ("head", "neck", "spine")  # joints that hair moves with begin like this


def sampled(vertices: np.ndarray, faces: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Points [count, 3], even on a surface."""
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    face = rng.choice(len(faces), count, p=area / area.sum())
    a, b = np.sqrt(rng.random(count)), rng.random(count)
    weight = np.stack([1 - a, a * (1 - b), a * b], axis=1)
    return (corners[face] * weight[..., None]).sum(1)


class Grid:
    """The shell's rays, about a head's middle [3]: origins and directions [R * C, 3], rows from the top."""

    def __init__(self, middle: np.ndarray) -> None:
        self.middle = middle
        self.elevation = np.pi / 2 * (1 - np.arange(1, CAP + 1) / (CAP + 0.5))
        self.height = middle[1] - (middle[1] - LOWEST) * (np.arange(FALL) + 0.5) / FALL
        angle = 2 * np.pi * np.arange(COLUMNS) / COLUMNS
        flat = np.stack([np.sin(angle), 0 * angle, np.cos(angle)], axis=1)
        cap = np.cos(self.elevation)[:, None, None] * flat + np.sin(self.elevation)[:, None, None] * [0, 1, 0]
        fall = np.broadcast_to(flat, (FALL, COLUMNS, 3))
        self.directions = np.concatenate([cap.reshape(-1, 3), fall.reshape(-1, 3)])
        self.origins = np.broadcast_to(middle, self.directions.shape).copy()
        self.origins[CAP * COLUMNS :, 1] = np.repeat(self.height, COLUMNS)

    def radii(self, points: np.ndarray, most: float = QUANTILE) -> np.ndarray:
        """How far out [R * C] points [N, 3] lie in each cell, metres; NaN where there are none."""
        x, y, z = (points - self.middle).T
        column = np.rint(np.arctan2(x, z) / (2 * np.pi) * COLUMNS).astype(int) % COLUMNS
        flat = np.hypot(x, z)
        above = y >= 0
        row = np.where(
            above,
            np.rint((np.pi / 2 - np.arctan2(y, flat)) / (np.pi / 2) * (CAP + 0.5)) - 1,
            CAP + np.floor(-y / (self.middle[1] - LOWEST) * FALL),
        ).astype(int)
        row = np.where(above, np.clip(row, 0, CAP - 1), row)
        radius = np.where(above, np.linalg.norm(points - self.middle, axis=1), flat)
        kept = row < CAP + FALL
        cell, radius = (row * COLUMNS + column)[kept], radius[kept]
        order = np.lexsort((radius, cell))
        cell, radius = cell[order], radius[order]
        found, start, count = np.unique(cell, return_index=True, return_counts=True)
        result = np.full((CAP + FALL) * COLUMNS, np.nan)
        result[found] = radius[start + ((count - 1) * most).astype(int)]
        return result


def body_of() -> tuple[np.ndarray, np.ndarray, dict]:
    """The mean body at rest without arms, ears and helpers: vertices [V, 3], faces [F, 3], and the file's arrays."""
    with np.load(BODY, allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files}
    names = [str(name) for name in arrays["joint_names"]]
    below = {names.index(f"upperarm01.{side}") for side in "LR"}
    for joint, parent in enumerate(arrays["parents"]):  # parents come first
        if int(parent) in below:
            below.add(joint)
    weight = arrays["skin_weight"].astype(np.float64)
    arm = (weight * np.isin(arrays["skin_index"], list(below))).sum(1) > 0.5 * weight.sum(1)
    vertices, faces = arrays["template"].astype(np.float64), arrays["faces"].astype(np.int64)
    head = vertices[:, 1] > CHIN
    vertices[head, 0] = np.clip(vertices[head, 0], -SKULL, SKULL)
    return vertices, faces[~arm[faces].any(1)], arrays


def filled(radii: np.ndarray) -> np.ndarray:
    """Radii [R * C] with cells that have none taken from their neighbours, all round and in their column."""
    grid = radii.reshape(-1, COLUMNS).copy()
    while np.isnan(grid).any():
        beside = [np.roll(grid, 1, 1), np.roll(grid, -1, 1)]
        beside += [np.vstack([grid[:1], grid[:-1]]), np.vstack([grid[1:], grid[-1:]])]
        known = np.stack(beside)
        count = (~np.isnan(known)).sum(0)
        mean = np.nansum(known, 0) / np.maximum(count, 1)
        grid = np.where(np.isnan(grid) & (count > 0), mean, grid)
    return grid.ravel()


def closed(thickness: np.ndarray) -> np.ndarray:
    """Thickness [R * C], NaN for none, with gaps of one cell between strands closed."""
    grid = thickness.reshape(-1, COLUMNS)
    beside = np.stack([np.roll(grid, 1, 1), np.roll(grid, -1, 1)])
    return np.where(np.isnan(grid) & ~np.isnan(beside).any(0), beside.mean(0), grid).ravel()


def wigs_of(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Styles' vertices and faces by name, less those that are broken."""
    with np.load(path, allow_pickle=False) as data:
        return {
            str(name): (
                data[f"{name}.vertices"].astype(np.float64) / PER_METRE,
                np.cumsum(data[f"{name}.faces"].astype(np.uint16), axis=0, dtype=np.uint16).astype(np.int64),
            )
            for name, preset in zip(data["names"], data["presets"], strict=True)
            if str(preset) not in BROKEN
        }


def under_of(grid: Grid, points: np.ndarray) -> np.ndarray:
    """Radii [R * C] within the body in a cell and all about it: shoulders and chin are steep, and their cells wide."""
    low = filled(grid.radii(points, 0.0)).reshape(-1, COLUMNS)
    rows = np.pad(low, ((1, 1), (0, 0)), mode="edge")
    low = np.min([rows[:-2], rows[1:-1], rows[2:]], axis=0)
    low = np.min([low, np.roll(low, 1, 1), np.roll(low, -1, 1)], axis=0)
    return np.maximum(low.ravel() - UNDER, 0.01)


def grid_of(vertices: np.ndarray, faces: np.ndarray) -> Grid:
    """The rays about the head of a body."""
    used = np.unique(faces)
    crown = vertices[used][vertices[used, 1] > MIDDLE[1] + 0.03]
    return Grid(np.array([*MIDDLE[:2], (crown[:, 2].min() + crown[:, 2].max()) / 2]))


def fields(
    wigs: dict[str, tuple[np.ndarray, np.ndarray]], grid: Grid, under: np.ndarray, rng: np.random.Generator
) -> tuple[list[str], np.ndarray]:
    """Wigs' names [W] and how far out they lie on each ray [W, R * C], `under` the skin where they have no hair."""
    names, radii = [], []
    for name, (corners, faces) in wigs.items():
        field = closed(grid.radii(sampled(corners, faces, POINTS, rng)))
        names.append(name)
        radii.append(np.where(np.isnan(field), under, np.maximum(field, under)))
    return names, np.array(radii)


def components(grid: Grid, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [N, 3] and principal components [K, N, 3] of shells [W, R * C], each component for a standard deviation."""
    mean = radii.mean(0)
    _, scale, parts = np.linalg.svd(radii - mean, full_matrices=False)
    parts = parts[:COMPONENTS] * (scale[:COMPONENTS, None] / np.sqrt(len(radii)))
    template = np.vstack([grid.origins + grid.directions * mean[:, None], grid.middle + UP * mean[:COLUMNS].mean()])
    basis = parts[:, :, None] * grid.directions
    return template, np.concatenate([basis, parts[:, :COLUMNS].mean(1)[:, None, None] * UP], axis=1)


def triangles() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Faces [F, 3], mirror [N], uv [T, 2] and its faces [F, 3]; the crown is the last vertex, the seam ahead."""
    rows, crown = CAP + FALL, (CAP + FALL) * COLUMNS
    row, column = (part.ravel() for part in np.mgrid[: rows - 1, :COLUMNS])
    faces, uv_faces = [], []
    for wrapped, width, found in ((True, COLUMNS, faces), (False, COLUMNS + 1, uv_faces)):
        right = (column + 1) % COLUMNS if wrapped else column + 1
        a, d = row * width + column, row * width + right
        one = column[:, None] < COLUMNS // 2  # diagonals have mirror images
        found.append(np.where(one, np.stack([a, a + width, d], 1), np.stack([a, d + width, d], 1)))
        found.append(np.where(one, np.stack([d, a + width, d + width], 1), np.stack([a, a + width, d + width], 1)))
    each = np.arange(COLUMNS)
    faces.append(np.stack([np.full(COLUMNS, crown), each, (each + 1) % COLUMNS], 1))
    uv_faces.append(np.stack([rows * (COLUMNS + 1) + each, each, each + 1], 1))
    across, along = np.meshgrid(1 - np.arange(1, rows + 1) / rows, np.arange(COLUMNS + 1) / COLUMNS, indexing="ij")
    uv = np.stack([across.ravel(), along.ravel()], 1)
    uv = np.concatenate([uv, np.stack([np.ones(COLUMNS), (each + 0.5) / COLUMNS], 1)])
    uv = np.array([LEFT, 0]) + MARGIN + uv * (np.array([1 - LEFT, 1]) - 2 * MARGIN)
    cell = np.arange(crown)
    mirror = np.append(cell // COLUMNS * COLUMNS + -cell % COLUMNS, crown)
    return np.concatenate(faces), mirror, uv, np.concatenate(uv_faces)


def attachment(points: np.ndarray, vertices: np.ndarray, used: np.ndarray, body: dict) -> dict[str, np.ndarray]:
    """How points [N, 3] follow the body's shape and its joints: those of the vertices nearest to them."""
    distance, near = cKDTree(vertices[used]).query(points, k=FOLLOWED)
    follow = used[near]
    weight = 1 / np.maximum(distance, 0.002)
    weight /= weight.sum(1, keepdims=True)
    names = [str(name) for name in body["joint_names"]]
    target = np.full(len(names), -1)
    for joint, parent in enumerate(body["parents"]):  # what hangs on the head, the jaw too, goes to the head
        inside = int(parent) >= 0 and names[int(parent)].startswith("head")
        target[joint] = (
            target[int(parent)]
            if inside or target[int(parent)] == names.index("head")
            else (joint if names[joint].startswith(NAMES) else -1)
        )
    skin = np.zeros((len(points), len(names)))
    rows = np.arange(len(points))
    for k in range(FOLLOWED):
        for j in range(body["skin_index"].shape[1]):
            joint = target[body["skin_index"][follow[:, k], j].astype(int)]
            share = body["skin_weight"][follow[:, k], j].astype(np.float64) * weight[:, k]
            np.add.at(skin, (rows, joint), np.where(joint >= 0, share, 0))
    skin[skin.sum(1) < 1e-6, names.index("spine02")] = 1  # beside the arms, which hair does not follow
    index = np.argsort(-skin, axis=1)[:, :FOLLOWED]
    share = np.take_along_axis(skin, index, 1)
    share /= share.sum(1, keepdims=True)
    return {
        "follow_index": follow.astype(np.uint16), "follow_weight": weight.astype(np.float16),
        "skin_index": index.astype(np.uint8), "skin_weight": share.astype(np.float16),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wigs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    vertices, faces, body = body_of()
    grid = grid_of(vertices, faces)
    points = sampled(vertices, faces, 600_000, rng)
    skin = filled(grid.radii(points, SKIN))
    _, radii = fields(wigs_of(options.wigs), grid, under_of(grid, points), rng)
    template, basis = components(grid, radii)
    inner = np.vstack([grid.origins + grid.directions * skin[:, None], grid.middle + UP * skin[:COLUMNS].mean()])
    used = np.unique(faces)
    faces, mirror, uv, uv_faces = triangles()
    np.savez_compressed(
        options.out, template=np.float32(template), basis=np.float16(basis), mirror=mirror.astype(np.uint16),
        faces=faces.astype(np.uint16), uv=np.float32(uv), uv_faces=uv_faces.astype(np.uint16),
        inner=np.float32(inner), outwards=np.float16(np.vstack([grid.directions, UP])),
        **attachment(inner, vertices, used, body),
    )  # fmt: skip


if __name__ == "__main__":
    main()
