from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from dinar.avatar import open_body
from dinar.body.uv import load_layout
from dinar.texture.warming import warm_up
model = open_body()
warm_up(model, load_layout("front", model))
from dinar.raster import cpu, textured
import torch
from dinar.camera import framing
from dinar.texture.drawing import draw
before = len(cpu._draw.signatures), len(textured._average.signatures)
camera = framing(model.template, 30.0, 10.0, (40, 30))
draw(torch.rand(1, 3, 32, 32), model.template[None], model.faces, load_layout("front", model), camera)
print(before, len(cpu._draw.signatures), len(textured._average.signatures))
"""


def test_what_is_warm_is_what_draws() -> None:
    """Each loop is compiled once, for the types that drawing has."""
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[0] == "(1, 1) 1 1"
