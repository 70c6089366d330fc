"""Finds where on the open body the landmarks are that BlazePose sees, for `OPEN_LANDMARKS` in `body/anatomy.py`.

    python tools/build_landmarks.py --assets ../shared/assets

Made-up people are looked at. What lies between a joint (or vertex) and the landmark seen is told in the frame of a
bone, as one offset for all people, by robust least squares: a picture tells two of its numbers, many all three. Then
two vertices, with a joint or without, are looked for whose mean is nearest to the end of the offset. Prints the table;
of shoulders `OPEN_LANDMARKS` has the offset by joints alone. `benchmarks/fit.py` measures with other people.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import numpy as np
import torch

from dinar import images
from dinar.body.model import BodyMesh, BodyModel
from dinar.errors import InputError
from dinar.photo.photo import Photo, look
from dinar.store import Store
from dinar.synth.sets import views
from dinar.synth.view import View

# landmark: the joint or vertex it is told from, the bone whose frame the offset has, joints that may count
LEFT: dict[str, tuple[str | int, str, tuple[str, ...]]] = {
    "ear": (12006, "head", ()),
    "shoulder": ("upperarm01.L", "spine01", ("upperarm01.L", "shoulder01.L")),
    "elbow": ("lowerarm01.L", "upperarm01.L", ("upperarm01.L", "lowerarm01.L")),
    "wrist": ("wrist.L", "lowerarm01.L", ("lowerarm01.L", "wrist.L")),
    "pinky": ("finger5-1.L", "wrist.L", ()),
    "index": ("finger2-1.L", "wrist.L", ()),
    "thumb": ("finger1-2.L", "wrist.L", ()),
    "hip": ("upperleg01.L", "upperleg01.L", ("upperleg01.L", "upperleg01.R", "lowerleg01.L")),
    "knee": ("lowerleg01.L", "upperleg01.L", ("upperleg01.L", "lowerleg01.L", "foot.L")),
    "ankle": ("foot.L", "lowerleg01.L", ("lowerleg01.L", "foot.L")),
    "heel": (12410, "foot.L", ()),
    "foot_index": (11519, "foot.L", ()),
}
SURE = 0.7          # confidence of a landmark that counts
WIDE = 0.025        # metres: errors larger than that count less
NEAR = 0.10         # metres from the offset's end, of vertices that are tried
COMPACT = 0.02      # metres that the mean may be farther away for points nearer by a metre


@dataclass(frozen=True)
class Seen:
    """One landmark in one picture: what a metre along the bone's axes moves it [2, 3], and where it is seen [2]; all in
    metres at its distance, told from the joint.
    """

    moves: np.ndarray
    place: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, required=True)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    model = BodyModel.open()
    found: dict[str, list[Seen]] = defaultdict(list)
    for view, photo in looked_at(args.assets, args.people, args.seed):
        for name, seen in compared(model, view, photo):
            found[name].append(seen)
    for name, (start, _, joints) in LEFT.items():
        offset = common(found[name])
        before = np.array([np.linalg.norm(seen.place) for seen in found[name]])
        after = np.array([np.linalg.norm(seen.place - seen.moves @ offset) for seen in found[name]])
        goal = _at(model, start) + offset
        points, left = chosen(model, goal, joints)
        out, up, forwards = (offset * 1000).round().astype(int)
        print(
            f'    "left_{name}": {points},   # {out} out, {up} up, {forwards} forwards of {start}, hit to '
            f"{left * 1000:.1f} mm; {len(found[name])} seen, median error {np.median(before) * 1000:.0f} -> "
            f"{np.median(after) * 1000:.0f} mm"
        )


def looked_at(assets: Path, people: int, seed: int) -> Iterator[tuple[View, Photo]]:
    store = Store()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "view.png"
        for view in views(assets, people, seed):
            images.save(path, view.image)
            try:
                yield view, look(path, store=store)
            except InputError as error:
                print(error)


def compared(model: BodyModel, view: View, photo: Photo) -> Iterator[tuple[str, Seen]]:
    """Both sides' landmarks as the left's."""
    with torch.no_grad():
        mesh = model(view.body)
    x, y, scale = photo.window
    size = tuple(photo.image.shape[1:])
    camera = view.camera.cropped(x, y, tuple(round(side / scale) for side in size)).resized(size)
    for name, (start, bone, _) in LEFT.items():
        for side in ("left", "right"):
            landmark = f"{side}_{name}"
            if not photo.landmarks.seen(landmark, SURE):
                continue
            point = _posed(model, mesh, start, side)
            turn = camera.R @ mesh.transforms[0, model.joint_names.index(_other(bone, side)), :3, :3]
            if side == "right":
                turn = turn @ torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
            there = camera.to_camera(point[None])[0]
            place = photo.landmarks.select((landmark,)).xy[0] - camera.project(point[None])[0, :2]
            moves = turn[:2] - (there[:2] / there[2])[:, None] * turn[2:]
            yield name, Seen(moves.double().numpy(), (place * there[2] / camera.K[0, 0]).double().numpy())


def common(seen: list[Seen]) -> np.ndarray:
    """The offset [3] that explains most pictures, metres."""
    moves, place = (np.concatenate([getattr(one, part) for one in seen]) for part in ("moves", "place"))
    weight = np.ones(len(place))
    for _ in range(20):
        square = (moves * weight[:, None]).T @ moves
        offset = np.linalg.solve(square + 2 * np.eye(3), (moves * weight[:, None]).T @ place)
        weight = 1 / (1 + ((place - moves @ offset) / WIDE) ** 2)
    return offset


def chosen(model: BodyModel, goal: np.ndarray, joints: tuple[str, ...]) -> tuple[tuple[str | int, ...], float]:
    """Two vertices, and perhaps a joint once or twice, whose mean is near a place [3] of the resting body; how near."""
    template = model.template.double().numpy()
    away = np.linalg.norm(template - goal, axis=1)
    near = np.argsort(away)[:400]
    near = near[away[near] < NEAR]
    points = [*joints, *near.tolist()]
    places = np.concatenate([np.reshape([_at(model, joint) for joint in joints], (-1, 3)), template[near]])
    away = np.linalg.norm(places - goal, axis=1)
    pairs = places[:, None] + places
    best: tuple[float, float, tuple[str | int, ...]] = (np.inf, np.inf, ())
    for more in ((), *((k,) for k in range(len(joints))), *((k, k) for k in range(len(joints)))):
        error = np.linalg.norm((pairs + places[list(more)].sum(0)) / (2 + len(more)) - goal, axis=2)
        cost = error + COMPACT * (away[:, None] + away) / 2 + 0.001 * len(more)
        i, j = np.unravel_index(cost.argmin(), cost.shape)
        if cost[i, j] < best[0]:
            best = cost[i, j], error[i, j], tuple(points[k] for k in (*more, i, j))
    return best[2], best[1]


def _at(model: BodyModel, point: str | int) -> np.ndarray:
    if isinstance(point, str):
        return model.joint_template[model.joint_names.index(point)].double().numpy()
    return model.template[point].double().numpy()


def _posed(model: BodyModel, mesh: BodyMesh, start: str | int, side: str) -> torch.Tensor:
    if isinstance(start, str):
        return mesh.joints[0, model.joint_names.index(_other(start, side))]
    mirrored = model.template[start] * torch.tensor([-1.0 if side == "right" else 1.0, 1.0, 1.0])
    return mesh.vertices[0, int((model.template - mirrored).norm(dim=1).argmin())]


def _other(joint: str, side: str) -> str:
    return joint.removesuffix(".L") + ".R" if side == "right" and joint.endswith(".L") else joint


if __name__ == "__main__":
    main()
