"""What many tests share: a person made of plain colours, the program, a browser, and paths that may be absent."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from commands.program import Run

if "PYTEST_XDIST_WORKER" in os.environ:                # as many processes as cores: one thread each
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from dinar import threads  # noqa: F401 (before any test imports torch: threads that wait shall sleep)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from dinar.avatar import Avatar
    from dinar.networks.appearance import Appearance

PHOTOS = Path(__file__).parents[2] / "shared" / "photos"
SIDE = 64
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]     # WebGL without a graphics card


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of real photos beside the repository."""
    if not PHOTOS.is_dir():
        pytest.skip("needs ../shared/photos")
    return PHOTOS


@pytest.fixture(scope="session")
def avatar() -> Avatar:
    """Somebody red in front and blue behind, seen in one made-up photo of 97 x 61 pixels."""
    import torch

    from dinar.avatar import Avatar, Shot, open_body
    from dinar.body.normals import vertex_normals
    from dinar.body.uv import load_layout
    from dinar.camera import framing
    from dinar.raster.rasterize import interpolate, rasterize
    from dinar.texture.neural_texture import NeuralTexture

    model = open_body()
    layout = load_layout("front", model)
    behind = (vertex_normals(model.template[None], model.faces)[0, :, 2:] < 0).float()
    colour = torch.tensor([0.9, 0.1, 0.1]) * (1 - behind) + torch.tensor([0.1, 0.1, 0.9]) * behind
    corners = torch.nn.functional.pad(layout.uv * SIDE, (0, 1), value=1.0)[None]
    atlas = rasterize(corners, layout.faces, (SIDE, SIDE))
    rgb = interpolate(atlas, colour[None], model.faces)
    generator = torch.Generator().manual_seed(0)
    texture = NeuralTexture(None, rgb, atlas.mask, atlas.mask, torch.rand(1, 1, SIDE, SIDE, generator=generator))
    shape = torch.randn(len(model.shape_basis), generator=generator) * 0.3
    pose = torch.randn(len(model.parents), 3, generator=generator) * 0.05
    shot = Shot(
        pose=pose,
        expression=torch.zeros(len(model.expression_names)),
        translation=torch.tensor([0.3, 0.1, -0.2]),
        camera=framing(model.template + torch.tensor([0.3, 0.1, -0.2]), 10.0, 5.0, (97, 61)),
        reprojection=0.5,
        mask_iou=0.875,
        unseen=("left foot",),
    )
    return Avatar(texture, rgb[0], shape, model, layout, shots=(shot,))


@pytest.fixture(scope="session")
def appearance() -> Appearance:
    """Tiny networks with random weights; the renderer copies the colours of the texture to begin with."""
    import torch

    from dinar import presets
    from dinar.networks.appearance import Appearance

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = (presets.build_encoder, presets.build_generator, presets.build_renderer)
        return Appearance.named("tiny", *(build(presets.TINY).eval() for build in networks))


@pytest.fixture
def dinar(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Run]:
    """The program, run in this process with a fresh folder as the current one."""
    from dinar import cli

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def run(*arguments: object) -> Run:
        monkeypatch.setattr(sys, "argv", ["dinar", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return Run(end.value.code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def made(avatar: Avatar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An avatar on disk."""
    path = tmp_path_factory.mktemp("made") / "me"
    avatar.save(path)
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (dinar's extra 'test')")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("needs Chromium (Debian's package chromium)")
    alone = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        program = driver.chromium.launch(executable_path=path, args=[*OPTIONS, *alone], timeout=120_000)
        yield program
        program.close()
