from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch
from torch.nn import functional

from dinar import presets
from dinar.networks.prepared import PreparedRenderer
from dinar.networks.renderer import Renderer, continued

SIDES = (64, 96)
CONFIGS = {
    "small": replace(presets.SMALL.renderer, width=8),
    "tiny": replace(presets.TINY.renderer, blocks=3),
    "slim": replace(presets.SMALL.slim, width=8, blocks=2),
}


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS)
def renderer(request) -> Renderer:
    """Random weights and random statistics in every normalisation."""
    torch.manual_seed(0)
    renderer = Renderer(**asdict(request.param)).eval()
    for module in renderer.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    return renderer


def pixels(seed: int = 0) -> torch.Tensor:
    """What enters a renderer [24, H, W] with a body in the middle, touching one border."""
    rng = torch.Generator().manual_seed(seed)
    mask = torch.zeros(1, *SIDES)
    mask[:, :41, 30:61] = torch.randint(5, (1, 41, 31), generator=rng) / 4
    uv = torch.rand(2, *SIDES, generator=rng) * (mask > 0)
    return torch.cat([torch.rand(21, *SIDES, generator=rng) * (mask > 0), uv * 2 - mask, mask])


def in_blocks(image: torch.Tensor, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Those blocks of [C, H, W] that hold something, one of zeros behind them, and where they stand."""
    cells = functional.pixel_unshuffle(image[None], side)[0].unflatten(0, (-1, side, side)).permute(3, 4, 1, 2, 0)
    held = (cells != 0).flatten(2).any(2)
    place = torch.full(held.shape, int(held.sum()))
    place[held] = torch.arange(int(held.sum()))
    return torch.cat([cells[held], torch.zeros_like(cells[:1, 0])]).contiguous(), place


def test_the_logits_are_the_renderer_s(renderer: Renderer) -> None:
    image = pixels()
    values, place = in_blocks(image, renderer.fold)
    found = PreparedRenderer.of(renderer)(values, place).permute(4, 0, 2, 1, 3).reshape(5, *SIDES)
    logits = []
    for head in (renderer.rgb, renderer.mask):          # the renderer's own ends begin with these
        head.register_forward_hook(lambda _, __, out: logits.append(functional.pixel_shuffle(out, renderer.fold)[0]))
    with torch.no_grad():
        renderer(image[None, :21], ((image[21:23] + image[23:]) / 2)[None], image[None, 23:])
    torch.testing.assert_close(found, torch.cat(logits), atol=2e-5, rtol=1e-4)


def test_colours_continue_as_the_renderer_s(renderer: Renderer) -> None:
    image = pixels()
    found = PreparedRenderer.of(renderer).continued(*in_blocks(image, renderer.fold)).permute(2, 0, 1)[None]
    colours, mask = image[None, 16:19], image[None, 23:]
    whole = functional.interpolate(found, SIDES, mode="bilinear", align_corners=False)
    whole = torch.lerp(whole, colours, (4 * mask).clamp(max=1))
    torch.testing.assert_close(whole, continued(colours, mask), atol=1e-5, rtol=0)


def test_nothing_seen(renderer: Renderer) -> None:
    prepared = PreparedRenderer.of(renderer)
    values, place = in_blocks(pixels() * 0, renderer.fold)
    assert len(values) == 1 and prepared(values, place).isfinite().all()
    assert (prepared.continued(values, place) == 0).all()


def test_only_renderers_that_fold_and_copy_and_have_no_stems() -> None:
    with torch.device("meta"):
        can = [PreparedRenderer.can(presets.build_renderer(p)) for p in (presets.PAPER, presets.SMALL, presets.TINY)]
        assert all(PreparedRenderer.can(presets.build_slim(p)) for p in (presets.PAPER, presets.SMALL, presets.TINY))
        stems = Renderer(**asdict(replace(presets.TINY.renderer, stems=1)))
        heads = Renderer(**asdict(replace(presets.TINY.renderer, heads=1)))
    assert can == [False, True, True] and not PreparedRenderer.can(stems) and not PreparedRenderer.can(heads)
