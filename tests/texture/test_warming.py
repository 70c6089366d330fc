from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from dinar.avatar import open_body
from dinar.body.uv import load_layout
from dinar.presets import SMALL, build_renderer
from dinar.texture.neural_drawing import Artist
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.warming import warm_up
model = open_body()
renderer = build_renderer(SMALL).eval()
warm_up(model, load_layout("front", model), renderer)
from dinar.raster import blocks, cpu, textured
import torch
from dinar.camera import framing
from dinar.texture.drawing import draw
before = len(cpu._draw.signatures), len(textured._average.signatures)
camera = framing(model.template, 30.0, 10.0, (40, 30))
draw(torch.rand(1, 3, 32, 32), model.template[None], model.faces, load_layout("front", model), camera)
print(before, len(cpu._draw.signatures), len(textured._average.signatures))
maps = torch.rand(1, 1, 64, 64)
texture = NeuralTexture(torch.rand(1, 16, 32, 32), maps.expand(-1, 3, -1, -1), maps, maps, maps)
artist = Artist.of(renderer, texture, texture.rgb[0], load_layout("front", model))
for size in ((320, 320), (300, 200), (640, 240)):        # the last: the picture is all surroundings
    artist.draw(model.template[None], model.faces, framing(model.template, 30.0, 10.0, size))
print(len(blocks._read.signatures), len(blocks._write.signatures))
"""


def test_what_is_warm_is_what_draws() -> None:
    """Each loop is compiled once, for the types that drawing has."""
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["(1, 1) 1 1", "1 1"]
