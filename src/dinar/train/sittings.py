"""People as the large renderer draws them, kept on disk: what a small one learns from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from dinar import presets
from dinar.avatar import Avatar
from dinar.body.uv import PARTS, part_weights
from dinar.camera import Camera
from dinar.data.dataset import Augmentation, Pair, augmented
from dinar.errors import InputError
from dinar.files import atomic_file
from dinar.inpainting.inpainter import Inpainter
from dinar.networks.appearance import Appearance
from dinar.networks.parser import HumanParser
from dinar.networks.renderer import Renderer, own_mask
from dinar.painting import inpainted, look_of
from dinar.presets import Preset
from dinar.synth.view import View
from dinar.texture.generated_tuning import Scene, tune, tuned
from dinar.texture.neural_drawing import Surface, cleared, surface, surroundings
from dinar.texture.residuals import Sight
from dinar.texturing import refined, settled, sight_of
from dinar.train.avatars import avatar_of
from dinar.train.cached import CachedPeople
from dinar.train.lessons import FRONTAL, Batch, zoomed
from dinar.train.losses import Truth

CLOSE_UPS = ("left hand", "right hand", "left foot", "head")   # each drawn large once more, in one of a person's views
LARGE = (0.3, 0.7)   # how much of a window's side it takes
ON_CLOSE_UP = 0.3    # share of the windows that show one
ON_PHOTO = 0.35  # share of the others that show the view that was the photo: users compare with it first
ON_HEAD = 0.5    # share of the others that are placed about the face, if it is seen
SETTLED = 0.3    # share of the people whose colours are refined, not the generated channels alone
PAINTED = 0.5    # share of the people whose unseen side is painted by diffusion, where there are networks for it
WORN = Augmentation(mask=0.003, pose=0.35, shape=0.08, place=0.0015)   # `create` fits bodies to the outline
FINE = 65535     # steps of a UV coordinate
PIXELS = [5, 1, 4, 3, 1]    # channels of what is kept of a picture: colours, body, taught, truth, person


@dataclass(frozen=True)
class Drawn(Batch):
    """B windows of views of people, everything in [0, 1] but `generated` and `face`.

    generated  float32 [B, 16, H, W]  the generated channels at each pixel: channels 0 to 15 of eq. 2
    colours    float32 [B, 5, H, W]   channels 16 to 20; these three: see `Surface`
    uv         float32 [B, 2, H, W]
    body       float32 [B, 1, H, W]
    taught     float32 [B, 4, H, W]   what the large renderer makes of it: colours, mask
    truth      float32 [B, 3, H, W]   the view
    person     float32 [B, 1, H, W]   its mask
    face       float32 [B, 4]         box of the face: left, top, right, bottom in pixels; NaN where it is not seen
    """

    generated: Tensor
    colours: Tensor
    uv: Tensor
    body: Tensor
    taught: Tensor
    truth: Tensor
    person: Tensor
    face: Tensor

    @property
    def features(self) -> Tensor:
        """The rasterised neural texture [B, 21, H, W]."""
        return torch.cat([self.generated, self.colours], dim=1)

    def target(self, backgrounds: Tensor) -> Truth:
        """The people before plain colours [B, 3]."""
        image = self.truth * self.person + backgrounds[:, :, None, None] * (1 - self.person)
        return Truth(image, self.person, self.face)


class Sittings(CachedPeople, Dataset):
    """`sittings[position]` is `Drawn` with some windows of one person, a function of seed and position alone.

    Everybody sits once: a view, worn as a photo is (`Augmentation`), becomes an avatar as `dinar create` makes it,
    refined on the view, clothes and hair on the body, every second one painted. It is drawn in all views; what the
    renderer is given and makes of it is kept beside the true picture, which of the photo's view is the worn one, so
    that a lesson costs no more than reading it. Some 2.5 MB a view.

    Refinement moves colours until the drawing is right, and so hides what the renderer makes greyer: one that learnt
    from such colours alone would be taught to go on. So most people (all but SETTLED) keep the colours of the photo.

    Photos of whole people show hands, feet and heads small. So these are drawn large as well (CLOSE_UPS), and since no
    true picture shows them so sharp, what the large renderer makes of them counts as the truth.

    Its mask is taught no farther than the surface reaches. One that learnt before hair and skirts were part of that
    draws people larger than they are.

    Raises InputError where the folder holds other sittings.
    """

    MARKER = "sittings.json"
    OTHERS = "people drawn by others"

    def __init__(
        self,
        places: Sequence[Path],                    # folders of shards
        cache: Path,                               # where they are kept
        preset: Preset,
        appearance: Appearance,                    # whose renderer is learnt from
        *,
        inpainter: Inpainter | None = None,        # of the same appearance
        parser: HumanParser | None = None,         # None: parts are those that the shards tell
        seed: int = 0,
        augmentation: Augmentation | None = WORN,      # None: views are exact
        refined: bool = True,                      # as `dinar create` does; False: as with `--refine none`
        most: int | None = None,                   # people at the start of `places`; None: all
        ready: bool = False,                       # of them those only who are in the folder now
    ) -> None:
        super().__init__(places, cache, preset, seed)
        self.appearance, self.inpainter, self.parser = appearance, inpainter, parser
        self.augmentation, self.refined = augmentation, refined
        facts = {
            "appearance": appearance.name,
            "inpainter": inpainter and inpainter.name,
            "parser": parser and parser.name,
            "sizes": [preset.colour_size, preset.appearance.window, *preset.appearance.zoom],
            "seed": seed,
            "augmentation": repr(augmentation),
            "close-ups": [*CLOSE_UPS, *LARGE],
            "refined": refined,
            "settled": SETTLED,
        }
        self.claim(facts)
        count = min(len(self.people), most or len(self.people))
        self.numbers = [number for number in range(count) if not ready or self.path(number).exists()]
        if not self.numbers:
            raise InputError(f"nobody of {', '.join(map(str, places))} is in {cache} yet")

    def __len__(self) -> int:
        """The number of people."""
        return len(self.numbers)

    def __getitem__(self, position: int) -> Drawn:
        number, views, rng = self._sitter(position)
        count = self.preset.slimming.windows
        photo = self._photo(number, self._rng(number))
        close_ups = len(views) + rng.integers(len(CLOSE_UPS), size=count)
        shown = np.where(rng.uniform(size=count) < ON_PHOTO, photo, np.resize(views, count))
        shown = np.where(rng.uniform(size=count) < ON_CLOSE_UP, close_ups, shown)
        return self._windows(number, shown, rng)

    def views(self, position: int) -> Drawn:
        """As `sittings[position]`, but no close-ups, and views come equally often: for examinations."""
        number, views, rng = self._sitter(position)
        return self._windows(number, np.resize(views, self.preset.slimming.windows), rng)

    def window(self, number: int, view: int, rng: np.random.Generator) -> Drawn:
        """A window of a view of person `number`, which `rng` places: every second one about the face, if it is seen.

        Close-ups follow the views.
        """
        side, path = self.preset.appearance.window, self.prepare(number)
        with _undamaged(path), safe_open(path, framework="np") as file:
            face = file.get_tensor("faces")[view]
            pixels, uv = file.get_slice(f"{view}/pixels"), file.get_slice(f"{view}/uv")
            h, w = uv.get_shape()[1:]
            x, y = rng.integers(w - side + 1), rng.integers(h - side + 1)
            if rng.uniform() < ON_HEAD and np.isfinite(face).all():
                middle = (face[:2] + face[2:]) / 2 + rng.uniform(-0.3, 0.3, 2) * side
                x, y = (int(np.clip(m - side / 2, 0, most - side)) for m, most in zip(middle, (w, h), strict=True))
            cut = (slice(None), slice(y, y + side), slice(x, x + side))
            pixels = torch.from_numpy(pixels[cut])[None].float() / 255
            uv = torch.from_numpy(uv[cut].astype(np.float32))[None] / FINE
            generated = torch.from_numpy(file.get_tensor("generated"))[None].float()
        colours, body, taught, truth, person = pixels.split(PIXELS, dim=1)
        features = Surface(colours, uv, body).features(generated)
        box = torch.from_numpy(face) - torch.tensor([x, y, x, y])
        inside = bool((box[:2] >= -0.05 * side).all() & (box[2:] <= 1.05 * side).all())
        face = box if inside else torch.full((4,), torch.nan)
        return Drawn(features[:, :-5], colours, uv, body, taught, truth, person, face[None])

    def path(self, number: int) -> Path:
        """The file of person `number` of `places`; whoever has the same files in other places has the same one."""
        return self.cache / f"{self.digest(number)}.safetensors"

    def prepare(self, number: int) -> Path:
        """The file of person `number`, made if there is none."""
        path = self.path(number)
        if not path.exists():
            with torch.no_grad():
                found = self._made(number)
            found = {name: np.ascontiguousarray(array) for name, array in found.items()}   # others are written garbled
            with atomic_file(path) as temporary:
                save_file(found, temporary)
        return path

    def retune(self, number: int, renderer: Renderer) -> None:
        """Person `number`'s generated channels as refinement tunes them for another renderer: the one that learns.

        Raises InputError where nothing is refined here.
        """
        if not self.refined:
            raise InputError(f"the people in {self.cache} are not refined, so nothing is tuned anew")
        path, photo = self.prepare(number), self._photo(number, self._rng(number))
        with _undamaged(path):
            tensors = load_file(path)
        pixels = torch.from_numpy(tensors[f"{photo}/pixels"])[None].float() / 255
        colours, body, _, truth, person = pixels.split(PIXELS, dim=1)
        uv = torch.from_numpy(tensors[f"{photo}/uv"].astype(np.float32))[None] / FINE
        scene = Scene(Surface(colours, uv, body), truth, person, torch.ones_like(person))
        plain = torch.from_numpy(tensors["plain"])[None].float()
        seed = int(self._rng(number).integers(1 << 31))
        found = tuned(renderer, plain, [scene], presets.SMALL.residuals, seed=seed)
        tensors["generated"] = found[0].half().numpy()
        with atomic_file(path) as temporary:
            save_file(tensors, temporary)

    def _made(self, number: int) -> dict[str, np.ndarray]:
        rng = self._rng(number)
        views, first = self._views(number, rng)
        photo = views[first]
        if self.augmentation is not None:
            photo = augmented(Pair(photo, photo, ""), replace(self.augmentation, colour=0.0), rng).source
        avatar, plain = self._avatar(photo, rng)
        views[first] = replace(views[first], body=photo.body, image=photo.image)    # drawn as fitted, as it was worn
        body, window = self.tailor.model, self.preset.appearance.window
        found = {"generated": avatar.texture.generated[0].half().numpy(), "plain": plain[0].half().numpy()}
        faces = []
        for k, view in enumerate(views):
            zoom = float(np.exp(rng.uniform(*np.log(self.preset.appearance.zoom))))
            target = zoomed(view, zoom, window)
            vertices = avatar.model(target.body).vertices
            camera, corner = self._framed(vertices, target.camera)
            true = _cut(torch.cat([target.image, target.mask]), corner, camera.size)
            found |= self._drawn(k, avatar, vertices, camera, true)
            faces.append(self.tailor.face(vertices[:, : len(body.template)], camera).numpy())
        for k, part in enumerate(CLOSE_UPS, start=len(views)):
            view = views[rng.integers(len(views))]
            vertices = avatar.model(view.body).vertices
            points = vertices[0, : len(self.parts)][self.parts == PARTS.index(part)]
            camera = _close_up(points, view.camera, window, rng)
            found |= self._drawn(k, avatar, vertices, camera)
            faces.append(np.full(4, np.nan, np.float32))
        return found | {"faces": np.stack(faces)}

    def _drawn(
        self, k: int, avatar: Avatar, vertices: Tensor, camera: Camera, true: Tensor | None = None
    ) -> dict[str, np.ndarray]:
        """What is kept of one picture; `true` [4, H, W] is the drawing itself where there is no other."""
        texture = avatar.texture
        seen = surface(texture, avatar.painted[None], vertices, avatar.model.faces, avatar.layout, camera)
        drawn = self.appearance.renderer(seen.features(texture.generated), seen.uv, seen.mask)
        mask = cleared(torch.minimum(drawn.mask, own_mask(seen.mask)))
        taught = torch.cat([drawn.rgb[0], mask[0]])
        pixels = torch.cat([seen.colours[0], seen.mask[0], taught, taught if true is None else true])
        return {
            f"{k}/pixels": (pixels * 255).round().clamp(0, 255).to(torch.uint8).numpy(),
            f"{k}/uv": (seen.uv[0] * FINE).round().clamp(0, FINE).numpy().astype(np.uint16),
        }

    def _sitter(self, position: int) -> tuple[int, np.ndarray, np.random.Generator]:
        """Who sits at a position, in all turns once; the views in an order, and what draws all else."""
        turn, place = divmod(position, len(self))
        number = self.numbers[int(np.random.default_rng([self.seed, turn, 8]).permutation(len(self))[place])]
        rng = np.random.default_rng([self.seed, position, 9])
        return number, rng.permutation(self.people.views(number)), rng

    def _windows(self, number: int, shown: np.ndarray, rng: np.random.Generator) -> Drawn:
        return Drawn.stacked([self.window(number, int(view), rng) for view in shown])

    @cached_property
    def parts(self) -> Tensor:
        """Of which of PARTS each of the body's vertices is most."""
        return part_weights(self.tailor.model).argmax(1)

    def _rng(self, number: int) -> np.random.Generator:
        """Of how a person sits, whichever places it is in."""
        return np.random.default_rng([self.seed, int(self.path(number).stem, 16), 7])

    def _photo(self, number: int, rng: np.random.Generator) -> int:
        """Which of a person's views is the photo; the first that `rng` draws."""
        candidates = rng.integers(self.people.views(number), size=3 if rng.random() < FRONTAL else 1)
        return int(max(candidates, key=lambda view: self.people.frontality(number, int(view))))

    def _views(self, number: int, rng: np.random.Generator) -> tuple[list[View], int]:
        """All views of a person in the same new colours, and which of them is the photo."""
        views = [self.people.view(number, k) for k in range(self.people.views(number))]
        first = self._photo(number, rng)
        if self.augmentation is not None:
            gain = torch.from_numpy(np.exp(rng.normal(0, self.augmentation.colour, 3))).float()
            views = [replace(view, image=(view.image * gain[:, None, None]).clamp(0, 1)) for view in views]
        return views, first

    def _avatar(self, photo: View, rng: np.random.Generator) -> tuple[Avatar, Tensor]:
        """What `dinar create` makes of a view, some of them painted; and its generated channels before refinement."""
        plain, filler, out = avatar_of(photo, self.tailor, self.appearance, self.parser)
        plain = replace(plain, renderer=self.appearance.renderer)
        sight = sight_of(filler, plain.texture, photo.image, photo.mask, photo.body, photo.camera, without=out)
        paints = self.inpainter is not None and rng.random() < PAINTED
        settles = rng.random() < SETTLED and self.refined
        avatar, seed = plain, int(rng.integers(1 << 31))
        with torch.enable_grad():
            if settles:
                avatar = refined(avatar, [sight], filler, seed=seed)
            elif self.refined:
                avatar = _tuned(avatar, sight, seed)
        if paints:
            look = look_of(avatar, photo.image, photo.mask, photo.body, photo.camera)
            before = plain.texture, plain.painted
            avatar = inpainted(avatar, self.inpainter, filler, before=before, looks=[look], seed=seed)
        if settles:
            avatar = settled(avatar, [sight], filler, presets.SMALL.residuals.last)
        return avatar, plain.texture.generated

    def _framed(self, vertices: Tensor, camera: Camera) -> tuple[Camera, tuple[int, int]]:
        """What is kept of an image: the person's surroundings, no smaller than a window; its camera and corner."""
        there, (left, top, _, _) = surroundings(vertices, camera, self.appearance.renderer.stride)
        size = tuple(max(side, self.preset.appearance.window) for side in there.size)
        x, y = left - (size[1] - there.size[1]) // 2, top - (size[0] - there.size[0]) // 2
        return camera.cropped(x, y, size), (x, y)


@contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError, IndexError) as error:
        raise InputError(f"{path} is damaged; remove it and it is made anew") from error


def _tuned(avatar: Avatar, sight: Sight, seed: int) -> Avatar:
    """The avatar refined in its generated channels alone."""
    texture, painted = avatar.texture, avatar.painted[None]
    body = avatar.model.faces, avatar.layout
    return replace(
        avatar, texture=tune(avatar.renderer, texture, painted, [sight], *body, presets.SMALL.residuals, seed=seed)
    )


def _close_up(points: Tensor, camera: Camera, side: int, rng: np.random.Generator) -> Camera:
    """A view of points [N, 3] alone, LARGE in a window which `rng` places."""
    xy = camera.project(points[None])[0, :, :2]
    low, high = xy.amin(0), xy.amax(0)
    zoom = side * float(rng.uniform(*LARGE)) / float((high - low).amax())
    large = camera.resized((round(camera.size[0] * zoom), round(camera.size[1] * zoom)))
    x, y = ((low + high) / 2 * zoom - side / 2 + torch.from_numpy(rng.uniform(-0.2, 0.2, 2)) * side).tolist()
    return large.cropped(x, y, (side, side))


def _cut(image: Tensor, corner: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """A part of an image [C, H, W] from a corner x, y on, zeros where it reaches beyond."""
    (x, y), (h, w) = corner, size
    return functional.pad(image, (-x, x + w - image.shape[2], -y, y + h - image.shape[1]))
