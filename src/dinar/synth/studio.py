"""Photographs of synthetic people: lamps, cameras, rooms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
import torch
from scipy.spatial import ConvexHull
from torch import Tensor

from dinar.body.model import Body
from dinar.camera import Camera, intrinsics
from dinar.synth.kernels import meshes, openness, shading, surroundings, visible
from dinar.synth.lens import Lens, developed
from dinar.synth.people import Person
from dinar.synth.places import Background, Light
from dinar.synth.view import View

SUPERSAMPLING = 2
LAYERS = 4  # transparent surfaces that a pixel shows at most
AXES = 24  # from both ends of which the light of the surroundings is gathered
DIRECTIONS = 2 * AXES
SKY_MAP = 88  # pixels a side of what each of them sees: 2 to 3 cm, as large as faces
SHADOW_MAP = 768  # pixels a side of what a lamp sees; half as many do where shadows are soft
FLOOR = 48  # points a side of the lit patch of floor
FLOOR_REACH = 1.4  # metres from the person to the patch's edges
_PLACE_STEP = 2  # pixels: the place behind is drawn this coarsely, but for the floor where it is in focus
_FAR = 100.0  # metres: farther than anything is from a scene's middle


@dataclass(frozen=True)
class Scene:
    """A person in one pose, ready to be seen in any light from any side.

    vertices, normals  float32 [N, 3]
    floor              height of the ground, metres
    patch              float32 [FLOOR * FLOOR, 3]  points on it about the person
    facing             float32 [D, N + FLOOR * FLOOR]  cosine to each of `_directions`, 0 where it is hidden
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

    @cached_property
    def outermost(self) -> np.ndarray:
        """The corners of the person's convex hull, float32 [M, 3]: what a picture has to hold."""
        points = self.vertices[::4]  # neighbours are next to one another
        return points[ConvexHull(points).vertices]


@dataclass(frozen=True)
class LitScene:
    """A scene in some light.

    surface      float32 [N, meshes.SURFACE_COLUMNS]  position about `middle`, normal, light of the surroundings
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
    vertices = person.posed(body)
    normals = _normals(person, vertices)
    box = _bounds(vertices)
    floor, middle = float(box[0, 1]), box.mean(0)
    line = np.linspace(-FLOOR_REACH, FLOOR_REACH, FLOOR, dtype=np.float32)
    x, z = np.meshgrid(line + middle[0], line + middle[2])
    patch = np.stack([x, np.full_like(x, floor), z], axis=2).reshape(-1, 3)

    lifted = np.concatenate([vertices + np.float32(0.008) * normals, patch + np.float32([0, 0.004, 0])]) - middle
    upwards = np.concatenate([normals, np.tile(np.float32([[0, 1, 0]]), (len(patch), 1))])
    reach = float(np.linalg.norm(vertices - middle, axis=1).max()) * 1.02
    frames, scale = _sky_frames(), np.float32((SKY_MAP / 2 - 1) / reach)
    maps = np.empty((2, AXES, SKY_MAP, SKY_MAP), np.float32)
    work = np.empty((3, len(person.dots)), np.float32)
    openness.sky_depths(vertices - middle, person.dots, frames, scale, work, *maps)
    seen, facing = np.empty((2, DIRECTIONS, len(lifted)), np.float32)
    openness.visibility(lifted, upwards, frames, *maps, scale, np.float32(0.018), seen, facing)
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
    surface = np.zeros((n, meshes.SURFACE_COLUMNS), np.float32)
    surface[:, :3] = scene.vertices - middle
    surface[:, 3:6] = scene.normals
    surface[:, 6:9] = irradiance[:n] + 0.06 * radiance.sum(0) / 4  # the latter from the person's other parts
    surface[:, 9:13] = (of_ways.T.astype(np.float32) @ scene.seen[:, :n]).T

    reach = float(np.linalg.norm(surface[:, :3], axis=1).max()) * 1.02
    size = SHADOW_MAP if light.softness < 0.03 else SHADOW_MAP // 2
    scale = np.float32(size / 2 / (reach + 2.1 * surroundings.FLOOR_SOFTNESS * light.softness))
    frame = _frame(light.lamp)
    screen = surface[:, :3] @ (frame * np.float32([[scale], [scale], [-1]])).T
    screen += np.float32([size / 2, size / 2, _FAR])
    _, nearness = _drawn(screen, mesh_of(person, surface), (size, size))
    shadow = shading.Shadow(nearness - np.float32(_FAR), frame, scale, np.float32(light.softness * scale))
    towards = np.maximum(scene.normals @ light.lamp, 0).mean()
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
    screen = np.empty_like(scene.vertices)
    visible.projected(scene.vertices, _matrix(camera), scene.person.under, screen)
    x0, y0, x1, y1 = _box(screen, (h, w))
    person = np.zeros((max(y1 - y0, 0), max(x1 - x0, 0), 4), np.float32)
    labels = np.zeros((h, w), np.uint8)
    if person.size:
        screen[:, :2] -= np.float32([x0, y0]) * SUPERSAMPLING
        _draw(lit, screen, camera.position.numpy(), person, labels[y0:y1, x0:x1])
    mask = np.zeros((h, w), np.float32)
    mask[y0:y1, x0:x1] = np.clip(person[..., 3], 0, 1)
    return View(
        image=torch.from_numpy(developed(_composed(lit, camera, background, person, y0, x0), lens, seed, meter)),
        mask=torch.from_numpy(mask)[None],
        camera=camera,
        body=scene.body,
        parts=torch.from_numpy(labels),
    )


def _matrix(camera: Camera) -> np.ndarray:
    """What takes points of the world to samples of a picture, float32 [3, 4]."""
    moved = torch.cat([camera.R, camera.t[:, None]], dim=1)
    return (torch.tensor([[SUPERSAMPLING], [SUPERSAMPLING], [1.0]]) * camera.K @ moved).numpy()


def mesh_of(person: Person, surface: np.ndarray) -> meshes.Mesh:
    """What is drawn of a person whose vertices are `surface` [N, meshes.SURFACE_COLUMNS]."""
    images = person.images
    return meshes.Mesh(
        surface, person.faces, person.uv_faces, person.uv, person.part, person.label, person.opaque, person.detail,
        images.pixels, images.starts, images.sizes, person.materials,
    )  # fmt: skip


def _drawn(screen: np.ndarray, mesh: meshes.Mesh, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The opaque triangle at each pixel and its nearness [H, W]; see `visible.draw`."""
    face, nearness = np.empty(size, np.int32), np.empty(size, np.float32)
    visible.draw(screen, mesh, face, nearness)
    return face, nearness


def _draw(lit: LitScene, screen: np.ndarray, eye: np.ndarray, out: np.ndarray, labels: np.ndarray) -> None:
    """Lays a person whose vertices are at `screen` [N, 3], SUPERSAMPLING samples a pixel's side, over out [h, w, 4] and
    the person's parts over labels uint8 [h, w]."""
    person = lit.scene.person
    mesh = mesh_of(person, lit.surface)
    eye = (eye - lit.middle).astype(np.float32)
    face, behind = _drawn(screen, mesh, (out.shape[0] * SUPERSAMPLING, out.shape[1] * SUPERSAMPLING))
    shading.shade(screen, face[..., None], mesh, lit.lamps, lit.shadow, eye, True, out, labels)

    if mesh.opaque == len(mesh.faces):
        return
    first = person.faces[person.opaque :].min()  # transparent parts, their vertices too, come last
    x0, y0, x1, y1 = _box(screen[first:], out.shape[:2])
    if x0 >= x1 or y0 >= y1:
        return
    rows, columns = slice(y0 * SUPERSAMPLING, y1 * SUPERSAMPLING), slice(x0 * SUPERSAMPLING, x1 * SUPERSAMPLING)
    behind = behind[rows, columns].copy()
    many = (*behind.shape, LAYERS)
    face = np.empty(many, np.int32)
    moved = screen - np.float32([columns.start, rows.start, 0])
    visible.layers(moved, mesh, behind, face, np.empty(many, np.float32))
    shading.shade(moved, face, mesh, lit.lamps, lit.shadow, eye, False, out[y0:y1, x0:x1], labels[y0:y1, x0:x1])


def _box(points: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The pixels (left, top, right, bottom) of an image of `size` (H, W) that samples [N, 3] lie in."""
    low, high = _bounds(points)[:, :2] / SUPERSAMPLING
    x0, y0 = np.clip(np.floor(low).astype(int), 0, size[::-1])
    x1, y1 = np.clip(np.ceil(high).astype(int), 0, size[::-1])
    return int(x0), int(y0), int(x1), int(y1)


def _bounds(points: np.ndarray) -> np.ndarray:
    """Least and greatest coordinates [2, 3] of points [N, 3]."""
    out = np.empty((2, 3), np.float32)
    meshes.bounds(points, out)
    return out


def _normals(person: Person, vertices: np.ndarray) -> np.ndarray:
    """Unit normals [N, 3]; those of hair lean away from the head's middle, as a mop's do."""
    normals = meshes.normals_of(vertices, person.faces)
    hair = person.kind == 2
    if hair.any():
        skull = vertices[person.kind == 3].mean(0)
        away = vertices[hair] - (skull - np.float32([0, 0.0, 0.06]))
        away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
        own = normals[hair] * np.where((normals[hair] * away).sum(1, keepdims=True) < 0, -1, 1)
        mixed = own + 0.8 * away
        normals[hair] = mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-6)
    return normals


@lru_cache(maxsize=1)
def _directions() -> np.ndarray:
    """DIRECTIONS unit vectors spread over the sphere, float32 [D, 3]: AXES ones and their opposites."""
    k = np.arange(AXES) + 0.5
    y = 1 - 2 * k / DIRECTIONS
    angle = np.pi * (1 + math.sqrt(5)) * k
    r = np.sqrt(1 - y * y)
    upper = np.stack([r * np.cos(angle), y, r * np.sin(angle)], axis=1).astype(np.float32)
    return np.concatenate([upper, -upper])


@lru_cache(maxsize=1)
def _sky_frames() -> np.ndarray:
    """The axes of what is seen from each of the first AXES of `_directions`, float32 [AXES, 3, 3]."""
    return np.stack([_frame(d) for d in _directions()[:AXES]])


def _frame(direction: np.ndarray) -> np.ndarray:
    """Axes of what is seen from `direction`: right, down, away, float32 [3, 3]."""
    away = -direction / np.linalg.norm(direction)
    right = np.cross(away, [0, 1, 0] if abs(away[1]) < 0.95 else [0, 0, 1])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(away, right), away]).astype(np.float32)


def _composed(
    lit: LitScene, camera: Camera, background: Background, person: np.ndarray, top: int, left: int
) -> np.ndarray:
    """Linear light [H, W, 3]: a drawn person [h, w, 4], whose first pixel is at (top, left), in a place, with the
    person's shadow and the lens out of focus for what is far behind."""
    rays, place = _place(lit, camera, background)
    near = np.float32(1 / np.linalg.norm(rays.eye - lit.middle))
    coarse = (-(-camera.size[0] // _PLACE_STEP), -(-camera.size[1] // _PLACE_STEP))

    grid = lit.patch_light
    rim = np.concatenate([grid[0], grid[-1], grid[:, 0], grid[:, -1]]).mean(0)
    lamp = lit.lamps.colour * np.float32(max(float(lit.lamps.lamp[1]), 0.0))
    falls = np.empty((*coarse, 3), np.float32)
    corner, pace = lit.scene.patch[0, [0, 2]], np.float32(2 * FLOOR_REACH / (FLOOR - 1))
    surroundings.floor_light(rays, place, grid, corner, pace, rim, lamp, lit.shadow, _PLACE_STEP, falls)
    falls = cv2.GaussianBlur(falls, (5, 5), max(camera.size[0] / 1000, 0.6))

    behind, blur = np.empty((*coarse, 3), np.float32), np.empty(coarse, np.float32)
    surroundings.surroundings(rays, place, falls, near, _PLACE_STEP, behind, blur)
    sigma = background.blur * coarse[0]
    if sigma > 0:
        behind += (_blurred(behind, sigma) - behind) * blur[..., None]
    light, falls = _enlarged(behind, camera.size), _enlarged(falls, camera.size)
    surroundings.compose(person, top, left, rays, place, falls, near, light)
    return light


def _blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    if sigma < 2:
        return cv2.GaussianBlur(image, (0, 0), sigma)
    h, w = image.shape[:2]
    small = cv2.resize(image, (-(-w // 2), -(-h // 2)), interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / 2), (w, h), interpolation=cv2.INTER_LINEAR)


def _enlarged(coarse: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """What was made at every _PLACE_STEP-th pixel, at all [H, W, 3]."""
    h, w = coarse.shape[:2]
    fine = cv2.resize(coarse, (w * _PLACE_STEP, h * _PLACE_STEP), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(fine[: size[0], : size[1]])


def _place(lit: LitScene, camera: Camera, background: Background) -> tuple[surroundings.Rays, surroundings.Place]:
    """A camera's rays, and the place as it looks to it: the far wall is always ahead."""
    K, R, eye = camera.K.numpy(), camera.R.numpy(), camera.position.numpy()
    first = np.float32([-K[0, 2] / K[0, 0], -K[1, 2] / K[1, 1], 1]) @ R
    rays = surroundings.Rays(eye, first, R[0] / K[0, 0], R[1] / K[1, 1])
    forward = np.float32([R[2, 0], 0, R[2, 2]])
    forward /= np.linalg.norm(forward) + 1e-9
    c, s = math.cos(background.turn), math.sin(background.turn)
    forward = np.float32([forward[0] * c + forward[2] * s, 0, forward[2] * c - forward[0] * s])
    right = np.float32([-forward[2], 0, forward[0]])
    place = surroundings.Place(
        background.floor, background.wall, background.floor_mean, lit.middle, lit.scene.floor, forward, right,
        float(background.distance), float(background.tile), float(background.wide), background.seamless,
    )  # fmt: skip
    return rays, place


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
    points = scene.outermost
    middle = _bounds(points).mean(0)
    focal = size[0] / 2 / math.tan(math.radians(fov) / 2)
    wanted = np.float32([size[1] * (1 - 1.2 * margin), size[0] * (1 - 2 * margin)])
    distance = 2.0
    for _ in range(30):
        eye = middle + np.float32([math.sin(a) * distance, 0.0, math.cos(a) * distance])
        eye[1] = scene.floor + height
        R = _aimed(eye, middle, roll)
        place = (points - eye) @ R.T
        place[:, :2] *= np.float32(focal) / np.maximum(place[:, 2:], np.float32(1e-3))
        low, high = _bounds(place)[:, :2]
        excess = float(((high - low) / wanted).max())
        distance *= excess**0.7                       # whole steps swing about somebody who lies end on
        if abs(excess - 1) < 1e-3:
            break
    shift = (low + high) / 2
    camera = Camera(intrinsics(focal, size), torch.from_numpy(R), torch.from_numpy(-R @ eye), size)
    return camera.cropped(float(shift[0]), float(shift[1]), size)


def _aimed(eye: np.ndarray, target: np.ndarray, roll: float) -> np.ndarray:
    """A camera's rotation float32 [3, 3], rolled by some degrees."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.float32([-forward[2], 0, forward[0]]) / math.hypot(forward[0], forward[2])
    down = np.cross(forward, right)
    c, s = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    return np.stack([c * right + s * down, c * down - s * right, forward]).astype(np.float32)


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
