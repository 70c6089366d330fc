"""A set of made-up people for training tests: the open body in random colours, drawn plainly."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import torch

from dinar import images
from dinar.avatar import open_body
from dinar.body.model import Body
from dinar.body.uv import load_layout
from dinar.camera import framing
from dinar.parts import BodyPart
from dinar.texture.drawing import draw


def write_set(folder: Path, people: int = 3, side: int = 160, *, parts: bool = False) -> Path:
    """One shard: two poses and four views a person, with a mask that is a little wider than the body.

    With `parts` their label maps too: skin, a shirt and trousers, as high as each other.
    """
    model, rng = open_body(), torch.Generator().manual_seed(3)
    layout = load_layout("front", model)
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / "people-00000.tar", "w") as tar:
        for number in range(people):
            texture = torch.rand(1, 3, 8, 8, generator=rng)
            shape = torch.randn(len(model.shape_basis), generator=rng) * 0.3
            poses, views, files = [], [], {}
            for pose in range(2):
                turns = torch.randn(len(model.parents), 3, generator=rng) * 0.1
                poses.append({
                    "pose": turns.tolist(),
                    "expression": [0.0] * len(model.expression_names),
                    "translation": [0.0, 0.0, 0.0],
                })  # fmt: skip
                body = Body(shape[None], turns[None], torch.zeros(1, len(model.expression_names)), torch.zeros(1, 3))
                vertices = model(body).vertices.detach()
                for azimuth in (0.0, 160.0):
                    camera = framing(vertices[0], azimuth, 5.0, (side, side))
                    drawn = draw(texture, vertices, model.faces, layout, camera)
                    mask = torch.nn.functional.max_pool2d(drawn.mask, 3, 1, 1)
                    name = f"{len(views):03d}"
                    pictures = [("image.jpg", drawn.over(0.7)[0]), ("mask.png", mask[0])]
                    if parts:
                        pictures.append(("parts.png", _labels(mask[0])))
                    for kind, picture in pictures:
                        path = folder / f"scratch.{kind[-3:]}"
                        images.save(path, picture)
                        files[f"{name}.{kind}"] = path.read_bytes()
                        path.unlink()
                    entry = {part: getattr(camera, part).tolist() for part in "KRt"}
                    views.append({"pose": pose, **entry, "size": [side, side]})
            facts = {"shape": shape.tolist(), "poses": poses, "views": views}
            for name, content in {"json": json.dumps(facts).encode(), **files}.items():
                member = tarfile.TarInfo(f"{number:06d}.{name}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return folder


def _labels(mask: torch.Tensor) -> torch.Tensor:
    """Labels of a mask [1, H, W] from top to bottom, as a grey picture in [0, 1] holds them."""
    there = mask[0] > 0.5
    rows = there.any(1).nonzero().flatten()
    bands = ((torch.arange(len(there)) - rows[0]) * 3 // len(rows)).clamp(0, 2)
    parts = torch.tensor([BodyPart.SKIN, BodyPart.UPPER, BodyPart.LOWER])[bands]
    return (parts[:, None] * there)[None] / 255
