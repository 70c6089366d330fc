"""What of a skirt lies under the skin in motion, how it flickers and what it costs: stiff, and as it swings.

    python benchmarks/layers.py
    python benchmarks/layers.py out/person ...      # avatars in skirts as well, and their flicker (evaluate's measure)

Skirts of six cuts are put on made-up bodies. A triangle counts where its middle lies under the skin, unless it does so
at rest or hangs on the tucked rim at the waist.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from dinar.avatar import Avatar
from dinar.body.layers import tucked, wearing
from dinar.body.model import Body, BodyModel
from dinar.body.normals import vertex_normals
from dinar.camera import framing
from dinar.evaluate import walk
from dinar.evaluate.metrics import BACKGROUND
from dinar.motion import retarget
from dinar.motion.cloth import Wardrobe
from dinar.motion.motion import Motion
from dinar.perceptual.lpips import load_lpips
from dinar.raster.compiled import compiled
from dinar.store import Store

CUTS = {
    "short": (-3.5, 1.5),
    "short and wide": (-3.0, 4.0),
    "narrow": (-1.0, -0.6),
    "knee-long": (-1.0, 0.4),
    "calf-long": (0.5, 1.5),
    "long": (2.5, 1.0),
}
"""Hem and flare of each, in coefficients of the layer."""

NEAR = 0.1      # metres from the skin beyond which nothing lies under it


def seated(fps: float = 30.0) -> Motion:
    """Somebody who sits down on a chair and stands up again."""
    time = torch.arange(int(3 * fps)) / fps
    share = ((time - 0.3) / 0.9).clamp(0, 1) * ((2.9 - time) / 0.6).clamp(0, 1)
    share = share * share * (3 - 2 * share)
    rotations = torch.zeros(len(time), 4, 3)
    rotations[:, :2, 0], rotations[:, 2:, 0] = -1.5 * share[:, None], 1.5 * share[:, None]
    rotations[:, 0, 2], rotations[:, 1, 2] = 0.06 * share, -0.06 * share
    names = ("leftUpperLeg", "rightUpperLeg", "leftLowerLeg", "rightLowerLeg")
    hips = torch.stack([0 * time, 1 - 0.43 * share, -0.35 * share], dim=1)
    return Motion(names, rotations, hips, fps)


def clips() -> dict[str, Motion]:
    return {name: Motion.load(name) for name in ("walk", "dance", "turn")} | {"sit": seated()}


def made_up(cut: str, seed: int) -> tuple[BodyModel, Tensor]:
    """A body in a skirt, and its shape [S]."""
    model, (hem, flare) = BodyModel.open(), CUTS[cut]
    shape = torch.zeros(len(model.shape_basis))
    shape[:10] = 0.7 * torch.randn(10, generator=torch.Generator().manual_seed(seed))
    worn = torch.tensor([hem, 0.0, 0.0, flare, 0.6 * flare, 0.6 * flare])
    return tucked(wearing(model, {"skirt": worn}), shape), shape


@compiled
def winding(points, vertices, faces):
    """How often a surface winds about each point [N]: near 1 inside, near 0 outside."""
    found = np.zeros(len(points))
    for p in range(len(points)):
        total = 0.0
        for f in range(len(faces)):
            ax = vertices[faces[f, 0], 0] - points[p, 0]
            ay = vertices[faces[f, 0], 1] - points[p, 1]
            az = vertices[faces[f, 0], 2] - points[p, 2]
            bx = vertices[faces[f, 1], 0] - points[p, 0]
            by = vertices[faces[f, 1], 1] - points[p, 1]
            bz = vertices[faces[f, 1], 2] - points[p, 2]
            cx = vertices[faces[f, 2], 0] - points[p, 0]
            cy = vertices[faces[f, 2], 1] - points[p, 1]
            cz = vertices[faces[f, 2], 2] - points[p, 2]
            a = math.sqrt(ax * ax + ay * ay + az * az)
            b = math.sqrt(bx * bx + by * by + bz * bz)
            c = math.sqrt(cx * cx + cy * cy + cz * cz)
            volume = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
            flat = a * b * c + (ax * bx + ay * by + az * bz) * c
            flat += (bx * cx + by * cy + bz * cz) * a + (cx * ax + cy * ay + cz * az) * b
            total += math.atan2(volume, flat)
        found[p] = total / (2 * math.pi)
    return found


def below(model: BodyModel, wardrobe: Wardrobe, vertices: Tensor) -> np.ndarray:
    """Which triangles of the skirt have their middle under the skin, bool [F]."""
    cloth, points = wardrobe.cloths[-1], vertices[0].double().numpy()
    skin, faces = points[cloth.skin], torch.from_numpy(cloth.faces)
    normals = vertex_normals(torch.from_numpy(skin).float()[None], faces)[0].double().numpy()
    middles = points[own_faces(model)].mean(1)
    distance, near = cKDTree(skin).query(middles, k=3)
    height = ((middles[:, None] - skin[near]) * normals[near]).sum(2).min(1)
    asked = (distance[:, 0] < NEAR) & (height < 0.005)
    found = np.zeros(len(middles), bool)
    found[asked] = winding(middles[asked], skin, cloth.faces) > 0.5
    return found


def own_faces(model: BodyModel) -> np.ndarray:
    """The skirt's triangles [F, 3]; it is the last layer."""
    return model.faces[model.layer[model.faces[:, 0]] == len(model.layers)].numpy()


def shares(model: BodyModel, shape: Tensor, motion: Motion, step: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Shares of the skirt's triangles under the skin by frames, stiff and as it swings; least milliseconds a frame."""
    wardrobe = Wardrobe.of(model, shape)
    cloth = wardrobe.cloths[-1]
    rim = (cloth.margin[own_faces(model) - cloth.vertices[0]] < 0).any(1)
    rest = below(model, wardrobe, model.rest(shape[None])[0]) | rim
    bodies = retarget.apply(motion, model, shape)
    wardrobe.laid(model(bodies[:1]).vertices, wardrobe.settled(bodies[:1]))      # compiles
    start = time.perf_counter()
    moves = wardrobe.swung(bodies, motion.fps)
    each = (time.perf_counter() - start) / len(bodies)
    stiff, swung, laying = [], [], []
    for k in range(0, len(bodies), step):
        vertices = model(bodies[k : k + 1]).vertices
        start = time.perf_counter()
        laid = wardrobe.laid(vertices, moves[k])
        laying.append(time.perf_counter() - start)
        stiff.append((below(model, wardrobe, vertices) & ~rest).mean())
        swung.append((below(model, wardrobe, laid) & ~rest).mean())
    return np.array(stiff), np.array(swung), 1000 * (each + min(laying))


def pairs(avatar: Avatar, stiff: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Neighbouring frames of a walk, as `evaluate.walk.pairs` has them."""
    motion = Motion.load("walk").looped(walk.SECONDS).resampled(walk.FPS).in_place()
    bodies: Body = retarget.apply(motion, avatar.model, avatar.shape)
    posed = avatar.swinging(bodies, motion.fps, stiff=stiff)
    few = range(0, len(bodies), max(1, len(bodies) // 8))
    camera = framing(torch.cat([posed(i)[0] for i in few]), walk.AZIMUTH, 4.0, (walk.SIDE, walk.SIDE))
    for i in range(0, len(bodies) - 1, walk.STEP):
        first, second = (avatar.draw_posed(posed(k), camera).over(BACKGROUND)[0] for k in (i, i + 1))
        yield first, second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("avatars", type=Path, nargs="*")
    parser.add_argument("--people", type=int, default=2, help="bodies of each cut")
    parser.add_argument("--step", type=int, default=10, help="frames from one that is measured to the next")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    avatars = {path.name: Avatar.load(path) for path in args.avatars}
    avatars = {name: avatar for name, avatar in avatars.items() if "skirt" in avatar.model.layers}
    groups = {cut: [made_up(cut, seed) for seed in range(args.people)] for cut in CUTS}
    if avatars:
        groups["photos"] = [(avatar.model, avatar.shape) for avatar in avatars.values()]
    print("| skirt | clip | under the skin, stiff: mean, worst, % | swinging: mean, worst, % | least ms a frame |")
    print("|---|---|---|---|---|")
    for cut, people in groups.items():
        for name, motion in clips().items():
            found = [shares(*person, motion, args.step) for person in people]
            stiff, swung = (100 * np.concatenate([f[k] for f in found]) for k in (0, 1))
            took = min(f[2] for f in found)
            print(
                f"| {cut} | {name} | {stiff.mean():.2f}, {stiff.max():.2f} | {swung.mean():.3f}, {swung.max():.3f} "
                f"| {took:.2f} |",
                flush=True,
            )
    if avatars:
        lpips = load_lpips("alex", Store())
        print("\n| avatar | flicker, stiff | swinging |\n|---|---|---|")
        for name, avatar in avatars.items():
            row = [walk.flicker(lpips, pairs(avatar, stiff)) for stiff in (True, False)]
            print(f"| {name} | {row[0]:.4f} | {row[1]:.4f} |", flush=True)


if __name__ == "__main__":
    main()
