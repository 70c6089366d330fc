"""Two painted people in four views each, as shards; networks with random weights where no others are needed."""

from __future__ import annotations

import io
import json
import tarfile
from functools import partial
from pathlib import Path

import cv2
import pytest
import torch
from torch import Tensor

from dinar.avatar import open_body
from dinar.body.model import Body
from dinar.body.uv import load_layout
from dinar.camera import framing
from dinar.evaluate import metrics, plan, work
from dinar.evaluate.metrics import Judges
from dinar.evaluate.rows import Material
from dinar.images import to_bytes
from dinar.perceptual.alexnet import AlexNet
from dinar.perceptual.dists import DISTS
from dinar.perceptual.lpips import LPIPS
from dinar.raster.rasterize import interpolate, rasterize
from dinar.texture.drawing import draw

SIDE = 176
AZIMUTHS = ((0.0, 180.0), (20.0, 150.0))    # of the two views of each pose


class Shelf:
    """A store that is asked for nothing."""

    def paths(self, names: list[str]) -> dict[str, Path]:
        return {}


@pytest.fixture
def judges(monkeypatch: pytest.MonkeyPatch) -> Judges:
    """Random networks that see little, so that tests need no downloads and little time."""
    torch.manual_seed(0)
    monkeypatch.setattr(metrics, "SCALED", 64)
    found = Judges(LPIPS(AlexNet()), DISTS())
    monkeypatch.setattr(work, "_judges", lambda face: (found, None))
    monkeypatch.setattr(work, "Material", partial(Material, size=128))
    for module in (plan, work):
        monkeypatch.setattr(module, "parser", lambda: None)      # painted naked bodies are nothing to it
    return found


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    with tarfile.open(folder / "people-00000.tar", "w") as tar:
        for number in range(2):
            for name, content in _person(number):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return folder


def _person(number: int) -> list[tuple[str, bytes]]:
    model = open_body()
    layout = load_layout("front", model)
    shape = torch.zeros(1, len(model.shape_basis))
    shape[0, 0] = 0.5 - number
    pose = torch.zeros(2, len(model.parents), 3)
    for bone, turn in (("leftUpperArm", -0.7), ("rightUpperArm", 0.7), ("leftUpperLeg", 0.2)):
        pose[1, model.humanoid[bone], 2] = turn
    bodies = Body(shape.expand(2, -1), pose, torch.zeros(2, len(model.expression_names)), torch.zeros(2, 3))
    vertices = model(bodies).vertices
    painted = _painted(number)
    files, views = [], []
    for p, azimuths in enumerate(AZIMUTHS):
        for azimuth in azimuths:
            camera = framing(vertices[p], azimuth, 3.0, (SIDE, SIDE))
            drawn = draw(painted, vertices[p : p + 1], model.faces, layout, camera)
            key = f"{number:06d}.{len(views):03d}"
            files.append((f"{key}.image.jpg", _coded(".jpg", drawn.over(0.8)[0])))
            files.append((f"{key}.mask.png", _coded(".png", drawn.mask[0])))
            if number == 0:
                parts = (drawn.mask[0] > 0.5) * torch.where(torch.arange(SIDE)[:, None] < SIDE // 2, 1, 2) / 255
                files.append((f"{key}.parts.png", _coded(".png", parts)))
            entry = {name: getattr(camera, name).tolist() for name in "KRt"}
            views.append({"pose": p, **entry, "size": [SIDE, SIDE]})
    poses = [
        {name: getattr(bodies, name)[p].tolist() for name in ("pose", "expression", "translation")} for p in range(2)
    ]
    facts = {"model": model.name, "shape": shape[0].tolist(), "poses": poses, "views": views}
    return [(f"{number:06d}.json", json.dumps(facts).encode()), *files]


def _painted(number: int) -> Tensor:
    """Rings and stripes that differ from channel to channel, dark behind: [1, 3, 128, 128]."""
    model = open_body()
    layout = load_layout("front", model)
    x, y, z = (model.template - model.template.mean(0)).unbind(1)
    colours = torch.stack([torch.sin(40 * y + number), torch.sin(25 * x), torch.sin(12 * (x + y))], dim=1) * 0.25
    colours = colours + torch.tensor([0.65, 0.5, 0.3])
    colours = (colours * (0.75 + 0.25 * torch.tanh(z * 20))[:, None]).clamp(0, 1)
    corners = torch.nn.functional.pad(layout.uv * 128, (0, 1), value=1.0)[None]
    atlas = rasterize(corners, layout.faces, (128, 128))
    return interpolate(atlas, colours[None], model.faces)


def _coded(suffix: str, image: Tensor) -> bytes:
    pixels = to_bytes(image)
    pixels = pixels[..., ::-1] if pixels.shape[2] == 3 else pixels
    return cv2.imencode(suffix, pixels)[1].tobytes()
