"""Builds `src/dinar/body/data/skirt.npz`: the layer that skirts, dresses, tunics and long coats are, below the waist.

    .venv/bin/python tools/build_skirt.py

The tube is made of the rings of MakeHuman's helper skirt (CC0, `synth/data/helpers.npz`, in the vertices that
`open.npz` has behind the body's), twice as many points around. Down to the hips it follows these rings, tucked under
the skin at the waist. Below the hips its lines run straight from the ring at the hips to the hem, so that hem height
and flare are linear: components of `basis` in the order of `dinar.fit.skirt.COMPONENTS`. It takes its skin weights from
the body when it is put on, because these depend on where the hem is.

The file's arrays are those of `dinar.body.layers.Layer`. It has to be built again after `tools/build_body.py`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from dinar.body.layers import BOXES, GAP
from dinar.body.model import DATA, BodyModel
from dinar.synth.garments.surfaces import DATA as SYNTH_DATA

AROUND = 72            # points of a ring
HIPS = 3               # the helper's ring that straight lines start from
ROWS = 34              # below that
LENGTH = 0.64          # of the helper's from hips to ankles: where the hem is with all components 0
STEP = 0.1             # metres that a component of 1 moves the hem down,
FLARE = 0.05           # or outwards
TUCKED = (0.030, 0.015, 0.004)   # metres that the first rings lie further in
UV_LENGTH = 0.85       # of the helper's: the length that islands are laid out for


def rings_of(quads: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The tube's vertices ring by ring from the waist down, each from the front by the person's left: int64 [R, A]."""
    used = np.unique(quads)
    edges = np.concatenate([np.sort(quads[:, [k, (k + 1) % 4]], axis=1) for k in range(4)])
    edges, count = np.unique(edges, axis=0, return_counts=True)
    rim = np.unique(edges[count == 1])
    ring = np.full(len(points), -1)
    ring[rim[points[rim, 1] > points[used, 1].mean()]] = 0
    level = 0
    while (ring[used] < 0).any():
        for a, b in ((0, 1), (1, 0)):
            on = edges[ring[edges[:, a]] == level]
            ring[on[ring[on[:, b]] < 0, b]] = level + 1
        level += 1
    rings = []
    for k in range(level + 1):
        own = used[ring[used] == k]
        middle = points[own].mean(0)
        angle = np.arctan2(points[own, 0], points[own, 2] - middle[2])
        rings.append(own[np.argsort(np.where(angle < -0.05, angle + 2 * np.pi, angle))])
    if len({len(own) for own in rings}) > 1:
        raise SystemExit("the helper skirt is no tube of even rings")
    return np.array(rings)


def doubled(rings: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values [..., V, C] of vertices at rings of twice as many points [..., R, A, C], on smooth curves."""
    own = values[..., rings, :]
    before, after, beyond = (np.roll(own, -k, axis=-2) for k in (-1, 1, 2))
    between = (9 * (own + after) - before - beyond) / 16
    return np.stack([own, between], axis=-2).reshape(*own.shape[:-2], -1, own.shape[-1])


def tube(rings: np.ndarray, length: float) -> np.ndarray:
    """Rings [..., R, A, C] of the helper as those of the layer [..., rows, A, C], as long as `length` says."""
    hips, hem = rings[..., HIPS, :, :], rings[..., -1, :, :]
    share = np.linspace(0, length, ROWS + 1)[1:, None, None]
    below = hips[..., None, :, :] + share * (hem - hips)[..., None, :, :]
    return np.concatenate([rings[..., : HIPS + 1, :, :], below], -3)


def followed(rings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The helper's vertices [N, 8] that each of the layer's follows, and how much."""
    used = rings.ravel()
    shares = tube(doubled(np.arange(rings.size).reshape(rings.shape), np.eye(rings.size)), LENGTH)
    shares = shares.reshape(-1, rings.size)
    most = np.argsort(-np.abs(shares), axis=1, kind="stable")[:, :8]
    return used[most], np.take_along_axis(shares, most, axis=1)


def panels(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Front and back [2, rows, A / 2 + 1, 2] in atlas units, and the columns [2, A / 2 + 1] that they hold."""
    quarter = AROUND // 4
    left, top, right, bottom = BOXES["skirt"]
    box = np.array([(right - left) / 2 - 1.5 * GAP, bottom - top - 2 * GAP])
    uv, columns = [], []
    for k, start in enumerate((-quarter, quarter)):
        column = (start + np.arange(2 * quarter + 1)) % AROUND
        points = rows[:, column]
        across = np.linalg.norm(np.diff(points, axis=1), axis=2).cumsum(1)
        across = np.pad(across, ((0, 0), (1, 0))) - across[:, -1:] / 2
        down = np.linalg.norm(np.diff(points, axis=0), axis=2).mean(1).cumsum()
        down = np.broadcast_to(np.pad(down, (1, 0))[:, None], across.shape)
        flat = np.stack([down / down.max() * box[0], (0.5 - across / (2 * across.max())) * box[1]], -1)
        corner = np.array([left + GAP + k * (box[0] + GAP), top + GAP])
        uv.append(flat + corner)
        columns.append(column)
    return np.array(uv), np.array(columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DATA / "skirt.npz")
    args = parser.parse_args()
    model = BodyModel.open(helpers=True)
    with np.load(SYNTH_DATA / "helpers.npz", allow_pickle=False) as data:
        quads = data["skirt_quads"].astype(np.int64)
    place = model.template.numpy().astype(np.float64)
    rings = rings_of(quads, place)
    whole = doubled(rings, place)
    template = tube(whole, LENGTH)
    count = template.shape[0]
    share = np.zeros(count)
    share[HIPS + 1 :] = np.linspace(0, 1, ROWS + 1)[1:]
    angle = 2 * np.pi * np.arange(AROUND) / AROUND                       # 0 in front, towards the person's left
    out = np.stack([np.sin(angle), 0 * angle, np.cos(angle)], axis=1)
    down = whole[-1] - whole[HIPS]
    down /= np.linalg.norm(down, axis=1, keepdims=True)
    at_hem = [
        STEP * down,
        STEP * down * (0.5 - 0.5 * np.cos(angle))[:, None],
        STEP * down * np.sin(angle)[:, None],
        FLARE * out * [1, 0, 0],
        FLARE * out * [0, 0, 1] * (np.cos(angle) > 0)[:, None],
        FLARE * out * [0, 0, 1] * (np.cos(angle) < 0)[:, None],
    ]
    basis = np.stack([share[:, None, None] * move for move in at_hem])
    for k, depth in enumerate(TUCKED):
        template[k] -= depth * out
    index, weight = followed(rings)
    uv, columns = panels(tube(whole, UV_LENGTH))
    faces, uv_faces = [], []
    for k in range(2):
        number = np.arange(count)[:, None] * AROUND + columns[k]
        uv_number = k * uv[0][..., 0].size + np.arange(uv[0][..., 0].size).reshape(number.shape)
        for table, found in ((number, faces), (uv_number, uv_faces)):
            a, b, c, d = table[:-1, :-1], table[1:, :-1], table[1:, 1:], table[:-1, 1:]
            # either diagonal on either side, so that triangles have mirror images
            left = np.broadcast_to(np.sin(angle[columns[k]] + 1e-3)[:-1] > 0, a.shape)
            first = np.where(left[..., None], np.stack([a, b, c], -1), np.stack([a, b, d], -1))
            second = np.where(left[..., None], np.stack([a, c, d], -1), np.stack([b, c, d], -1))
            found.append(np.stack([first, second], 2).reshape(-1, 3))
    mirror = np.arange(count)[:, None] * AROUND + (-np.arange(AROUND)) % AROUND
    template = template.reshape(-1, 3)
    off = np.abs(template[mirror.ravel()] * [-1, 1, 1] - template).max()
    print(f"{len(template)} vertices, {sum(map(len, faces))} triangles, asymmetry {1e3 * off:.1f} mm")
    np.savez_compressed(
        args.out,
        template=template.astype(np.float32),
        basis=basis.reshape(len(basis), -1, 3).astype(np.float16),
        follow_index=index.astype(np.uint16),
        follow_weight=weight.astype(np.float32),
        faces=np.concatenate(faces).astype(np.uint16),
        mirror=mirror.ravel().astype(np.uint16),
        uv=uv.reshape(-1, 2).astype(np.float32),
        uv_faces=np.concatenate(uv_faces).astype(np.uint16),
    )
    print(f"{args.out}: {args.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
