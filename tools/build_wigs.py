"""Builds `wigs.npz`, some hundred hair styles for made-up people, with make-wig (character-factory 0.1.2, Apache-2.0).

    python -m venv .venv-wigs
    .venv-wigs/bin/pip install numpy scipy pillow trimesh
    .venv-wigs/bin/pip install --no-deps character-factory==0.1.2
    .venv-wigs/bin/python tools/build_wigs.py --out state/people2

Every preset of make-wig but UNLIKE has the same number of styles, each a seed of its sampler. They are made on the open
body with its arms hanging, trunk and shoulders thicker by `--room`, which clothes need. What hangs from a cap's rim is
one sheet all round, which lies on the shoulders like a cape: it is divided there, and falls to the chest and to the
back. What is found too slow or unlike hair is told and left out.

`dinar.synth.wigs` reads the file. It holds, on the mean person at rest in metres times 10,000 and rounded,

    names, presets   str    [W]      a style's own name and its preset's
    frizz            float16 [W, 2]  waves and curls of its strands, 0 to 1.2
    NAME.vertices    int16  [N, 3]
    NAME.uv          int16  [N, 2]   times 1,000: around the head, and along the strands from the scalp on
    NAME.faces       uint16 [F, 3]   as differences to the face before, which packs better
"""

from __future__ import annotations

import argparse
import importlib.util
import signal
import sys
import tempfile
import time
import types
import warnings
from pathlib import Path

import numpy as np
import trimesh
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

BODY = Path(__file__).parents[1] / "src/dinar/body/data/open.npz"
PER_METRE, PER_TILE = 10_000, 1_000
TILES = (5.0, 1.6)  # of the strands' picture: around the head, and along a strand of a head's quarter turn
HANGING = 27.0  # degrees by which the A-pose's arms are lowered
SKULL = 0.0705  # metres from the middle to the side of the head: ears stand out from it
CHIN = 0.605  # metres above the open body's origin
NECK = (0.55, 0.60)  # likewise: clothes end between them
REACH = 0.45  # metres: farther from the head's middle than any hair of its own stands out
MOST_VERTICES = 24_000
UNLIKE = ("afro_puffs", "liberty_spikes")  # two wheels on the head; spikes of 15 cm
FALLS = (0.54, 0.63)  # metres above the origin: between them hair goes from its own side to chest or back
SPLIT, CHEST, BACK = np.radians(
    (80.0, 45.0, 142.0)
)  # from ahead: where hair parts, and how far from the sides it falls
BROW = (0.75, 0.80)  # metres above the origin: between them braids before the face go aside
FACE, TEMPLE = np.radians((42.0, 62.0))  # from ahead: what braids leave free, and what they may be moved to
DOWN, STEEP = 0.015, 0.7  # hair comes out over what is below it, steps of metres down, by so much a metre
HANGS = 0.115  # metres from the head's axis to hair that nothing pushes away


def make_wig() -> types.SimpleNamespace:
    """The parts of make-wig that are used; its packages are not run, since they import torch and servers."""
    spec = importlib.util.find_spec("character_factory")
    if spec is None:
        sys.exit("character_factory is not installed; see the head of tools/build_wigs.py")
    root = Path(spec.submodule_search_locations[0])
    for name, folder in (("character_factory", root), ("character_factory.hair", root / "hair")):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [str(folder)]
    from character_factory.hair.wig.density import Density
    from character_factory.hair.wig.head import Head
    from character_factory.hair.wig.presets import PRESETS, sample_style
    from character_factory.hair.wig.style import generate

    return types.SimpleNamespace(
        Density=Density, Head=Head, presets=list(PRESETS), sample_style=sample_style, generate=generate
    )


def hanging_body(room: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [V, 3] of the mean person with arms down and room for clothes and without ears, and its faces."""
    with np.load(BODY, allow_pickle=False) as data:
        vertices, faces, joints = data["template"].astype(np.float64), data["faces"].astype(np.int64), data["joints"]
        names, parents = [str(name) for name in data["joint_names"]], data["parents"]
        index, weight = data["skin_index"], data["skin_weight"].astype(np.float64)
    used = np.unique(faces)
    faces = np.searchsorted(used, faces)
    vertices, index, weight = vertices[used], index[used], weight[used]
    normals = trimesh.Trimesh(vertices, faces, process=False).vertex_normals
    vertices += normals * (room * np.clip((NECK[1] - vertices[:, 1:2]) / (NECK[1] - NECK[0]), 0, 1))
    head = vertices[:, 1] > CHIN
    vertices[head, 0] = np.clip(vertices[head, 0], -SKULL, SKULL)  # or hair would lie over ears, not about them
    for side, sign in (("L", -1), ("R", 1)):
        arm = names.index(f"upperarm01.{side}")
        below = {arm}
        for joint, parent in enumerate(parents):  # parents come first
            if int(parent) in below:
                below.add(joint)
        share = (weight * np.isin(index, list(below))).sum(1, keepdims=True) / weight.sum(1, keepdims=True)
        angle = np.radians(sign * HANGING)
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        vertices += share * ((vertices - joints[arm]) @ turn.T + joints[arm] - vertices)
    return vertices, faces


class Surface:
    """The nearest points of a mesh of small, even triangles, among the CANDIDATES whose middles are nearest: some
    hundred times as fast as trimesh's exact search, which takes a minute for one style of draped locks."""

    CANDIDATES = 8

    def __init__(self, mesh: trimesh.Trimesh) -> None:
        self.triangles = np.asarray(mesh.triangles)
        self.tree = cKDTree(self.triangles.mean(1))

    def on_surface(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points [N, 3] on the mesh, how far they are, and their triangles: as trimesh's ProximityQuery has them."""
        _, near = self.tree.query(points, k=self.CANDIDATES)
        many = np.repeat(points, self.CANDIDATES, axis=0)
        found = trimesh.triangles.closest_point(self.triangles[near.ravel()], many).reshape(len(points), -1, 3)
        distance = np.linalg.norm(found - points[:, None], axis=2)
        best, row = distance.argmin(1), np.arange(len(points))
        return found[row, best], distance[row, best], near[row, best]


def head_of(wig: types.SimpleNamespace, room: float) -> object:
    """The mean person as make-wig reads bodies."""
    vertices, faces = hanging_body(room)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "body.obj"
        trimesh.Trimesh(vertices, faces, process=False).export(path)
        head = wig.Head.from_file(str(path), forward=np.array([0.0, 0.0, 1.0]), head_height=vertices[:, 1].max() - CHIN)
    head._body_query_cache = Surface(head.mesh)  # where make-wig keeps its own
    return head


def seeds_of(wig: types.SimpleNamespace, preset: str, first: int = 0) -> object:
    """The seeds, in order, for which make-wig's sampler takes a preset."""
    seed = first
    while True:
        if wig.sample_style(seed)[0].rpartition("_s")[0] == preset:
            yield seed
        seed += 1


class TooSlow(Exception):
    pass


def generated(wig: types.SimpleNamespace, head: object, style: object, density: object, seconds: int) -> object:
    """A style's mesh. Raises TooSlow."""

    def stop(*_: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return wig.generate(head, style, density)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def divided(vertices: np.ndarray, faces: np.ndarray, head: object) -> tuple[np.ndarray, np.ndarray]:
    """A style's vertices [N, 3] and faces [F, 3] with what lies on the shoulders moved to chest and back."""
    middle = np.asarray(head.center)
    x, z = vertices[:, 0] - middle[0], vertices[:, 2] - middle[2]
    radius, angle = np.hypot(x, z), np.arctan2(x, z)
    share = np.clip((FALLS[1] - vertices[:, 1]) / (FALLS[1] - FALLS[0]), 0, 1)
    share = share * share * (3 - 2 * share)
    aside = np.abs(angle)
    behind = aside > SPLIT
    wanted = np.where(behind, np.pi - (np.pi - aside) * (np.pi - BACK) / (np.pi - SPLIT), aside * CHEST / SPLIT)
    angle = np.sign(angle) * (aside + share * (wanted - aside))

    def placed(radius: np.ndarray) -> np.ndarray:
        flat = radius[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1) + middle[[0, 2]]
        return np.stack([flat[:, 0], vertices[:, 1], flat[:, 1]], axis=1)

    below = [placed(radius) - [0, k * DOWN, 0] for k in range(7)]
    clear = np.max([head.body_clearance(at) - k * STEEP * DOWN for k, at in enumerate(below)], axis=0)
    clear += 0.14 * head.scale  # the gap that make-wig leaves
    moved = placed(radius + share * (np.maximum(clear, np.minimum(radius, HANGS)) - radius))
    torn = (behind[faces].any(1) != behind[faces].all(1)) & (share[faces].max(1) > 0.05)
    return moved, faces[~torn]


def off_the_face(vertices: np.ndarray, faces: np.ndarray, head: object) -> np.ndarray:
    """A style's vertices [N, 3] with braids that hang before the face moved aside, each to the side of its root."""
    middle = np.asarray(head.center)
    x, z = vertices[:, 0] - middle[0], vertices[:, 2] - middle[2]
    radius, aside = np.hypot(x, z), np.abs(np.arctan2(x, z))
    edges = np.concatenate([faces[:, :2], faces[:, 1:]])
    graph = coo_matrix((np.ones(len(edges)), edges.T), (len(vertices),) * 2)
    count, braid = connected_components(graph, directed=False)
    top = np.full(count, -np.inf)
    np.maximum.at(top, braid, vertices[:, 1])
    root = vertices[:, 1] > top[braid] - 0.02
    side = np.where(np.bincount(braid[root], x[root], minlength=count) > 0, 1.0, -1.0)[braid]
    share = np.clip((BROW[1] - vertices[:, 1]) / (BROW[1] - BROW[0]), 0, 1)
    share = share * share * (3 - 2 * share)
    wanted = np.where(aside < TEMPLE, FACE + aside * (TEMPLE - FACE) / TEMPLE, aside)
    own = np.where(aside < TEMPLE, np.arctan2(x, z) * side, aside)  # less than 0 across the middle from its root
    angle = np.where(aside < TEMPLE, side, np.sign(x)) * (own + share * (wanted - own))
    return np.stack([middle[0] + radius * np.sin(angle), vertices[:, 1], middle[2] + radius * np.cos(angle)], axis=1)


def fault(vertices: np.ndarray, middle: np.ndarray) -> str | None:
    """Why a mesh is no hair."""
    if not np.isfinite(vertices).all():
        return "not finite"
    if len(vertices) > MOST_VERTICES:
        return f"{len(vertices)} vertices"
    away = np.hypot(*(vertices - middle)[:, [0, 2]].T).max()
    if away > REACH:
        return f"reaches {away:.2f} m"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of what is built for made-up people")
    parser.add_argument("--each", type=int, default=8, help="styles of each preset")
    parser.add_argument("--seconds", type=int, default=40, help="of processor time for one style at most")
    parser.add_argument("--room", type=float, default=0.010, help="metres for clothes between trunk and hair")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    wig = make_wig()
    head = head_of(wig, args.room)
    density = wig.Density(
        cap_u=112, cap_v=40, profile_segments=6, guide_segments=14, braid_radial_segments=5, braid_spine_scale=0.6
    )
    arrays, names, presets, frizz, start = {}, [], [], [], time.time()
    for preset in (name for name in wig.presets if name not in UNLIKE):
        made = 0
        for seed in seeds_of(wig, preset):
            name, style, texture = wig.sample_style(seed)
            try:
                mesh = generated(wig, head, style, density, args.seconds)
            except TooSlow:
                print(f"{name}: more than {args.seconds} s; no more of {preset}", flush=True)
                break
            vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)
            if style.cap is not None and style.cap.curtain_len > 0:
                vertices, faces = divided(vertices, faces, head)
            if style.braid_field is not None:
                vertices = off_the_face(vertices, faces, head)
            reason = fault(vertices, np.asarray(head.center))
            if reason is not None:
                print(f"{name}: {reason}", flush=True)
                continue
            used, faces = np.unique(faces, return_inverse=True)
            uv = np.asarray(mesh.vertex_attributes["chart_uv"])[used] * TILES
            arrays[f"{name}.vertices"] = np.rint(vertices[used] * PER_METRE).astype(np.int16)
            arrays[f"{name}.uv"] = np.rint(np.clip(uv, -32, 32) * PER_TILE).astype(np.int16)
            faces = faces.reshape(-1, 3).astype(np.uint16)
            arrays[f"{name}.faces"] = np.diff(faces, axis=0, prepend=np.uint16(0))
            names.append(name)
            presets.append(preset)
            frizz.append((texture.wave, texture.curl))
            made += 1
            if made == args.each:
                break
        print(f"{preset}: {made}, {time.time() - start:.0f} s", flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    path, temporary = args.out / "wigs.npz", args.out / "wigs.part.npz"
    np.savez_compressed(
        temporary, names=np.array(names), presets=np.array(presets), frizz=np.array(frizz, np.float16), **arrays
    )
    temporary.replace(path)
    sizes = [len(arrays[f"{name}.vertices"]) for name in names]
    print(f"{path}: {len(names)} styles, {np.mean(sizes):.0f} vertices on average, {path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
