from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from texture.shapes import paint

from dinar.inpainting.colours import MEAN_SHADES, SHADES, Look, luminance, match_colours, relit, shaded, steady
from dinar.texture.neural_texture import NeuralTexture

SIZE = 32
GAIN, SHIFT = torch.tensor([0.7, 1.1, 0.9])[:, None, None], torch.tensor([0.12, -0.03, 0.05])[:, None, None]


def whole(rgb: torch.Tensor) -> NeuralTexture:
    zero = torch.zeros(1, 1, SIZE, SIZE)
    return NeuralTexture(None, rgb, zero, zero + 1, zero)


def seen(rgb: torch.Tensor) -> NeuralTexture:
    """The left half."""
    mask = (torch.arange(SIZE) < SIZE // 2).float().expand(1, 1, SIZE, SIZE)
    return NeuralTexture(None, rgb * mask, mask, mask, mask)


def test_texels_alone_tell_the_colours() -> None:
    proposal = whole(paint(SIZE) * 0.8)
    truth = proposal.rgb * GAIN + SHIFT
    found = match_colours(proposal, seen(truth), [])
    assert torch.allclose(found.rgb, truth, atol=0.01)      # the pull costs a little
    assert torch.equal(found.filled, proposal.filled)


def test_the_renderer_has_the_last_word() -> None:
    """A renderer that darkens: what matches in texture space does not match when drawn."""
    proposal = whole(paint(SIZE) * 0.8)
    truth = proposal.rgb * GAIN + SHIFT

    def draw(texture: NeuralTexture) -> torch.Tensor:
        return texture.rgb[..., : SIZE // 2] * 0.9

    look = Look(draw, truth[..., : SIZE // 2], torch.ones(1, 1, SIZE, SIZE // 2))

    def error(steps: int) -> float:
        found = match_colours(proposal, seen(truth), [look], steps=steps)
        return float((draw(found) - look.image).abs().mean())

    assert error(0) > 0.03 and error(8) < 0.01


def test_the_renderers_weights_learn_nothing() -> None:
    proposal, weight = whole(paint(SIZE)), torch.nn.Parameter(torch.tensor(0.8))
    look = Look(lambda t: t.rgb * weight, proposal.rgb, torch.ones(1, 1, SIZE, SIZE))
    found = match_colours(proposal, seen(proposal.rgb), [look])
    assert weight.grad is None and not found.rgb.requires_grad


def test_pixels_without_weight_say_nothing() -> None:
    proposal = whole(paint(SIZE) * 0.8)
    truth = proposal.rgb * GAIN + SHIFT
    weight = torch.ones(1, 1, SIZE, SIZE)
    weight[..., SIZE // 2 :] = 0
    spoilt = truth.clone()
    spoilt[..., SIZE // 2 :] = 1
    clean, other = (Look(lambda t: t.rgb, image, weight) for image in (truth, spoilt))
    first, second = (match_colours(proposal, seen(truth), [look]).rgb for look in (clean, other))
    assert torch.equal(first, second) and torch.allclose(first, truth, atol=0.02)


@pytest.mark.parametrize("looks", [0, 1])
def test_plain_cloth_is_moved_and_not_stretched(looks: int) -> None:
    """One colour fits any gain: what differs in it must not blow up what else there is."""
    rgb = torch.full((1, 3, SIZE, SIZE), 0.4)
    rgb[..., SIZE // 2 :] = 0.6                              # only the unseen half has another
    truth = torch.full((1, 3, SIZE, SIZE), 0.45)
    look = Look(lambda t: t.rgb[..., : SIZE // 2], truth[..., : SIZE // 2], torch.ones(1, 1, SIZE, SIZE // 2))
    found = match_colours(whole(rgb), seen(truth), [look] * looks).rgb
    assert torch.allclose(found[..., 0], truth[..., 0], atol=0.01)
    assert torch.allclose(found[..., -1], torch.tensor(0.65), atol=0.03)


def test_nothing_seen_changes_nothing() -> None:
    proposal = whole(paint(SIZE))
    empty = replace(seen(paint(SIZE)), sampled=torch.zeros(1, 1, SIZE, SIZE))
    assert torch.allclose(match_colours(proposal, empty, []).rgb, proposal.rgb, atol=1e-6)


def test_cloth_is_shaded_and_keeps_its_hue() -> None:
    plain = (paint(SIZE) * 0.4 + 0.1).clamp(0, 1)
    grey = whole(plain.mean(1, keepdim=True).expand_as(plain) * torch.linspace(0.2, 2, SIZE))
    where = (torch.arange(SIZE) >= SIZE // 2).float()[:, None].expand(1, 1, SIZE, SIZE)
    found = shaded(grey, plain, where, torch.ones_like(where))
    assert torch.equal(found.rgb[:, :, : SIZE // 2], grey.rgb[:, :, : SIZE // 2])
    shade = (found.rgb / plain)[:, :, SIZE // 2 :]
    assert (shade.amax(1) - shade.amin(1)).max() < 1e-4                             # all channels alike
    freely = (shaded(grey, plain, where, torch.zeros_like(where)).rgb / plain)[:, :, SIZE // 2 :]
    assert freely[..., :4].max() == pytest.approx(SHADES[0]) and freely[..., -4:].min() == pytest.approx(SHADES[1])
    assert SHADES[0] < float(freely[..., SIZE // 3].mean()) < SHADES[1]
    assert shade.min() >= SHADES[0] - 1e-5 and shade.max() <= SHADES[1] + 1e-5
    assert float(shade[..., :4].mean()) < float(shade[..., -4:].mean())
    black = shaded(grey, plain * 0, torch.ones_like(where), torch.ones_like(where))
    assert not black.rgb.any()


def test_stripes_keep_their_contrast_and_folds_stay() -> None:
    side = 160
    stripes = torch.where(torch.arange(side) // 8 % 2 > 0, 0.8, 0.2).expand(1, 1, side, side)
    folds = 1 - 0.2 * (torch.arange(side) // 5 % 3 == 0).float()[:, None].expand(1, 1, side, side)
    everywhere, middle = torch.ones_like(stripes), (..., slice(40, 120), slice(40, 120))
    paler = 0.35 + 0.3 * stripes                                                    # all that white and dark become
    ratio = (steady(paler, stripes, everywhere) / stripes)[middle]
    assert ratio.max() / ratio.min() < 1.1 < (paler / stripes)[middle].max() / (paler / stripes)[middle].min()
    ratio = (steady(stripes * folds, stripes, everywhere) / stripes)[middle]
    assert ratio.max() - ratio.min() == pytest.approx(0.2, rel=0.1)
    assert float(ratio.mean()) == pytest.approx(MEAN_SHADES[0], abs=0.02)


def test_means_over_windows_are_held() -> None:
    white = torch.full((1, 1, 160, 160), 0.9)
    everywhere = torch.ones_like(white)
    for shade, held in (0.5, MEAN_SHADES[0]), (0.97, 0.97), (1.5, MEAN_SHADES[1]):
        assert torch.allclose(steady(white * shade, white, everywhere), white * held, atol=0.02)
    assert torch.equal(steady(white * 0.5, white, everywhere * 0), white * 0.5)     # where it does not count


def test_relit_colours_keep_their_hues_in_shade_and_take_a_sheen() -> None:
    before = torch.tensor([0.6, 0.2, 0.1])[:, None, None].expand(3, 4, 4)
    shade = relit(luminance(before * 0.9), before, darkest=0.8, lighter=0.05)
    assert torch.allclose(shade, before * 0.9)
    assert torch.allclose(relit(luminance(before * 0.1), before, darkest=0.8, lighter=0.05), before * 0.8)
    other = relit(luminance(before.flip(0)), before, darkest=0.8, lighter=0.05)            # of another hue, and darker
    assert torch.allclose(other / before, (other / before)[:1].expand_as(before))
    assert torch.allclose(relit(luminance(before + 0.03), before, darkest=0.8, lighter=0.05), before + 0.03)
    assert torch.allclose(relit(luminance(before + 0.3), before, darkest=0.8, lighter=0.05), before + 0.05)
