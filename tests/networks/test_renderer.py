from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch

from dinar import presets
from dinar.configs import RendererConfig
from dinar.networks.renderer import Renderer, continued

PLAIN = replace(presets.PAPER.renderer, width=8, levels=1, blocks=1)    # the paper's structure: stems and heads
FOLDED = replace(presets.TINY.renderer, levels=1)                       # the small one's: folded pixels, copied colours

LEAN = replace(presets.TINY.slim, fold=2)                     # as the second, with fewer products


def build(config: RendererConfig) -> Renderer:
    """Random weights, but statistics of the picture below: in evaluation, too, every layer has unit variance."""
    torch.manual_seed(0)
    renderer = Renderer(**asdict(config))
    for module in renderer.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None   # a mean over all pictures
    with torch.no_grad():
        renderer(*picture())
    return renderer.eval()


def picture(h: int = 48, w: int = 64, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A body of random colours in the middle of the image."""
    rng = torch.Generator().manual_seed(1)
    mask = torch.zeros(batch, 1, h, w)
    mask[..., h // 4 : -h // 4, w // 4 : -w // 4] = 1
    return torch.rand(batch, 21, h, w, generator=rng) * mask, torch.rand(batch, 2, h, w, generator=rng) * mask, mask


@pytest.mark.parametrize("config", [PLAIN, FOLDED, LEAN], ids=["plain", "folded", "lean"])
class TestBoth:
    def test_a_picture_and_a_mask_always_the_same(self, config):
        renderer = build(config)
        drawn = renderer(*picture())
        assert drawn.rgb.shape == (2, 3, 48, 64) and drawn.mask.shape == (2, 1, 48, 64)
        for part in (drawn.rgb, drawn.mask):
            assert part.dtype == torch.float32 and part.min() >= 0 and part.max() <= 1 and part.std() > 0
        again = renderer(*picture())
        assert torch.equal(drawn.rgb, again.rgb) and torch.equal(drawn.mask, again.mask)

    def test_extreme_inputs_stay_in_range(self, config):
        texture, uv, mask = picture()
        texture = torch.cat([texture[:, :16] * 1e4, texture[:, 16:]], dim=1)
        drawn = build(config)(texture, uv, mask)
        assert all(part.isfinite().all() and part.min() >= 0 and part.max() <= 1 for part in (drawn.rgb, drawn.mask))

    def test_every_input_counts(self, config):
        renderer, inputs = build(config), picture()
        drawn = renderer(*inputs)
        for i in range(3):
            changed = renderer(*(x * 0.5 if i == j else x for j, x in enumerate(inputs)))
            assert not torch.allclose(changed.rgb, drawn.rgb) and not torch.allclose(changed.mask, drawn.mask)

    def test_a_shift_by_the_stride_shifts_the_result(self, config):
        renderer, (texture, uv, mask) = build(config), picture(96, 96, 1)
        shift = renderer.stride
        moved = renderer(*(x.roll((shift, 2 * shift), (2, 3)) for x in (texture, uv, mask)))
        drawn = renderer(texture, uv, mask)
        inner = slice(36, -36)   # beyond the reach of the zeros around the image
        for found, wanted in ((moved.rgb, drawn.rgb), (moved.mask, drawn.mask)):
            wanted = wanted.roll((shift, 2 * shift), (2, 3))[..., inner, inner]
            torch.testing.assert_close(found[..., inner, inner], wanted, atol=1e-5, rtol=0)
        off = renderer(*(x.roll(1, 3) for x in (texture, uv, mask)))
        assert not torch.allclose(off.rgb[..., inner, inner], drawn.rgb.roll(1, 3)[..., inner, inner], atol=1e-3)

    def test_gradients_reach_every_parameter_and_the_texture(self, config):
        renderer, (texture, uv, mask) = build(config).train(), picture()
        texture.requires_grad_()
        drawn = renderer(texture, uv, mask)
        (drawn.rgb.square().sum() + drawn.mask.square().sum()).backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in renderer.parameters())
        assert (texture.grad.abs().sum((0, 2, 3)) > 0).all()

    def test_bfloat16(self, config):
        renderer, inputs = build(config), picture()
        exact = renderer(*inputs)
        with torch.autocast("cpu", torch.bfloat16):
            rough = renderer(*(x.to(memory_format=torch.channels_last) for x in inputs))
        for found, wanted in ((rough.rgb, exact.rgb), (rough.mask, exact.mask)):
            assert found.dtype == torch.float32
            torch.testing.assert_close(found, wanted, atol=0.05, rtol=0)   # the logits have 8 bits

    def test_a_wrong_size_is_refused(self, config):
        with pytest.raises(ValueError, match="multiples of"):
            build(config)(*picture(48, 63))


def test_strides():
    with torch.device("meta"):
        strides = [presets.build_renderer(preset).stride for preset in (presets.PAPER, presets.SMALL, presets.TINY)]
    assert strides == [8, 32, 8]


def test_the_small_one_takes_a_quarter_of_the_products():
    """At most .8 G of them for a picture of 512 x 256, where the large one takes 3.0."""
    found = []
    for renderer in (presets.build_renderer(presets.SMALL), presets.build_slim(presets.SMALL)):
        products = 0

        def count(layer, _, out):
            nonlocal products
            products += out.numel() * layer.weight[0].numel()

        for layer in renderer.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.register_forward_hook(count)
        with torch.no_grad():
            renderer.eval()(*(torch.zeros(1, channels, 512, 256) for channels in (21, 2, 1)))
        found.append(products / 1e9)
    assert 2.9 < found[0] < 3.1 and found[1] < 0.8


@pytest.mark.parametrize(("bias", "share"), [(40.0, 1.0), (-40.0, 0.0)])
def test_the_folded_head_can_copy_the_texture_s_colours(bias, share):
    renderer, (texture, uv, mask) = build(FOLDED), picture()
    with torch.no_grad():
        renderer.rgb[1].bias[-(FOLDED.fold**2) :] = bias
        drawn = renderer(texture, uv, mask)
        other = renderer(torch.cat([texture[:, :16], texture[:, 16:19] * 0 + 0.5, texture[:, 19:]], 1), uv, mask)
    inside = (mask == 1).expand(-1, 3, -1, -1)
    same = torch.isclose(drawn.rgb, texture[:, 16:19], atol=1e-6)[inside].float().mean().item()
    assert same == pytest.approx(share, abs=0.01)
    assert torch.allclose(other.rgb[inside], torch.tensor(0.5)) == bool(share)


def test_colours_continue_beyond_their_mask():
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 16:48, 16:32] = 1
    mask[..., 16:48, 32:48] = 0.5                                  # half covered: its colour is whole all the same
    colours = torch.zeros(1, 3, 64, 64)
    colours[:, 0, :, :32], colours[:, 1, :, 32:] = 0.8, 0.6
    colours = colours * (mask > 0)
    spread = continued(colours, mask)
    held = (mask > 0).expand_as(colours)
    assert torch.allclose(spread[held], colours[held], atol=1e-5)
    red, green = spread[0, :2, 32, :]
    assert red[8] > 0.5 > 2 * green[8] and green[56] > 0.3 > red[56]   # red goes on to the left, green to the right
    assert continued(colours * 0, mask * 0).abs().max() == 0


def test_what_is_filled_on_the_head_is_copied_whole():
    """Whatever the network would paint there; elsewhere it may."""
    renderer, (texture, uv, mask) = build(FOLDED), picture()
    uv = (uv * 0.8 + 0.1) * mask                                      # inside the map's border
    renderer.head[..., :8] = 1                                        # the left half of the texture
    texture[:, 20] = (texture[:, 20] > 0.5).float()                   # filled or not
    with torch.no_grad():
        renderer.rgb[1].bias[-(FOLDED.fold**2) :] = -40.0             # nothing is copied of its own accord
        drawn = renderer(texture, uv, mask)
    same = torch.isclose(drawn.rgb, texture[:, 16:19], atol=1e-6).all(1)
    inside, left, right = mask[:, 0] == 1, uv[:, 0] < 0.46, uv[:, 0] > 0.54     # beside the map's edge
    filled = texture[:, 20] == 1
    assert same[inside & left & filled].all() and (inside & left & filled).sum() > 50
    assert same[inside & ~(left & filled) & (right | ~filled)].float().mean() < 0.01
