"""A person's triangles and textures as the studio's loops read them: posed, with normals, sampled."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dinar.synth.kernels.vectors import compiled, floored, row, unit

# columns of a material
DIFFUSE_WRAP, SPECULAR, SHININESS, SHEEN, BUMP, TWO_SIDED, SHADOW_BIAS, NORMAL_MAP = range(8)
MATERIAL_COLUMNS = 8

# columns of a surface's vertices: position, normal, light of the surroundings, where from, the share of them it sees
POSITION, NORMAL, IRRADIANCE, LEAN, OPENNESS = 0, 3, 6, 9, 12
SURFACE_COLUMNS = 16  # the last three are padding


class Mesh(NamedTuple):
    """A surface and its textures.

    vertices           float32 [V, SURFACE_COLUMNS]
    faces, uv_faces    int [F, 3], into vertices and uv
    uv                 float32 [T, 2]
    part               int [F]       the face's image and material
    label              uint8 [F]     which part of a person it is, never 0
    opaque             how many of the faces, the first ones, are
    detail             float32 [F]   log2 of the root of its area in texels
    pixels             uint8 [., 4]  sRGB and opacity of all images and their smaller copies
    starts, sizes      int [P, levels]  where a copy begins, its texels a side: a power of two
    materials          float32 [P, MATERIAL_COLUMNS]
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv_faces: np.ndarray
    uv: np.ndarray
    part: np.ndarray
    label: np.ndarray
    opaque: int
    detail: np.ndarray
    pixels: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    materials: np.ndarray


@compiled
def vertex_normals(vertices, faces, out):
    """Unit normals, `out` float32 [N, 3], of triangles [F, 3] about vertices [N, 3], weighted by area."""
    out[:] = 0
    for f in range(len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, az = vertices[j, 0] - vertices[i, 0], vertices[j, 1] - vertices[i, 1], vertices[j, 2] - vertices[i, 2]
        bx, by, bz = vertices[k, 0] - vertices[i, 0], vertices[k, 1] - vertices[i, 1], vertices[k, 2] - vertices[i, 2]
        x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for corner in (i, j, k):
            out[corner, 0] += x
            out[corner, 1] += y
            out[corner, 2] += z
    for n in range(len(out)):
        out[n, 0], out[n, 1], out[n, 2] = unit(row(out, n, 0))


def normals_of(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """`vertex_normals` of vertices of any kind of numbers: float32 [N, 3]."""
    out = np.empty((len(vertices), 3), np.float32)
    vertex_normals(np.ascontiguousarray(vertices, np.float32), faces, out)
    return out


@compiled
def skinned(rest, transforms, starts, joints, weights, out):
    """Posed vertices, `out` float32 [N, 3].

    rest [N, 3]; transforms [J, 3, 4]; vertex n follows joints[starts[n]:starts[n + 1]] in shares `weights`
    """
    for n in range(len(rest)):
        x, y, z = rest[n, 0], rest[n, 1], rest[n, 2]
        px = py = pz = np.float32(0)
        for k in range(starts[n], starts[n + 1]):
            j, weight = joints[k], weights[k]
            m = transforms[j]
            px += weight * (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3])
            py += weight * (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3])
            pz += weight * (m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3])
        out[n, 0], out[n, 1], out[n, 2] = px, py, pz


@compiled
def bounds(points, out):
    """Least and greatest coordinates, `out` float32 [2, 3], of points [N, 3]."""
    for c in range(3):
        least, most = points[0, c], points[0, c]
        for n in range(len(points)):
            least, most = min(least, points[n, c]), max(most, points[n, c])
        out[0, c], out[1, c] = least, most


@compiled
def uv_at(mesh, f, weights):
    i, j, k = row(mesh.uv_faces, f, 0)
    a, b, c = weights
    uv = mesh.uv
    return a * uv[i, 0] + b * uv[j, 0] + c * uv[k, 0], a * uv[i, 1] + b * uv[j, 1] + c * uv[k, 1]


@compiled
def level_of(mesh, f, area):
    """log2 of the texels a pixel, of a triangle that covers `area` pixels; a little less, for sharpness."""
    return mesh.detail[f] - np.float32(0.5) * math.log2(max(area, np.float32(5e-4))) - np.float32(0.3)


@compiled
def sampled(mesh, image, u, v, level):
    """Bilinear sample of the image's copy that is nearest in size; it repeats. Four numbers like sRGB bytes."""
    pixels = mesh.pixels
    copy = int(min(max(level + np.float32(0.5), np.float32(0)), np.float32(mesh.starts.shape[1] - 1)))
    size, start = mesh.sizes[image, copy], mesh.starts[image, copy]
    x = u * np.float32(size) - np.float32(0.5)
    y = v * np.float32(size) - np.float32(0.5)
    i, j = floored(x), floored(y)
    fx, fy = x - np.float32(i), y - np.float32(j)
    last = size - 1
    left, right = i & last, (i + 1) & last
    top, bottom = start + (j & last) * size, start + ((j + 1) & last) * size
    one = np.float32(1)
    a, b, c, d = (one - fx) * (one - fy), fx * (one - fy), (one - fx) * fy, fx * fy
    p, q, r, s = top + left, top + right, bottom + left, bottom + right
    return (
        a * pixels[p, 0] + b * pixels[q, 0] + c * pixels[r, 0] + d * pixels[s, 0],
        a * pixels[p, 1] + b * pixels[q, 1] + c * pixels[r, 1] + d * pixels[s, 1],
        a * pixels[p, 2] + b * pixels[q, 2] + c * pixels[r, 2] + d * pixels[s, 2],
        a * pixels[p, 3] + b * pixels[q, 3] + c * pixels[r, 3] + d * pixels[s, 3],
    )
