"""Photographs of synthetic people: lamps, cameras, rooms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

from dinar.body.model import Body
from dinar.camera import Camera, intrinsics
from dinar.raster.rasterize import rasterize
from dinar.synth import shading
from dinar.synth.people import Person, vertex_normals
from dinar.synth.view import View

SUPERSAMPLING = 2
LAYERS = 4  # transparent surfaces that a pixel shows at most
DIRECTIONS = 48  # from which the light of the surroundings is gathered
SKY_MAP = 88  # pixels a side of what each of them sees: 2 to 3 cm, as large as faces
SHADOW_MAP = 768
FLOOR = 48  # points a side of the lit patch of floor
FLOOR_REACH = 1.4  # metres from the person to the patch's edges
_TONES = 1536  # steps of the tone curve
_FAR = 100.0  # metres: orthographic lights are that far away, so perspective does not show


@dataclass(frozen=True)
class Light:
    """What lights a scene; all light is linear RGB, 1 = white paper lit head-on.

    sky, ground  float32 [3]     light from above and from below
    lobes        float32 [L, 7]  soft lamps: direction towards them, colour, focus
    lamp         float32 [3]     direction towards the one lamp that casts sharp shadows
    colour       float32 [3]     its light
    softness     metres          its shadows' blur
    """

    sky: np.ndarray
    ground: np.ndarray
    lobes: np.ndarray
    lamp: np.ndarray
    colour: np.ndarray
    softness: float


@dataclass(frozen=True)
class Background:
    """A room or a place: a floor and a far wall.

    floor    float32 [s, s, 3]  a floor's tile, linear light, repeated every `tile` metres
    wall     float32 [h, w, 3]  what stands behind, linear light, lit already
    tile     metres
    distance metres from the person to the wall
    wide     metres, the wall's picture's width
    turn     radians, the wall's and the floor's turn about the vertical
    blur     share of the picture's height that the far wall is blurred by
    seamless whether the floor runs into the wall without an edge (a studio's paper)
    """

    floor: np.ndarray
    wall: np.ndarray
    tile: float
    distance: float
    wide: float
    turn: float
    blur: float
    seamless: bool


@dataclass(frozen=True)
class Lens:
    """What a camera does to light.

    exposure  times what the meter says
    balance   gains of red, green and blue
    blur      standard deviation, pixels
    noise     standard deviation in full light
    vignette  share of the light that the corners lose
    contrast  0 = none added, 1 = a full S-curve
    """

    exposure: float = 1.0
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blur: float = 0.45
    noise: float = 0.006
    vignette: float = 0.1
    contrast: float = 0.35


@dataclass(frozen=True)
class Scene:
    """A person in one pose, ready to be seen in any light from any side.

    vertices, normals  float32 [N, 3]
    floor              height of the ground, metres
    patch              float32 [FLOOR * FLOOR, 3]  points on it about the person
    facing             float32 [D, N + FLOOR * FLOOR]  cosine to each direction, 0 where it is hidden
    seen               float32 [D, N + FLOOR * FLOOR]  1 where it is not
    """

    person: Person
    body: Body
    vertices: np.ndarray
    normals: np.ndarray
    floor: float
    patch: np.ndarray
    facing: np.ndarray
    seen: np.ndarray


@dataclass(frozen=True)
class LitScene:
    """A scene in some light.

    surface      float32 [N, shading.SURFACE_COLUMNS]  position about `middle`, normal, light of the surroundings
    patch_light  float32 [FLOOR, FLOOR, 3]             light of the surroundings on the floor
    middle       float32 [3]                           metres
    meter        what a light meter in the person's place says: pictures of one meter reading go together
    """

    scene: Scene
    lamps: shading.Lamps
    shadow: shading.Shadow
    surface: np.ndarray
    patch_light: np.ndarray
    middle: np.ndarray
    meter: float


def photograph(
    person: Person,
    body: Body,
    camera: Camera,
    light: Light,
    background: Background,
    *,
    lens: Lens | None = None,
    seed: int = 0,
) -> View:
    """One picture, `camera.size` large. More of one pose are cheaper with `arrange`, `illuminate` and `take`."""
    return expose(arrange(person, body), camera, light, background, lens=lens, seed=seed)


def arrange(person: Person, body: Body) -> Scene:
    """A person in a pose, and how much of the surroundings each vertex and the floor about it see."""
    vertices = person.posed(body).astype(np.float32)
    normals = _normals(person, vertices)
    box = shading.bounds(vertices)
    floor, middle = float(box[0, 1]), box.mean(0)
    line = np.linspace(-FLOOR_REACH, FLOOR_REACH, FLOOR, dtype=np.float32)
    x, z = np.meshgrid(line + middle[0], line + middle[2])
    patch = np.stack([x, np.full_like(x, floor), z], axis=2).reshape(-1, 3)

    points = np.concatenate([vertices + 0.008 * normals, patch + np.float32([0, 0.004, 0])]) - middle
    ways = _directions()
    frames = _sky_frames()
    reach = float(np.linalg.norm(vertices - middle, axis=1).max()) * 1.02
    scale = SKY_MAP / 2 / reach
    depths = np.empty((DIRECTIONS, SKY_MAP, SKY_MAP), np.float32)
    shading.sky_depths(vertices - middle, person.faces, frames, scale, depths)
    seen = np.empty((DIRECTIONS, len(points)), np.float32)
    shading.visibility(points, frames, depths, scale, 0.018, seen)
    facing = ways @ np.concatenate([normals, np.tile(np.float32([[0, 1, 0]]), (len(patch), 1))]).T
    np.maximum(facing, 0, out=facing)
    facing *= seen
    return Scene(person, body, vertices, normals, floor, patch, facing, seen)


def illuminate(scene: Scene, light: Light) -> LitScene:
    """A scene in some light, to be seen from any side."""
    person, n = scene.person, len(scene.vertices)
    ways = _directions()
    lamps = shading.Lamps(light.lamp, light.colour, light.lobes, light.sky, light.ground)
    radiance = np.empty((DIRECTIONS, 3), np.float32)
    shading.environment(ways, lamps, radiance)
    radiance *= 4 / DIRECTIONS
    irradiance = (radiance.T @ scene.facing).T
    of_ways = np.concatenate([radiance.mean(1)[:, None] * ways, np.full((DIRECTIONS, 1), 1 / DIRECTIONS)], axis=1)
    middle = scene.vertices.mean(0)
    surface = np.zeros((n, shading.SURFACE_COLUMNS), np.float32)
    surface[:, :3] = scene.vertices - middle
    surface[:, 3:6] = scene.normals
    surface[:, 6:9] = irradiance[:n] + 0.06 * radiance.sum(0) / 4  # the latter from the person's other parts
    surface[:, 9:13] = (of_ways.T.astype(np.float32) @ scene.seen[:, :n]).T

    reach = float(np.linalg.norm(surface[:, :3], axis=1).max()) * 1.02
    scale = SHADOW_MAP / 2 / reach
    frame = _frame(light.lamp)
    middle_of_map = np.float32([SHADOW_MAP / 2, SHADOW_MAP / 2, _FAR])
    points = surface[:, :3] @ frame.T * np.float32([scale, scale, 1]) + middle_of_map
    depth = rasterize(torch.from_numpy(points)[None], torch.from_numpy(person.faces), (SHADOW_MAP, SHADOW_MAP)).depth
    shadow = shading.Shadow(depth[0].numpy() - np.float32(_FAR), frame, scale, light.softness * scale)
    towards = np.clip(scene.normals @ light.lamp, 0, None).mean()
    meter = float(0.26 * surface[:, 6:9].mean() + 0.20 * towards * light.colour.mean())
    return LitScene(scene, lamps, shadow, surface, irradiance[n:].reshape(FLOOR, FLOOR, 3), middle, meter)


def expose(
    scene: Scene, camera: Camera, light: Light, background: Background, *, lens: Lens | None = None, seed: int = 0
) -> View:
    """A picture of a scene in some light; see `take`."""
    return take(illuminate(scene, light), camera, background, lens=lens, seed=seed)


def take(
    lit: LitScene,
    camera: Camera,
    background: Background,
    *,
    lens: Lens | None = None,
    seed: int = 0,  # of the noise
    meter: float | None = None,  # the light that exposure goes by; None: of what the picture shows
) -> View:
    """A picture, `camera.size` large."""
    lens = lens or Lens()
    scene = lit.scene
    h, w = camera.size
    screen = camera.resized((h * SUPERSAMPLING, w * SUPERSAMPLING)).project(torch.from_numpy(scene.vertices)).numpy()
    x0, y0, x1, y1 = _box(screen, (h, w))
    person = np.zeros((max(y1 - y0, 0), max(x1 - x0, 0), 4), np.float32)
    if person.size:
        screen -= np.float32([x0 * SUPERSAMPLING, y0 * SUPERSAMPLING, 0])
        _draw(lit, screen, camera.position.numpy(), person)
    mask = np.zeros((h, w), np.float32)
    mask[y0:y1, x0:x1] = np.clip(person[..., 3], 0, 1)

    behind, soft = _surroundings(lit, camera, background)
    light = np.empty((h, w, 3), np.float32)
    shading.compose(person, y0, x0, behind, soft, light)
    return View(
        image=torch.from_numpy(_developed(light, lens, seed, meter)),
        mask=torch.from_numpy(mask)[None],
        camera=camera,
        body=scene.body,
    )


def _draw(lit: LitScene, screen: np.ndarray, eye: np.ndarray, out: np.ndarray) -> None:
    """Lays a person whose vertices are at `screen` [N, 3], SUPERSAMPLING samples a pixel's side, over out [h, w, 4]."""
    person, images = lit.scene.person, lit.scene.person.images
    lod = np.empty(len(person.faces), np.float32)
    shading.levels(screen, person.faces, person.uv, person.uv_faces, person.part, images.sizes, lod)
    mesh = shading.Mesh(
        lit.surface, person.faces, person.uv_faces, person.uv, person.part, lod, images.pixels, images.starts,
        images.sizes, person.materials,
    )  # fmt: skip
    eye = (eye - lit.middle).astype(np.float32)
    size = (out.shape[0] * SUPERSAMPLING, out.shape[1] * SUPERSAMPLING)
    pushed = screen.copy()
    pushed[:, 2] += person.under
    fragments = rasterize(torch.from_numpy(pushed)[None], torch.from_numpy(person.faces[: person.opaque]), size)
    face, barycentric = fragments.face[0].numpy()[..., None], fragments.barycentric[0].numpy()[..., None, :]
    shading.shade(face, barycentric, mesh, lit.lamps, lit.shadow, eye, True, out)

    if person.opaque == len(person.faces):
        return
    points = screen[person.faces[person.opaque :].ravel()]
    x0, y0, x1, y1 = _box(points, out.shape[:2])
    if x0 >= x1 or y0 >= y1:
        return
    rows, columns = slice(y0 * SUPERSAMPLING, y1 * SUPERSAMPLING), slice(x0 * SUPERSAMPLING, x1 * SUPERSAMPLING)
    nearest = fragments.depth[0].numpy()[rows, columns].copy()
    many = (*nearest.shape, LAYERS)
    face, barycentric = np.empty(many, np.int32), np.empty((*many, 3), np.float32)
    moved = screen - np.float32([columns.start, rows.start, 0])
    shading.layers(moved, person.opaque, mesh, nearest, face, barycentric, np.empty(many, np.float32))
    shading.shade(face, barycentric, mesh, lit.lamps, lit.shadow, eye, False, out[y0:y1, x0:x1])


def _box(points: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The pixels (left, top, right, bottom) of an image of `size` (H, W) that samples [N, 3] lie in."""
    low, high = shading.bounds(points)[:, :2] / SUPERSAMPLING
    x0, y0 = np.clip(np.floor(low).astype(int), 0, size[::-1])
    x1, y1 = np.clip(np.ceil(high).astype(int), 0, size[::-1])
    return int(x0), int(y0), int(x1), int(y1)


def _normals(person: Person, vertices: np.ndarray) -> np.ndarray:
    """Unit normals [N, 3]; those of hair lean away from the head's middle, as a mop's do."""
    normals = vertex_normals(vertices, person.faces)
    hair = person.kind == 2
    if hair.any():
        skull = vertices[person.kind == 3].mean(0)
        away = vertices[hair] - (skull - np.float32([0, 0.0, 0.06]))
        away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
        own = normals[hair] * np.where((normals[hair] * away).sum(1, keepdims=True) < 0, -1, 1)
        mixed = own + 0.8 * away
        normals[hair] = mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-6)
    return normals


def _directions() -> np.ndarray:
    """DIRECTIONS unit vectors spread over the sphere, float32 [D, 3]."""
    k = np.arange(DIRECTIONS) + 0.5
    y = 1 - 2 * k / DIRECTIONS
    angle = np.pi * (1 + math.sqrt(5)) * k
    r = np.sqrt(1 - y * y)
    return np.stack([r * np.cos(angle), y, r * np.sin(angle)], axis=1).astype(np.float32)


@lru_cache(maxsize=1)
def _sky_frames() -> np.ndarray:
    """The axes of what is seen from each of `_directions`, float32 [D, 3, 3]."""
    return np.stack([_frame(d) for d in _directions()])


def _frame(direction: np.ndarray) -> np.ndarray:
    """Axes of what is seen from `direction`: right, down, away, float32 [3, 3]."""
    away = -direction / np.linalg.norm(direction)
    right = np.cross(away, [0, 1, 0] if abs(away[1]) < 0.95 else [0, 0, 1])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(away, right), away]).astype(np.float32)


def _surroundings(lit: LitScene, camera: Camera, background: Background) -> tuple[np.ndarray, np.ndarray]:
    """Floor and wall [H, W, 4] with the person's shadow, linear, with their distance (1 = the person's); and the same
    out of focus."""
    h, w = camera.size
    K, R, eye = camera.K.numpy(), camera.R.numpy(), camera.position.numpy()
    first = np.float32([-K[0, 2] / K[0, 0], -K[1, 2] / K[1, 1], 1]) @ R
    rays = shading.Rays(eye, first, R[0] / K[0, 0], R[1] / K[1, 1])
    forward = np.float32([R[2, 0], 0, R[2, 2]])
    forward /= np.linalg.norm(forward) + 1e-9
    c, s = math.cos(background.turn), math.sin(background.turn)
    forward = np.float32([forward[0] * c + forward[2] * s, 0, forward[2] * c - forward[0] * s])
    right = np.float32([-forward[2], 0, forward[0]])
    place = shading.Place(
        background.floor, background.wall, background.floor.mean((0, 1)), lit.middle, lit.scene.floor, forward, right,
        float(background.distance), float(background.tile), float(background.wide), background.seamless,
    )  # fmt: skip
    grid = lit.patch_light
    rim = np.concatenate([grid[0], grid[-1], grid[:, 0], grid[:, -1]]).mean(0)
    lamp = lit.lamps.colour * max(float(lit.lamps.lamp[1]), 0.0)
    falls = np.empty((-(-h // 2), -(-w // 2), 3), np.float32)
    corner, step = lit.scene.patch[0, [0, 2]], 2 * FLOOR_REACH / (FLOOR - 1)
    shading.floor_light(rays, place, grid, corner, step, rim, lamp, lit.shadow, falls)
    falls = cv2.GaussianBlur(falls, (5, 5), max(h / 1000, 0.6))
    falls = cv2.resize(falls, (falls.shape[1] * 2, falls.shape[0] * 2), interpolation=cv2.INTER_LINEAR)
    picture = np.empty((h, w, 4), np.float32)
    shading.surroundings(rays, place, falls, picture)
    sigma = background.blur * h
    if sigma <= 0:
        return picture, picture
    if sigma < 2:
        return picture, cv2.GaussianBlur(picture, (0, 0), sigma)
    shrunk = 2 if sigma < 4 else 4
    small = cv2.resize(picture, (-(-w // shrunk), -(-h // shrunk)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / shrunk)
    return picture, cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)


def _developed(light: np.ndarray, lens: Lens, seed: int, meter: float | None = None) -> np.ndarray:
    """Linear light [H, W, 3] as a camera's sRGB picture float32 [3, H, W]."""
    rng = np.random.default_rng([seed, 7])
    h, w = light.shape[:2]
    if meter is None:
        meter = float(np.exp(np.log(light[::3, ::3].mean(2) + 0.01).mean()))
    gain = np.float32(lens.exposure * (0.27 / meter) ** 0.8 * np.array(lens.balance))
    if lens.blur > 0:
        light = cv2.GaussianBlur(light, (5, 5), lens.blur)
    normal = _grain()
    starts = rng.integers(0, len(normal) - w, (3, h))
    out = np.empty((3, h, w), np.float32)
    shading.develop(
        light, gain, float(lens.vignette), float(lens.noise), normal, starts, _tone(lens.contrast), _TONES, out
    )
    return out


@lru_cache(maxsize=1)
def _grain() -> np.ndarray:
    """Normally distributed numbers, far more than a picture has pixels in a row."""
    return np.random.default_rng(0).standard_normal(1 << 19, np.float32)


def _tone(contrast: float) -> np.ndarray:
    """sRGB values for the square roots 0, 1 / _TONES, ... 1.5 of linear light."""
    light = (np.arange(_TONES * 3 // 2 + 2) / _TONES) ** 2
    light = light * (1 + light / 4.0) / (1 + light * 0.85)  # a shoulder, as films and cameras have
    srgb = np.where(light < 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-8) ** (1 / 2.4) - 0.055)
    srgb = np.clip(srgb, 0, 1)
    return (srgb + contrast * (srgb * srgb * (3 - 2 * srgb) - srgb)).astype(np.float32)


def frame_camera(
    scene: Scene,
    size: tuple[int, int],  # (H, W)
    *,
    azimuth: float = 0.0,  # degrees; 0 = from the front, 90 = from the person's left
    height: float = 1.2,  # metres above the floor
    fov: float = 30.0,  # vertical, degrees
    margin: float = 0.08,  # of the picture's height, above the head and below the feet
    roll: float = 0.0,  # degrees
) -> Camera:
    """A camera that has all of a person in its picture, as close as its margins let it."""
    a = math.radians(azimuth)
    points = torch.from_numpy(scene.vertices[::8])  # neighbours are next to one another
    middle = (points.amin(0) + points.amax(0)) / 2
    focal = size[0] / 2 / math.tan(math.radians(fov) / 2)
    distance = 2.0
    for _ in range(12):
        eye = middle + torch.tensor([math.sin(a) * distance, 0.0, math.cos(a) * distance])
        eye[1] = scene.floor + height
        camera = _aimed(eye, middle, focal, size, roll)
        p = camera.project(points)
        low, high = p[:, :2].amin(0), p[:, :2].amax(0)
        wanted = torch.tensor([size[1] * (1 - 1.2 * margin), size[0] * (1 - 2 * margin)])
        excess = float(((high - low) / wanted).max())
        distance *= excess
        if abs(excess - 1) < 1e-3:
            break
    shift = (low + high) / 2 - torch.tensor([size[1] / 2, size[0] / 2])
    return camera.cropped(float(shift[0]), float(shift[1]), size)


def _aimed(eye: Tensor, target: Tensor, focal: float, size: tuple[int, int], roll: float) -> Camera:
    forward = torch.nn.functional.normalize(target - eye, dim=0)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, torch.tensor([0.0, 1.0, 0.0])), dim=0)
    down = torch.linalg.cross(forward, right)
    c, s = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    R = torch.stack([c * right + s * down, c * down - s * right, forward])
    return Camera(intrinsics(focal, size), R, -R @ eye, size)


def daylight() -> Light:
    """A bright room: a large window to the front left, white walls."""
    return Light(
        sky=np.float32([0.42, 0.43, 0.45]),
        ground=np.float32([0.22, 0.20, 0.18]),
        lobes=np.float32([[-0.6, 0.45, 0.66, 0.75, 0.74, 0.72, 3.0], [0.85, 0.3, -0.4, 0.35, 0.36, 0.4, 5.0]]),
        lamp=np.float32([-0.45, 0.65, 0.61]),
        colour=np.float32([0.62, 0.59, 0.54]),
        softness=0.03,
    )


def studio() -> Background:
    """A photographer's seamless grey paper."""
    y, x = np.mgrid[0:192, 0:256].astype(np.float32)
    glow = np.exp(-(((x - 128) / 110) ** 2 + ((y - 90) / 100) ** 2))
    wall = (0.30 + 0.32 * glow)[..., None] * np.float32([0.98, 1.0, 1.03])
    return Background(np.full((4, 4, 3), 0.5, np.float32), wall.astype(np.float32), 1.0, 1.8, 6.0, 0.0, 0.0, True)


def contact_sheet(views: Sequence[View], *, columns: int = 8, height: int = 256) -> Tensor:
    """Pictures side by side, each `height` pixels tall, in one image [3, H, W]."""
    cells = [
        torch.nn.functional.interpolate(
            v.image[None], (height, round(height * v.image.shape[2] / v.image.shape[1])), mode="area"
        )[0]
        for v in views
    ]
    width = max(c.shape[2] for c in cells)
    rows = -(-len(cells) // columns)
    sheet = torch.zeros(3, rows * height, min(columns, len(cells)) * width)
    for k, cell in enumerate(cells):
        y, x = k // columns * height, k % columns * width
        sheet[:, y : y + height, x : x + cell.shape[2]] = cell
    return sheet
