"""The small renderer made ready for drawing on a CPU: the same function of its input in a third of the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from dinar.networks.layers import SLOPE, ResBlock
from dinar.networks.renderer import CONTINUED, Renderer, spread
from dinar.networks.winograd import Winograd

TAPS = 9   # of a 3 x 3 kernel


@dataclass(frozen=True)
class _Conv:
    """A convolution with the normalisation behind it, and a leaky ReLU where it has a slope below 1."""

    weight: Tensor
    bias: Tensor
    stride: int
    slope: float
    tiled: Winograd | None         # the same where that is faster

    @classmethod
    def of(cls, conv: nn.Conv2d, norm: nn.BatchNorm2d | None = None, *, slope: float = 1.0) -> Self:
        weight, bias = conv.weight.detach(), None if conv.bias is None else conv.bias.detach()
        if norm is not None:
            scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
            weight, bias = weight * scale[:, None, None, None], norm.bias.detach() - norm.running_mean * scale
        return cls.made(weight, bias, conv.stride[0], slope)

    @classmethod
    def made(cls, weight: Tensor, bias: Tensor, stride: int, slope: float) -> Self:
        tiled = Winograd.of(weight, bias, slope) if weight.shape[2:] == (3, 3) and stride == 1 else None
        return cls(weight.contiguous(memory_format=torch.channels_last), bias, stride, slope, tiled)

    def __call__(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        """What is `beside` is added before the ReLU."""
        if self.tiled is not None:
            return self.tiled(x, beside)
        if self.weight.shape[-1] == 1:     # a product of matrices, which torch's convolution comes to by a detour
            weight = self.weight.flatten(1)
            found = functional.linear(x.permute(0, 2, 3, 1), weight, self.bias).permute(0, 3, 1, 2)
        else:
            found = functional.conv2d(x, self.weight, self.bias, self.stride, self.weight.shape[-1] // 2)
        if beside is not None:
            found = found.add_(beside)
        return found if self.slope == 1 else functional.leaky_relu_(found, self.slope)


@dataclass(frozen=True)
class _Block:
    """A `ResBlock`."""

    first: _Conv
    second: _Conv
    shortcut: _Conv | None
    shrink: int

    @classmethod
    def of(cls, block: ResBlock) -> Self:
        (first, second), shortcut, shrink = block.body, None, 1
        if isinstance(block.skip, nn.Sequential):
            shortcut = _Conv.of(block.skip[1][0], block.skip[1][1])
            shrink = first[0].stride[0]
        first, second = (_Conv.of(conv[0], conv[1], slope=SLOPE) for conv in (first, second))
        return cls(first, second, shortcut, shrink)

    def __call__(self, x: Tensor) -> Tensor:
        beside = functional.avg_pool2d(x, self.shrink) if self.shrink > 1 else x
        if self.shortcut is not None:
            beside = self.shortcut(beside)
        return self.second(self.first(x), beside)


@dataclass(frozen=True)
class _Entry:
    """What comes first, of blocks of pixels [P + 1, N] and which stands where [h, w]: [1, width, h, w].

    A product of a matrix with the blocks that a body touches; what each gives to its neighbours is summed there.
    """

    taps: Tensor                   # [N, (9 + 1) width] the first layer's taps and its shortcut; [N, width] where lean
    bias: Tensor                   # [2, width] of both; [1, width]
    second: _Conv | None           # the rest of the first block; None where lean

    @classmethod
    def of(cls, entry: nn.Module, fold: int) -> Self:
        if isinstance(entry, ResBlock):
            block = _Block.of(entry)
            second, firsts = block.second, [block.first, block.shortcut]
        else:
            second, firsts = None, [_Conv.of(entry[0], entry[1])]
        taps = torch.cat([first.weight.flatten(2) for first in firsts], dim=2)    # [width, C, 10 or 1]
        taps = taps.unflatten(1, (-1, fold, fold)).permute(2, 3, 1, 4, 0)         # of a pixel: its channels together
        taps = taps.reshape(-1, taps.shape[-2] * taps.shape[-1]).contiguous()
        return cls(taps, torch.stack([first.bias for first in firsts]), second)

    def __call__(self, values: Tensor, place: Tensor) -> Tensor:
        (h, w), width = place.shape, self.bias.shape[1]
        table = values @ self.taps
        if self.second is None:
            table = functional.leaky_relu_(table.add_(self.bias), SLOPE)
            return table.index_select(0, place.flatten()).view(1, h, w, width).permute(0, 3, 1, 2)
        table = table.view(-1, width)                                             # [(P + 1) (9 + 1), width]
        around = functional.pad(place, (1, 1, 1, 1), value=len(values) - 1) * (TAPS + 1)
        windows = around.unfold(0, 3, 1).unfold(1, 3, 1).reshape(h * w, TAPS)
        first = functional.embedding_bag(windows + torch.arange(TAPS), table, mode="sum")
        beside = table.index_select(0, place.flatten() * (TAPS + 1) + TAPS)
        first, beside = (
            (part + bias).view(1, h, w, width).permute(0, 3, 1, 2)
            for part, bias in zip((first, beside), self.bias, strict=True)
        )
        return self.second(functional.leaky_relu_(first, SLOPE), beside)


@dataclass(frozen=True, eq=False)
class PreparedRenderer:
    """A `Renderer` that folds pixels and copies colours, as numbers that no training changes any more.

    - Normalisations are folded into convolutions, everything is channels-last, and 3 x 3 taps take a quarter of their
      products (`networks.winograd`).
    - Blocks of pixels that no body touches are zeros: the first layer, two fifths of all products, is a product of a
      matrix with the others alone.
    - Its last layers give the logits of a pixel side by side, so that one pass makes the picture (`raster.blocks`).
    """

    fold: int
    entry: _Entry
    down: tuple[_Block, ...]
    bottom: tuple[_Block, ...]
    up: tuple[tuple[_Conv, _Block], ...]
    heads: _Conv                   # to [fold, fold, 5] logits: colours, the share that is copied, mask
    lean: bool                     # skips are added, and what comes up is narrowed before it is doubled
    copied: Tensor                 # [S, S] how much of a filled texel is copied at least; [0, 0]: no such map

    @staticmethod
    def can(renderer: Renderer) -> bool:
        """Whether a renderer is of that kind."""
        plain = not any(map(len, (*renderer.stems, renderer.rgb[0], renderer.mask[0])))
        return plain and renderer.colours is not None and renderer.fold % 2 == 0

    @classmethod
    def of(cls, renderer: Renderer) -> Self:
        fold = renderer.fold
        heads = [_Conv.of(head[1]) for head in (renderer.rgb, renderer.mask)]
        weight, bias = (torch.cat([getattr(head, part) for head in heads]) for part in ("weight", "bias"))
        order = torch.arange(5 * fold**2).view(5, fold**2).T.flatten()            # of a pixel: its logits together
        return cls(
            fold,
            _Entry.of(renderer.entry, fold),
            tuple(map(_Block.of, renderer.down)),
            tuple(map(_Block.of, renderer.bottom)),
            tuple((_Conv.of(up.conv[0], up.conv[1], slope=SLOPE), _Block.of(up.block)) for up in renderer.up),
            _Conv.made(weight[order], bias[order], 1, 1.0),
            renderer.lean,
            torch.zeros(0, 0) if renderer.head is None else renderer.head[0, 0].detach().float(),
        )

    @torch.inference_mode()
    def __call__(self, values: Tensor, place: Tensor) -> Tensor:
        """Blocks [P + 1, fold, fold, G + 8] and which stands where [h, w] -> logits [h, w, fold, fold, 5]."""
        x = self.entry(values.flatten(1), place)
        skips = [x]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = skips.pop()
        for block in self.bottom:
            x = block(x)
        for conv, block in self.up:
            x = conv(x) if self.lean else x
            x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = block(x.add_(skips.pop()) if self.lean else torch.cat([conv(x), skips.pop()], dim=1))
        return self.heads(x).permute(0, 2, 3, 1)[0].unflatten(2, (self.fold, self.fold, 5))

    @torch.inference_mode()
    def continued(self, values: Tensor, place: Tensor) -> Tensor:
        """The body's colours, going on beyond its outline (`renderer.continued`), at half the side: [H / 2, W / 2, 3].

        Full size is left to the last pass, which needs it where something is drawn alone.
        """
        h, w = place.shape
        half = self.fold // 2
        colours, mask = values[..., -8:-5], values[..., -1:]
        known = torch.cat([colours * mask, mask], dim=-1).view(-1, half, 2, half, 2, 4)
        known = sum(known[:, :, i, :, j] for i in range(2) for j in range(2)) / 4   # torch's mean takes five times that
        whole = known[place].permute(4, 0, 2, 1, 3).reshape(1, 4, h * half, w * half)
        return spread(whole, CONTINUED - 1)[0].permute(1, 2, 0).contiguous()
