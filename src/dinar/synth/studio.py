"""Photographs of synthetic people: lamps, cameras, rooms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from dinar.body.model import Body
from dinar.camera import Camera, intrinsics
from dinar.raster.rasterize import rasterize
from dinar.synth import shading
from dinar.synth.people import Person, vertex_normals

SUPERSAMPLING = 2
LAYERS = 6  # transparent surfaces that a pixel shows at most
DIRECTIONS = 48  # from which the light of the surroundings is gathered
SKY_MAP = 144  # pixels a side of what each of them sees
SHADOW_MAP = 1024
FLOOR = 48  # points a side of the lit patch of floor
FLOOR_REACH = 1.4  # metres from the person to the patch's edges
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
class View:
    """A photograph of which everything is known.

    image   float32 [3, H, W]  sRGB in [0, 1]
    mask    float32 [1, H, W]  the person, clothes and hair included
    camera  Camera
    body    Body               a batch of one
    """

    image: Tensor
    mask: Tensor
    camera: Camera
    body: Body


@dataclass(frozen=True)
class Scene:
    """A person in one pose, ready to be seen in any light from any side.

    vertices, normals  float32 [N, 3]
    floor              height of the ground, metres
    patch              float32 [FLOOR * FLOOR, 3]  points on it about the person
    facing             float32 [N + FLOOR * FLOOR, D]  cosine to each direction, 0 where it is hidden
    seen               float32 [N + FLOOR * FLOOR, D]  1 where it is not
    """

    person: Person
    body: Body
    vertices: np.ndarray
    normals: np.ndarray
    floor: float
    patch: np.ndarray
    facing: np.ndarray
    seen: np.ndarray


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
    """One picture, `camera.size` large. Many pictures of one pose are cheaper with `arrange` and `expose`."""
    return expose(arrange(person, body), camera, light, background, lens=lens, seed=seed)


def arrange(person: Person, body: Body) -> Scene:
    """A person in a pose, and how much of the surroundings each vertex and the floor about it see."""
    vertices = person.posed(body).astype(np.float32)
    normals = _normals(person, vertices)
    floor = float(vertices[:, 1].min())
    middle = (vertices.min(0) + vertices.max(0)) / 2
    line = np.linspace(-FLOOR_REACH, FLOOR_REACH, FLOOR, dtype=np.float32)
    x, z = np.meshgrid(line + middle[0], line + middle[2])
    patch = np.stack([x, np.full_like(x, floor), z], axis=2).reshape(-1, 3)

    points = np.concatenate([vertices + 0.008 * normals, patch + np.float32([0, 0.004, 0])]) - middle
    ways = _directions()
    frames = np.stack([_frame(d) for d in ways])
    reach = float(np.linalg.norm(vertices - middle, axis=1).max()) * 1.02
    scale = SKY_MAP / 2 / reach
    seen = np.empty((len(points), DIRECTIONS), np.uint8)
    depths = _seen_from(vertices - middle, person.faces, frames, scale, SKY_MAP)
    shading.visibility(points.astype(np.float32), frames, depths, scale, 0.012, seen)
    facing = np.concatenate([normals, np.tile(np.float32([[0, 1, 0]]), (len(patch), 1))]) @ ways.T
    facing = np.clip(facing, 0, None) * seen
    return Scene(person, body, vertices, normals, floor, patch, facing, seen.astype(np.float32))


def expose(
    scene: Scene, camera: Camera, light: Light, background: Background, *, lens: Lens | None = None, seed: int = 0
) -> View:
    """A picture of a scene."""
    lens = lens or Lens()
    person, n = scene.person, len(scene.vertices)
    h, w = camera.size
    fine = (h * SUPERSAMPLING, w * SUPERSAMPLING)
    ways = _directions()
    radiance = np.empty((DIRECTIONS, 3), np.float32)
    shading.environment(ways, light.lobes, light.sky, light.ground, radiance)
    radiance *= 4 / DIRECTIONS
    irradiance = scene.facing @ radiance
    irradiance[:n] += 0.06 * radiance.sum(0) / 4  # light from the person's other parts
    lean = scene.seen[:n] @ (radiance.mean(1)[:, None] * ways)
    openness = scene.seen[:n].mean(1)

    middle = scene.vertices.mean(0)
    reach = float(np.linalg.norm(scene.vertices - middle, axis=1).max()) * 1.02
    scale = SHADOW_MAP / 2 / reach
    frame = _frame(light.lamp)
    shadow = _seen_from(scene.vertices - middle, person.faces, frame[None], scale, SHADOW_MAP)[0]

    screen = camera.resized(fine).project(torch.from_numpy(scene.vertices))
    sharp = screen.numpy()
    lod = _levels(person, sharp)
    pushed = screen.clone()
    pushed[:, 2] += torch.from_numpy(person.under)
    fragments = rasterize(pushed[None], torch.from_numpy(person.faces[: person.opaque]), fine)
    images = person.images
    eye = camera.position.numpy()
    common = (
        (scene.vertices - middle).astype(np.float32), scene.normals, irradiance[:n], lean, openness,
        person.faces, person.uv, person.uv_faces, person.part, lod,
        images.pixels, images.starts, images.sizes, person.materials,
        (eye - middle).astype(np.float32), light.lamp, light.colour, shadow, frame, scale, light.softness * scale,
        light.lobes, light.sky, light.ground, shading.LINEAR,
    )  # fmt: skip
    solid = np.empty((*fine, 4), np.float32)
    shading.shade(fragments.face[0].numpy(), fragments.barycentric[0].numpy(), *common, solid)
    drawn = _with_layers(person, sharp, lod, fragments.depth[0].numpy(), solid, common)
    small = cv2.resize(drawn, (w, h), interpolation=cv2.INTER_AREA)
    mask = np.clip(small[..., 3], 0, 1)

    behind = _surroundings(scene, camera, light, background, irradiance[n:], shadow, frame, scale, middle)
    picture = small[..., :3] + behind * (1 - mask[..., None])
    return View(
        image=torch.from_numpy(_developed(picture, lens, seed)).permute(2, 0, 1).contiguous(),
        mask=torch.from_numpy(mask.astype(np.float32))[None],
        camera=camera,
        body=scene.body,
    )


def _with_layers(person: Person, sharp: np.ndarray, lod: np.ndarray, depth: np.ndarray, solid: np.ndarray, common):
    """What is opaque, `solid` [H, W, 4] with hair and lashes in front: premultiplied light and coverage."""
    h, w = depth.shape
    points = sharp[np.unique(person.faces[person.opaque :])]
    if not len(points):
        return solid
    x0, y0 = np.clip(np.floor(points[:, :2].min(0)).astype(int), 0, (w, h))
    x1, y1 = np.clip(np.ceil(points[:, :2].max(0)).astype(int), 0, (w, h))
    if x0 >= x1 or y0 >= y1:
        return solid
    size = (y1 - y0, x1 - x0, LAYERS)
    face, barycentric = np.empty(size, np.int32), np.empty((*size, 3), np.float32)
    moved = sharp - np.float32([x0, y0, 0])
    images = person.images
    shading.layers(
        moved, person.faces, person.opaque, person.uv, person.uv_faces, person.part, lod, images.pixels, images.starts,
        images.sizes, depth[y0:y1, x0:x1].copy(), face, barycentric, np.empty(size, np.float32),
    )  # fmt: skip
    front = np.zeros((*size[:2], 4), np.float32)
    shaded = np.empty_like(front)
    for k in range(LAYERS):
        layer = np.ascontiguousarray(face[..., k])
        if layer.max() < 0:
            break
        shading.shade(layer, np.ascontiguousarray(barycentric[..., k, :]), *common, shaded)
        shading.blend(layer, shaded, front)
    solid[y0:y1, x0:x1] = front + (1 - front[..., 3:]) * solid[y0:y1, x0:x1]
    return solid


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


def _frame(direction: np.ndarray) -> np.ndarray:
    """Axes of what is seen from `direction`: right, down, away, float32 [3, 3]."""
    away = -direction / np.linalg.norm(direction)
    right = np.cross(away, [0, 1, 0] if abs(away[1]) < 0.95 else [0, 0, 1])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(away, right), away]).astype(np.float32)


def _seen_from(vertices: np.ndarray, faces: np.ndarray, frames: np.ndarray, scale: float, size: int) -> np.ndarray:
    """Depths [D, size, size] along each frame's last axis from the origin, inf where nothing is."""
    points = np.ascontiguousarray((vertices @ frames.reshape(-1, 3).T).reshape(len(vertices), -1, 3).transpose(1, 0, 2))
    points[..., :2] = points[..., :2] * scale + size / 2
    points[..., 2] += _FAR
    return rasterize(torch.from_numpy(points), torch.from_numpy(faces), (size, size)).depth.numpy() - _FAR


def _levels(person: Person, screen: np.ndarray) -> np.ndarray:
    """Level of detail of each face's texture: log2 of its texels a pixel, float32 [F]."""

    def doubled_area(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
        a, b, c = (points[faces[:, k], :2] for k in range(3))
        return np.abs((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]))

    texels = doubled_area(person.uv, person.uv_faces) * person.images.sizes[person.part, 0] ** 2
    pixels = doubled_area(screen, person.faces)
    return (0.5 * np.log2(np.maximum(texels, 1e-6) / np.maximum(pixels, 1e-3)) - 0.3).astype(np.float32)


def _surroundings(scene, camera, light, background, irradiance, shadow, frame, scale, middle) -> np.ndarray:
    """Floor and wall [H, W, 3], linear, with the person's shadow on the floor."""
    h, w = camera.size
    K, R, eye = camera.K.numpy(), camera.R.numpy(), camera.position.numpy()
    y, x = np.mgrid[0:h, 0:w].astype(np.float32) + 0.5
    rays = np.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], np.ones_like(x)], axis=2) @ R
    turn = background.turn
    forward = np.float32([R[2, 0], 0, R[2, 2]])
    forward /= np.linalg.norm(forward) + 1e-9
    c, s = math.cos(turn), math.sin(turn)
    forward = np.float32([forward[0] * c + forward[2] * s, 0, forward[2] * c - forward[0] * s])
    right = np.float32([-forward[2], 0, forward[0]])
    to_wall = ((middle - eye) @ forward + background.distance) / np.maximum(rays @ forward, 1e-3)
    to_floor = (scene.floor - eye[1]) / np.minimum(rays[..., 1], -1e-4)
    on_floor = to_floor < to_wall

    hit = eye + rays * to_wall[..., None]
    across = ((hit - middle) @ right) / background.wide + 0.5
    up = 1 - (hit[..., 1] - scene.floor) / background.wide * background.wall.shape[1] / background.wall.shape[0]
    wall = _remapped(background.wall, across, up, repeat=False)
    ground = eye + rays * to_floor[..., None]
    fu, fv = ((ground - middle) @ right) / background.tile, ((ground - middle) @ forward) / background.tile
    floor = _remapped(background.floor, fu, fv, repeat=True)
    far = np.clip((to_floor / np.linalg.norm(middle - eye) - 1.3) / 2.0, 0, 1)[..., None]
    floor = floor + (background.floor.mean((0, 1)) - floor) * far

    grid = irradiance.reshape(FLOOR, FLOOR, 3)
    rim = np.concatenate([grid[0], grid[-1], grid[:, 0], grid[:, -1]]).mean(0)
    place = (ground[..., [0, 2]] - scene.patch[0, [0, 2]]) * ((FLOOR - 1) / (2 * FLOOR_REACH))
    ambient = cv2.remap(
        grid, place[..., 0].astype(np.float32), place[..., 1].astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT, borderValue=[*map(float, rim), 0.0],
    )  # fmt: skip
    share = np.ones((h, w), np.float32)
    near = on_floor & (np.abs(ground[..., 0] - middle[0]) < 4) & (np.abs(ground[..., 2] - middle[2]) < 4)
    points = (ground[near] - middle).astype(np.float32)
    lit = np.empty(len(points), np.float32)
    shading.lit(points, shadow, frame, scale, light.softness * scale * 1.5, 0.01, lit)
    share[near] = lit
    share = cv2.GaussianBlur(share, (0, 0), max(h / 500, 0.5))
    lamp = light.colour * max(float(light.lamp[1]), 0.0)
    floor = floor * (ambient + share[..., None] * lamp)
    if background.seamless:
        blend = np.clip((to_floor / to_wall - 0.55) / 0.45, 0, 1)[..., None] ** 1.5
        floor = floor * (1 - blend) + wall * blend
    picture = np.where(on_floor[..., None], floor, wall).astype(np.float32)
    if background.blur > 0:
        soft = cv2.GaussianBlur(picture, (0, 0), background.blur * h)
        distance = np.where(on_floor, to_floor, to_wall) / np.linalg.norm(middle - eye)
        amount = np.clip((distance - 1.05) / 0.5, 0, 1)[..., None]
        picture = picture + (soft - picture) * amount
    return picture


def _remapped(image: np.ndarray, u: np.ndarray, v: np.ndarray, *, repeat: bool) -> np.ndarray:
    h, w = image.shape[:2]
    mode = cv2.BORDER_WRAP if repeat else cv2.BORDER_REPLICATE
    if repeat:
        u, v = u % 1, v % 1
    x, y = (u * w - 0.5).astype(np.float32), (v * h - 0.5).astype(np.float32)
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=mode)


def _developed(light: np.ndarray, lens: Lens, seed: int) -> np.ndarray:
    """Linear light [H, W, 3] as a camera's sRGB picture float32 [H, W, 3]."""
    rng = np.random.default_rng([seed, 7])
    h, w = light.shape[:2]
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    r2 = ((x - w / 2) ** 2 + (y - h / 2) ** 2) / (w * w + h * h) * 4
    metered = float(np.exp(np.log(light.mean(2) + 0.01).mean()))
    gain = lens.exposure * (0.27 / metered) ** 0.8 * np.float32(lens.balance)
    light = light * gain * (1 - lens.vignette * r2)[..., None]
    if lens.blur > 0:
        light = cv2.GaussianBlur(light, (0, 0), lens.blur)
    noise = rng.standard_normal(light.shape, np.float32) * lens.noise
    light = light + noise * np.sqrt(np.clip(light, 0.0, 1) + 0.02)
    light = np.clip(light, 0, None)
    light = light * (1 + light / 4.0) / (1 + light * 0.85)  # a shoulder, as films and cameras have
    srgb = np.where(light < 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-8) ** (1 / 2.4) - 0.055)
    srgb = np.clip(srgb, 0, 1)
    srgb = srgb + lens.contrast * (srgb * srgb * (3 - 2 * srgb) - srgb)
    return srgb.astype(np.float32)


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
    points = torch.from_numpy(scene.vertices)
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
