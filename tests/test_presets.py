from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict

import pytest
import torch

from dinar import presets
from dinar.networks.discriminator import Discriminator
from dinar.networks.encoder import Encoder
from dinar.networks.renderer import Renderer
from dinar.networks.texture_generator import TextureGenerator
from dinar.presets import PAPER, PRESETS, SMALL, TINY

BUILD = {
    "encoder": presets.build_encoder,
    "generator": presets.build_generator,
    "renderer": presets.build_renderer,
    "discriminator": presets.build_discriminator,
}


def shape_of(part: str, preset: presets.Preset) -> torch.nn.Module:
    with torch.device("meta"):
        return BUILD[part](preset)


@pytest.mark.parametrize(
    ("part", "millions"),
    # DESIGN section 7; the discriminator as StyleGAN2 has it at 512 x 512
    [("encoder", 7.4), ("generator", 8.1), ("renderer", 19.0), ("discriminator", 29.0)],
)
def test_paper_has_the_published_parameters(part, millions):
    count = sum(p.numel() for p in shape_of(part, PAPER).parameters()) / 1e6
    assert count == pytest.approx(millions, rel=0.02)


@pytest.mark.parametrize(("part", "megabytes"), [("encoder", 3.8), ("generator", 5.2), ("renderer", 7.3)])
def test_small_has_the_sizes_of_the_design(part, megabytes):
    size = sum(t.numel() * 2 for t in shape_of(part, SMALL).state_dict().values()) / 1e6
    assert size == pytest.approx(megabytes, rel=0.03)


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (PAPER.encoder, Encoder),
        (PAPER.generator, TextureGenerator),
        (PAPER.renderer, Renderer),
        (PAPER.discriminator, Discriminator),
    ],
)
def test_the_constructors_defaults_are_the_paper(config, kind):
    assert asdict(config) == {name: p.default for name, p in inspect.signature(kind).parameters.items()}


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_the_parts_fit_together(preset):
    assert preset.encoder.latent == preset.generator.latent
    assert preset.renderer.texture_channels == preset.generator.channels + 5   # eq. 2
    assert preset.renderer.colours in (None, preset.generator.channels)
    assert preset.discriminator.resolution == preset.appearance.window
    assert preset.appearance.window % shape_of("renderer", preset).stride == 0
    assert preset.appearance.lpips_crop <= preset.appearance.window


def test_tiny_goes_from_photo_to_logit():
    torch.manual_seed(0)
    encoder, generator, renderer, discriminator = (build(TINY) for build in BUILD.values())
    image, mask = torch.rand(2, 3, 64, 64), torch.ones(2, 1, 64, 64)
    generated = generator(encoder(image, mask))
    texture = torch.cat([torch.nn.functional.interpolate(generated, (64, 64)), image, mask, mask], dim=1)
    drawn = renderer(texture, torch.rand(2, 2, 64, 64), mask)
    discriminator(drawn.rgb * drawn.mask).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_presets_are_fixed_and_light():
    assert list(PRESETS) == ["paper", "small", "tiny"] and PRESETS["small"] is SMALL
    with pytest.raises(FrozenInstanceError):
        PAPER.encoder.latent = 3
    code = "import sys, dinar.presets; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
