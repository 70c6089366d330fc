"""A person without a skeleton, in one pose: OBJ with its material and texture, or PLY with colours at its vertices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dinar.body.model import Body
from dinar.body.normals import vertex_normals
from dinar.errors import InputError
from dinar.export.figure import Figure, encoded, standing
from dinar.export.profiles import PictureKind
from dinar.files import atomic_file


def write_obj(
    path: Path,
    figure: Figure,
    body: Body | None = None,           # batch 1; default: standing at rest
    *,
    texture_size: int | None = None,    # texels a side; default: the colours' own
    kind: PictureKind = "png",          # what the texture is stored as
) -> tuple[Path, Path, Path]:
    """Writes a .obj, and beside it the .mtl and .png or .jpg of the same name; each whole or not at all.

    Metres, y up; vertices are the body's own, texture coordinates have their own rows (`f v/vt/vn`).

    Returns the three paths. Raises InputError where `path` cannot be written or is no .obj.
    """
    path = Path(path)
    if path.suffix.lower() != ".obj":
        raise InputError(f"{path} is no .obj")
    material, picture = path.with_suffix(".mtl"), path.with_suffix({"png": ".png", "jpeg": ".jpg"}[kind])
    pixels = figure.picture(texture_size)
    some, faces = figure.mesh.faces.unique(return_inverse=True)
    places, uv_faces = figure.mesh.uv_faces.unique(return_inverse=True)
    vertices, normals = (values[some] for values in _posed(figure, body))
    uv = figure.layout.uv[places].numpy() * [1, -1] + [0, 1]                    # OBJ counts from the bottom left
    corners = torch.stack([faces, uv_faces, faces], dim=2) + 1
    lines = [f"mtllib {material.name}", "o Body", "usemtl Person", "s 1"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices.numpy()]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in uv]
    lines += [f"vn {x:.4f} {y:.4f} {z:.4f}" for x, y, z in normals.numpy()]
    lines += ["f " + " ".join("/".join(map(str, corner)) for corner in face) for face in corners.tolist()]
    with atomic_file(picture) as temporary:
        temporary.write_bytes(encoded(pixels, kind))
    with atomic_file(material) as temporary:
        surface = f"newmtl Person\nKa 0 0 0\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {picture.name}\n"
        temporary.write_text(surface, encoding="utf-8", newline="\n")
    with atomic_file(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    return path, material, picture


def write_ply(path: Path, figure: Figure, body: Body | None = None) -> None:
    """Writes a binary .ply, whole or not at all: positions in metres, normals, and the texture's colour there.

    body  batch 1; default: standing at rest

    Raises InputError where `path` cannot be written or is no .ply.
    """
    path = Path(path)
    if path.suffix.lower() != ".ply":
        raise InputError(f"{path} is no .ply")
    some, corners = figure.mesh.faces.unique(return_inverse=True)
    vertices, normals = (values[some] for values in _posed(figure, body))
    kinds = [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")]
    kinds += [(name, "u1") for name in ("red", "green", "blue")]
    rows = np.empty(len(vertices), kinds)
    columns = np.concatenate([vertices.numpy(), normals.numpy(), _vertex_colours(figure)[some]], axis=1)
    for (name, _), column in zip(kinds, columns.T, strict=True):
        rows[name] = column
    faces = np.empty(len(corners), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, corners.numpy()
    spelt = {"<f4": "float", "u1": "uchar"}
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}"]
    header += [f"property {spelt[kind]} {name}" for name, kind in kinds]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header\n"]
    with atomic_file(path) as temporary:
        temporary.write_bytes("\n".join(header).encode("ascii") + rows.tobytes() + faces.tobytes())


def _posed(figure: Figure, body: Body | None) -> tuple[Tensor, Tensor]:
    """Vertices and normals [V, 3] of a body."""
    with torch.no_grad():
        vertices = figure.model(body or standing(figure)).vertices
        return vertices[0], vertex_normals(vertices, figure.model.faces)[0]


def _vertex_colours(figure: Figure) -> np.ndarray:
    """The texture's colour at each vertex of the body, uint8 [V, 3]; of one on a seam, at one of its places."""
    uv = figure.layout.of_vertices(figure.model.faces)
    texel = (uv * figure.colours.shape[-1]).long().clamp(0, figure.colours.shape[-1] - 1).numpy()
    return figure.picture()[texel[:, 1], texel[:, 0]]
