"""Makes the pictures of `docs/` from `examples/person.jpg`.

    .venv/bin/python tools/build_docs.py [NAME...]

All of them without names but `people` and `layers`, which take minutes and what is not in the repository, else those
named
(`fit`, `views`, ...); some 40 seconds, and as many for `exported`, which needs a browser with three.js
(`tools/three.py`) and Blender (`tools/blender.py`). The networks that look at the photo are found as `dinar` finds them
(`docs/offline.md`). `troubleshooting` stands for all of `tools/troubles.py`. With `pose_landmark_full.tflite`, which is
the default, the same pictures come out every time.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import blender
import numpy as np
import three
import torch
import troubles
from build_example import window_light
from PIL import Image
from torch import Tensor
from torch.nn import functional

from dinar import images, pipeline
from dinar.avatar import VIEWS, Avatar, Shot
from dinar.body.model import Body
from dinar.camera import framing
from dinar.files import atomic_file
from dinar.fit.overlay import shaded
from dinar.motion import retarget
from dinar.motion.motion import Motion
from dinar.photo import overlay
from dinar.photo.photo import Photo
from dinar.photo.understanding import Said
from dinar.pipeline import Source
from dinar.raster.rasterize import interpolate, rasterize
from dinar.scene import place
from dinar.scene.alive import scene_of
from dinar.store import Store
from dinar.synth.people import random_person
from dinar.synth.sets import random_background
from dinar.synth.studio import arrange, expose, frame_camera
from dinar.synth.wardrobe import Wardrobe
from dinar.texture.occlusion import occlusion_band

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
EXAMPLE = ROOT / "examples" / "person.jpg"
PHOTOS = ROOT.parent / "shared" / "photos"

MOST_BYTES = 120_000          # of one picture
QUALITIES = range(88, 40, -6)  # of WebP: the first that keeps to it
TALL = 640                    # pixels: height of a picture of the person
PAPER = 0.95                  # grey behind the person: white clothes stand out
GAP = 12                      # pixels between panels
EMPTY = (0.25, 0.25, 0.28)    # of texels that hold nothing
BAND = (1.0, 0.1, 0.2)        # of pixels beside an occluding limb
GAIT = 32 / 30                # seconds that one round of the gait takes in the shipped walk
WALK_FPS = 15
STRIPS = {"walk": GAIT, "wave": None, "dance": None}   # seconds of a clip, None for all of it
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]    # WebGL without a graphics card
EXPORTED = ((0, 20.0), (12, 70.0), (24, 200.0))        # frames of the walk, and from where they are seen
COME_ALIVE = (0.7, 2.0, 3.2)  # seconds after the beginning of a photo that comes alive
TRIANGLES = (33_244, 8_000, 3_000, 1_500)
SMALL = (260, 150)            # pixels: height and width of one of many people's views
ACROSS = 7                    # frames of a clip side by side


@dataclass(frozen=True)
class Example:
    """The example, as far as a picture needs it: each step is made once, when it is first asked for."""

    path: Path = EXAMPLE

    @cached_property
    def photo(self) -> Photo:
        return pipeline.look_at(self.path, Store())

    @cached_property
    def fitted(self) -> Tensor:
        """What `dinar fit` draws [3, S, S]."""
        picture, _ = pipeline.overlay_of(self.path)
        return picture

    @cached_property
    def avatar(self) -> Avatar:
        return pipeline.create([self.path])

    @cached_property
    def whole(self) -> Tensor:
        """The photo itself [3, H, W]."""
        return images.load(self.path)

    @property
    def shot(self) -> Shot:
        return self.avatar.shots[0]

    @cached_property
    def vertices(self) -> Tensor:
        """The body in the photo's pose [1, V, 3], metres."""
        body = Body(self.avatar.shape[None], self.shot.pose[None], self.shot.expression[None],
                    self.shot.translation[None])  # fmt: skip
        with torch.no_grad():
            return self.avatar.model(body).vertices

    def framed(self, crop: Tensor) -> Tensor:
        """The part of a crop [C, S, S] that lies in the photo."""
        (x, y, scale), (h, w) = self.photo.window, self.photo.source_size
        side = crop.shape[-1]
        left, right = (min(max(round((edge - x) * scale), 0), side) for edge in (0, w))
        top, bottom = (min(max(round((edge - y) * scale), 0), side) for edge in (0, h))
        return crop[:, top:bottom, left:right]


def landmarks(example: Example) -> Tensor:
    return tall(example.framed(overlay.draw(example.photo)))


def mask(example: Example) -> Tensor:
    soft = example.photo.mask
    alone = example.photo.image * soft + PAPER * (1 - soft)
    return row([tall(example.framed(soft.expand(3, -1, -1))), tall(example.framed(alone))])


def fit(example: Example) -> Tensor:
    return tall(example.framed(example.fitted))


def outline(example: Example) -> Tensor:
    """The dressed body over the photo."""
    return tall(shaded(example.whole, example.vertices, example.avatar.model.faces, example.shot.camera))


def occlusion(example: Example) -> Tensor:
    """The body's parts as the photo's camera sees them, and the pixels that are not sampled."""
    model, layout, camera = example.avatar.model, example.avatar.layout, example.shot.camera
    fragments = rasterize(camera.project(example.vertices), model.faces, camera.size)
    parts = interpolate(fragments, layout.part_colours[None], model.faces)[0]
    parts = parts + (1 - fragments.mask[0]) * PAPER
    band = occlusion_band(example.vertices, model.faces, layout.part_colours, camera)[0]
    marked = example.whole * (1 - 0.8 * band) + colour(BAND) * 0.8 * band
    return row([tall(parts), tall(marked)])


def sampled(example: Example) -> Tensor:
    """Colours that the photo gave, and the two masks of eq. 2."""
    texture = example.avatar.texture
    rgb = torch.where(texture.filled[0] > 0, texture.rgb[0], colour(EMPTY))
    masks = [part[0].expand(3, -1, -1) for part in (texture.sampled, texture.filled)]
    return row([rgb, *masks])


def filled(example: Example) -> Tensor:
    return example.avatar.painted


def layout(example: Example) -> Tensor:
    """The UV layout in the part colours of section 3.5, with the triangles' edges."""
    wear, fine, side = example.avatar.layout, 4, 512
    corners = functional.pad(wear.uv * (side * fine), (0, 1), value=1.0)
    fragments = rasterize(corners[None], wear.faces, (side * fine, side * fine))
    parts = interpolate(fragments, wear.part_colours[None], example.avatar.model.faces)[0]
    face = fragments.face[0]
    edge = torch.zeros_like(face, dtype=torch.bool)
    edge[1:] |= face[1:] != face[:-1]
    edge[:, 1:] |= face[:, 1:] != face[:, :-1]
    drawn = torch.where(face >= 0, parts * (1 - 0.45 * edge), colour(EMPTY))
    return images.resize(drawn, (side, side))


def views(example: Example) -> Tensor:
    return row([example.avatar.view(name, (560, 360)).over(PAPER)[0] for name in VIEWS], gap=0)


def people(example: Example) -> Tensor:
    """The four views of the photos in `../shared/photos` that may be shown (its SOURCES.md), two people a row."""
    rows = []
    for path in sorted(path for pattern in ("yogait_*", "coco_*", "openpifpaf_*") for path in PHOTOS.glob(pattern)):
        avatar = pipeline.create([path])
        rows.append(row([avatar.view(name, SMALL).over(PAPER)[0] for name in VIEWS], gap=0))
    if len(rows) % 2:
        rows.append(torch.full_like(rows[0], PAPER))
    return torch.cat([row(pair) for pair in zip(rows[::2], rows[1::2], strict=True)], dim=1)


def layers(example: Example) -> Tensor:
    """Somebody made up who wears a skirt: the picture, and the avatar with the layer, below it without."""
    wardrobe = Wardrobe(ROOT.parent / "shared/assets")
    person = next(one for one in (random_person(wardrobe, seed) for seed in range(5000, 5100)) if "skirt" in one.wears)
    scene = arrange(person, person.at_rest())
    camera = frame_camera(scene, (768, 576), height=1.2, fov=28.0, margin=0.06)
    view = expose(scene, camera, window_light(), random_background(np.random.default_rng(0), wardrobe))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        photo, labels = Path(folder) / "photo.png", Path(folder) / "parts.png"
        images.save(photo, view.image)
        Image.fromarray(view.parts.numpy()).save(labels)
        for worn in (True, False):
            avatar = pipeline.create(Source(photo, said=Said(labels=(labels, "dinar"))), layers=worn)
            panels = [images.resize(view.image[:, :, 88:488], (300, 156))]
            panels += [avatar.view(name, (300, 200)).over(PAPER)[0] for name in ("front", "left", "back")]
            motion = Motion.load("walk").clipped(0, 0.8).resampled(3)
            panels += [drawn.over(PAPER)[0] for drawn in avatar.moving(motion, (300, 180), azimuth=60.0)]
            rows.append(row(panels, gap=0))
    return torch.cat(rows, dim=1)


def again(example: Example) -> Tensor:
    """The photo, and the avatar in the same pose before the same camera."""
    drawn = example.avatar.view("photo").over(PAPER)[0]
    return row([tall(example.whole), tall(drawn)])


def clips(example: Example) -> Tensor:
    """A row a clip."""
    strips = []
    for name, seconds in STRIPS.items():
        motion = Motion.load(name).clipped(0, seconds)
        some = motion.resampled(ACROSS / motion.seconds)
        strips.append(row([r.over(PAPER)[0] for r in example.avatar.moving(some, (300, 200), azimuth=25.0)], gap=0))
    return torch.cat(strips, dim=1)


def exported(example: Example) -> Tensor:
    """The person as the neural renderer draws it, and from the same cameras in three.js and Blender."""
    avatar, motion = example.avatar, Motion.load("walk").clipped(0.5, 1.5)
    with torch.no_grad():
        bodies = retarget.apply(motion, avatar.model, avatar.shape)
        panels, shots = [], []
        for k, azimuth in EXPORTED:
            body = bodies[k : k + 1]
            camera = framing(avatar.model(body).vertices[0], azimuth, 4.0, (TALL - 80, 240))
            panels.append(avatar.render(camera, body).over(PAPER)[0])
            shots.append(three.Shot(camera, "walk", k / motion.fps))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "person.glb"
        avatar.export(path, motions={"walk": motion})
        theirs = [
            [images.from_bytes(picture) for picture in pictures]
            for pictures in (
                three.draw(path, shots, background=(PAPER,) * 3).pictures,
                blender.draw(path, shots, background=(PAPER,) * 3),
            )
        ]
    return row([row(group, gap=0) for group in zip(panels, *theirs, strict=True)])


def triangles(example: Example) -> Tensor:
    """The same person in fewer and fewer triangles, and in clay with their edges."""
    avatar = example.avatar
    panels = []
    for count in TRIANGLES:
        shown = avatar.wearing(avatar.figure(texture="plain", outline=False, triangles=count))
        body = shown.standing()
        with torch.no_grad():
            vertices = shown.model(body).vertices
        head = vertices[0][vertices[0, :, 1] > vertices[0, :, 1].max() - 0.24]
        camera = framing(head, 25.0, 5.0, (300, 260))
        drawn = shown.render(camera, body).over(PAPER)[0]
        fine = camera.resized((1200, 1040))
        face = rasterize(fine.project(vertices), shown.model.faces, fine.size).face[0]
        edge = torch.zeros_like(face, dtype=torch.bool)
        edge[1:] |= face[1:] != face[:-1]
        edge[:, 1:] |= face[:, 1:] != face[:, :-1]
        clay = shaded(torch.full((3, *fine.size), PAPER), vertices, shown.model.faces, fine)
        clay = images.resize(clay * (1 - 0.5 * edge * (face >= 0)), camera.size)
        panels.append(torch.cat([drawn, clay], dim=1))
    return row(panels, gap=0)


def walk(example: Example) -> list[Tensor]:
    """One round of the gait out of the middle of the clip, so that the last frame leads into the first."""
    motion = Motion.load("walk").resampled(WALK_FPS)
    count = round(GAIT * WALK_FPS)
    frames = islice(example.avatar.moving(motion, (480, 320), azimuth=35.0), count, 2 * count)
    return [frame.over(PAPER)[0] for frame in frames]


def page(example: Example) -> Tensor:
    """`dinar view` in Chromium without a window: a hand has been dragged up by its handle."""
    from playwright.sync_api import sync_playwright

    from dinar.viewer.viewer import Viewer

    path = next(filter(None, map(shutil.which, BROWSERS)))
    viewer = Viewer(example.avatar, "person")
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=path, args=BROWSER)
            shown = browser.new_page(viewport={"width": 1120, "height": 700})
            shown.set_default_timeout(120_000)
            shown.goto(viewer.url)
            shown.add_style_tag(content=".mantine-Notifications-root { display: none }")
            shown.get_by_role("tab", name="Pose").click()
            shown.get_by_role("checkbox", name="Handles").click(force=True)
            hand = viewer.puppet.handles()["rightHand"]
            viewer.puppet.reach("rightHand", hand + torch.tensor([-0.1, 0.5, 0.15]))
            viewer.refresh()
            shown.mouse.move(10, 690)                  # off the hints
            shown.wait_for_timeout(15_000)             # until the sharp picture has come
            taken = shown.screenshot()
            browser.close()
    finally:
        viewer.close()
    with Image.open(io.BytesIO(taken)) as picture:
        return images.from_bytes(np.asarray(picture.convert("RGB")))


def alive(example: Example) -> Tensor:
    """The photo, what is behind the person, and three frames of `dinar alive`."""
    scene, person = scene_of(Source(EXAMPLE), example.avatar, longest=TALL)
    course = place.course(Motion.load("wave").resampled(WALK_FPS), person.model, scene.start)
    chosen = [round(second * WALK_FPS) for second in COME_ALIVE]
    some = place.Course(course.bodies[torch.tensor(chosen)], tuple(course.photo[k] for k in chosen))
    return row([scene.photo, scene.background, *scene.play(person, some)])


PAINTERS: dict[str, Callable[[Example], Tensor | list[Tensor]]] = {
    painter.__name__: painter
    for painter in (
        landmarks, mask, fit, outline, occlusion, sampled, filled, layout,
        views, layers, people, again, clips, exported, triangles, walk, alive, page,
    )
} | {painter.__name__: lambda example, painter=painter: row(painter()) for painter in troubles.PAINTERS}
GROUPS = {"troubleshooting": [painter.__name__ for painter in troubles.PAINTERS]}


def tall(image: Tensor) -> Tensor:
    """A picture [C, H, W] at the height of all pictures of the person."""
    h, w = image.shape[-2:]
    return images.resize(image, (TALL, round(w * TALL / h)))


def row(panels: Sequence[Tensor], *, gap: int = GAP) -> Tensor:
    """Panels of one height side by side, white between."""
    parts = [panels[0]]
    for panel in panels[1:]:
        parts += [panel.new_ones(3, panel.shape[1], gap), panel]
    return torch.cat(parts, dim=2)


def colour(rgb: tuple[float, float, float]) -> Tensor:
    return torch.tensor(rgb)[:, None, None]


def encoded(picture: Tensor | list[Tensor]) -> bytes:
    """A picture as WebP, several frames as an animated one that repeats; the best quality that keeps to MOST_BYTES."""
    frames = [images.to_bytes(frame) for frame in (picture if isinstance(picture, list) else [picture])]
    first, *rest = (Image.fromarray(np.ascontiguousarray(frame)) for frame in frames)
    motion = {"save_all": True, "append_images": rest, "duration": round(1000 / WALK_FPS), "loop": 0} if rest else {}
    for quality in QUALITIES:
        file = io.BytesIO()
        first.save(file, "WEBP", quality=quality, method=6, **motion)
        if file.tell() <= MOST_BYTES:
            return file.getvalue()
    raise ValueError(f"a picture of {first.size} does not fit into {MOST_BYTES} bytes; make it smaller")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join((*PAINTERS, *GROUPS)))
    asked = parser.parse_args().names or [name for name in PAINTERS if name not in (people.__name__, layers.__name__)]
    names = [one for name in asked for one in GROUPS.get(name, [name])]
    if unknown := set(names) - set(PAINTERS):
        parser.error(f"no picture is called {', '.join(sorted(unknown))}; there are {', '.join(PAINTERS)}")
    torch.manual_seed(0)
    example = Example()
    for name in names:
        data = encoded(PAINTERS[name](example))
        path = PICTURES / f"{name}.webp"
        with atomic_file(path) as temporary:
            temporary.write_bytes(data)
        print(f"{path.relative_to(ROOT)}  {len(data) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
