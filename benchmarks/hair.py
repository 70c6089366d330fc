"""How far hair behind is from the truth where one picture from in front is all that is known, parser and fit included.

    python benchmarks/hair.py --assets ../shared/assets --wigs state/people2/wigs.npz

Made-up people wear one wig of each of make-wig's presets; the layer `hair` is rebuilt without the presets of the same
fold. A picture of each is looked at, fitted and dressed as `dinar create` does. Both surfaces are brought to the mean
body's head by its skin (similarity), and told by how far out they lie on the rays of `tools/build_hair.py` that lead
backwards; a ray counts where the wig rises above the skin.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import build_hair as shell

from dinar import dressing, images
from dinar.body import layers
from dinar.body.layers import RISE, Layer
from dinar.body.model import BodyModel
from dinar.errors import InputError
from dinar.fit.fit import fit
from dinar.pipeline import look_at
from dinar.store import Store
from dinar.synth.people import Person, dress, random_person
from dinar.synth.poses import random_body
from dinar.synth.sets import random_background, random_lens, random_light
from dinar.synth.studio import arrange, expose, frame_camera
from dinar.synth.wardrobe import Wardrobe
from dinar.synth.wigs import STYLES

FOLDS = 6
FIELDS = "fields.npz"
WIDE = 6                # columns behind that hold hair as far down as it is long
SIZE = (1024, 1024)
POINTS = 200_000        # on a surface
SHORT = ("buzz", "fade", "taper_waves", "bald_crown", "receding", "cornrows")     # a few millimetres: painted well


@dataclass(frozen=True)
class Shells:
    """The wigs as the shell holds them.

    names    of wigs [W]
    presets  theirs
    radii    float64 [W, R * C]  metres, on the rays of `grid`
    skin     float64 [R * C]
    grid     the rays
    """

    names: np.ndarray
    presets: np.ndarray
    radii: np.ndarray
    skin: np.ndarray
    grid: shell.Grid

    @classmethod
    def of(cls, wigs: Path, kept: Path | None = None) -> Shells:
        """Those of a file, or as they were kept in a folder the last time; that takes minutes."""
        if kept is not None and (kept / FIELDS).exists():
            with np.load(kept / FIELDS, allow_pickle=False) as data:
                grid = shell.Grid(data["middle"])
                return cls(data["names"], presets_of(data["names"]), data["radii"], data["skin"], grid)
        rng = np.random.default_rng(0)
        vertices, faces, _ = shell.body_of()
        grid = shell.grid_of(vertices, faces)
        points = shell.sampled(vertices, faces, 600_000, rng)
        names, radii = shell.fields(shell.wigs_of(wigs), grid, shell.under_of(grid, points), rng)
        skin = shell.filled(grid.radii(points, shell.SKIN))
        if kept is not None:
            kept.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(kept / FIELDS, names=names, radii=radii, skin=skin, middle=grid.middle)
        return cls(np.array(names), presets_of(names), radii, skin, grid)

    def layer(self, kept: np.ndarray) -> Layer:
        """The layer made of the wigs `kept` alone, bool [W]."""
        template, basis = shell.components(self.grid, self.radii[kept])
        return replace(
            Layer.load("hair"),
            template=torch.from_numpy(np.float32(template)),
            basis=torch.from_numpy(np.float32(basis)),
        )

    @property
    def behind(self) -> np.ndarray:
        """Which rays lead backwards, bool [R * C]."""
        return self.grid.directions[:, 2] < 0

    def out(self, vertices: np.ndarray, faces: np.ndarray, most: float) -> np.ndarray:
        """How far out a surface lies on each ray, and the skin where it does not lie farther, metres [R * C]."""
        points = shell.sampled(vertices, faces, POINTS, np.random.default_rng(0))
        radii = shell.closed(self.grid.radii(points, most))
        return np.where(np.isnan(radii), self.skin, np.maximum(radii, self.skin))

    def lowest(self, radii: np.ndarray) -> float:
        """The height down to which hair hangs behind, metres; the head's middle where it does not hang."""
        hair = (radii - self.skin > RISE) & self.behind
        row = np.flatnonzero(hair.reshape(-1, shell.COLUMNS).sum(1) > WIDE).max(initial=0)
        return float(self.grid.height[row - shell.CAP]) if row >= shell.CAP else float(self.grid.middle[1])


def presets_of(names: Sequence[str]) -> np.ndarray:
    return np.array([str(name).rpartition("_s")[0] for name in names])


@contextmanager
def wearing_of(layer: Layer) -> Iterator[None]:
    """While it lasts, the layer `hair` is another one."""
    shipped = layers._loaded
    layers._loaded = lambda name: layer if name == "hair" else shipped(name)
    try:
        yield
    finally:
        layers._loaded = shipped


def person_in(wardrobe: Wardrobe, wig: str, preset: str, seed: int) -> Person:
    """Somebody whom a wig becomes, in made-up clothes, bareheaded."""
    rng = np.random.default_rng([seed, 7])
    men, women, more = STYLES[preset]
    other = random_person(wardrobe, seed, texture=64)
    while other.female != (rng.random() < women / (men + women)) or (other.tone < 0.6 and more > 4):
        seed += 1000
        other = random_person(wardrobe, seed, texture=64)
    brow = str(rng.choice(list(wardrobe.files["eyebrows"])))
    return dress(
        wardrobe, rng, female=other.female, years=other.years, tone=other.tone, shape=other.shape, outfit=None,
        shoes=None, hair=wig, brow=brow, lash="eyelashes04", texture=512,
    )  # fmt: skip


def picture(wardrobe: Wardrobe, person: Person, seed: int) -> torch.Tensor:
    """A standing person from in front, [3, H, W]."""
    rng = np.random.default_rng([seed, 8])
    motions = tuple(sorted((wardrobe.root / "poses").glob("standing*.bvh")))
    scene = arrange(person, random_body(person, rng, lively=0.0, motions=motions))
    azimuth = float(np.clip(rng.normal(0, 12), -30, 30))
    camera = frame_camera(scene, SIZE, azimuth=azimuth, height=1.4, fov=30, margin=0.08)
    light = random_light(rng, azimuth)
    return expose(scene, camera, light, random_background(rng, wardrobe), lens=random_lens(rng), seed=seed).image


def brought(points: np.ndarray, skin: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Points [N, 3] by the similarity that brings the head's skin [M, 3] nearest to where it shall be [M, 3]."""
    a, b = skin - skin.mean(0), there - there.mean(0)
    u, s, v = np.linalg.svd(a.T @ b)
    return (points - skin.mean(0)) @ (u @ v) * (s.sum() / np.square(a).sum()) + there.mean(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, required=True)
    parser.add_argument("--wigs", type=Path, required=True, help="made by tools/build_wigs.py")
    parser.add_argument("--presets", nargs="*", help="these alone")
    parser.add_argument("--every", type=int, default=1, help="every such preset")
    parser.add_argument("--kept", type=Path, help="a folder for pictures and what they were fitted with, used again")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.set_grad_enabled(False)
    model, store, wardrobe = BodyModel.open(), Store(), Wardrobe(args.assets, args.wigs.parent)
    shells = Shells.of(args.wigs, args.kept)
    with tempfile.TemporaryDirectory() as folder:
        rows = list(measured(args, Path(folder), model, store, wardrobe, shells))
    told(rows)


def measured(args, folder: Path, model: BodyModel, store: Store, wardrobe: Wardrobe, shells: Shells) -> Iterator[tuple]:
    """Name, whether hair is worn, millimetres off (no hair, mean hair, fitted) and metres off in length of each."""
    head = (model.skin_weights[:, model.below([model.humanoid["head"]])].sum(1) > 0.99).numpy()
    head &= np.isin(np.arange(len(head)), model.faces.numpy())
    mean_head = model.template.numpy().astype(np.float64)[head]
    presets = np.unique(shells.presets)
    for number, preset in enumerate(presets):
        if (args.presets and preset not in args.presets) or number % args.every:
            continue
        layer = shells.layer(~np.isin(shells.presets, presets[number % FOLDS :: FOLDS]))
        name = str(shells.names[np.flatnonzero(shells.presets == preset)[0]])
        person = person_in(wardrobe, name, preset, 9000 + number)
        path = (args.kept or folder) / f"{preset}.png"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            images.save(path, picture(wardrobe, person, 9000 + number))
        try:
            photo, found = looked(path, model, store, args.kept)
        except InputError as error:
            print(f"{preset}: {error}")
            continue
        start = time.perf_counter()
        with wearing_of(layer):
            dressed = dressing.dressed(model, [photo], [found])
        seconds = time.perf_counter() - start
        rest = dressed.rest(found.body.shape)[0][0].numpy().astype(np.float64)
        mine = model.rest(found.body.shape)[0][0].numpy().astype(np.float64)
        ours = brought(rest, mine[head], mean_head)
        faces = dressed.faces.numpy()
        of_hair = above_skin(dressed, found.body.shape[0])[dressed.faces].any(1).numpy()
        skin = (dressed.layer == 0)[faces[:, 0]].numpy() & head[np.minimum(faces, len(head) - 1)].all(1)
        fitted = shells.out(ours, faces[of_hair | skin], shell.SKIN)
        true_skin = person.model.rest(person.shape)[0][0].numpy().astype(np.float64)
        wig = brought(person.rest.astype(np.float64), true_skin[: len(head)][head], mean_head)
        true = shells.out(wig, person.faces[person.kind[person.faces[:, 0]] == 2], shell.QUANTILE)
        mean = np.maximum(shells.radii[~np.isin(shells.presets, presets[number % FOLDS :: FOLDS])].mean(0), shells.skin)
        there = (true - shells.skin > RISE) & shells.behind
        off = [1e3 * float(np.abs(radii - true)[there].mean()) for radii in (shells.skin, mean, fitted)]
        length = abs(shells.lowest(fitted) - shells.lowest(true))
        worn = "hair" in dressed.layers
        longer = 100 * (shells.lowest(true) - shells.lowest(fitted))
        print(
            f"{preset}: {'worn' if worn else 'not worn'}, no hair {off[0]:.1f}, mean {off[1]:.1f}, "
            f"fitted {off[2]:.1f} mm, {longer:+.0f} cm longer, dressed in {seconds:.1f} s",
            flush=True,
        )
        yield preset, worn, off, length


def above_skin(model: BodyModel, shape: torch.Tensor) -> torch.Tensor:
    """Which vertices are hair's and above the skin of the body that wears it, bool [V]."""
    there = torch.zeros(len(model.template), dtype=torch.bool)
    if "hair" in model.layers:
        own, layer = layers.vertices_of(model, "hair"), Layer.load("hair")
        inner = layer.inner + torch.tensordot(shape, layer.shape_basis, dims=1)
        there[own] = ((model.rest(shape[None])[0][0][own] - inner) * layer.outwards).sum(1) > RISE
    return there


def looked(path: Path, model: BodyModel, store: Store, kept: Path | None):
    """The photo and its fit, from the folder where they were kept."""
    cached = path.with_suffix(".pt")
    if kept is not None and cached.exists():
        return torch.load(cached, weights_only=False)
    photo = look_at(path, store)
    found = fit([photo], model)[0]
    if kept is not None:
        torch.save((photo, found), cached)
    return photo, found


def told(rows: list[tuple]) -> None:
    for title, some in (
        ("all", rows),
        ("worn", [row for row in rows if row[1]]),
        ("but for cropped hair", [row for row in rows if row[0] not in SHORT]),
    ):
        off, length = np.array([row[2] for row in some]), np.array([row[3] for row in some])
        print(f"\n{title}: {len(some)}")
        for name, column in zip(("no hair", "the mean hair", "fitted"), off.T, strict=True):
            print(f"| {name} | {column.mean():.1f} | {np.median(column):.1f} | {column.max():.1f} |")
        print(f"length off {100 * length.mean():.1f} cm, within 5 cm for {np.mean(length <= 0.05):.2f}")


if __name__ == "__main__":
    main()
