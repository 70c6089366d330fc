"""The neural renderer theta: a rasterised neural texture -> a person with hair, cloth and outline."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from dinar.networks.layers import ResBlock, conv_norm

COPIED = 2.0     # logit of the share of colours that an untrained head copies
OUTLINE = 4.0    # logit of the body's own mask
CONTINUED = 6    # halvings over which colours continue beyond the outline


@dataclass(frozen=True)
class NeuralRendering:
    """What the renderer makes of B people, not yet on any background.

    rgb   float32 [B, 3, H, W]  colours in [0, 1], not multiplied by the mask; of no meaning where the mask is 0
    mask  float32 [B, 1, H, W]  share of the pixel that the person covers, [0, 1]
    """

    rgb: Tensor
    mask: Tensor


class Renderer(nn.Module):
    """Neural renderer theta (section 3.1, appendix C, figure 12b): stems, a U-Net of ResNet blocks, two heads.

    The paper gives the outline; what it leaves open is chosen so that the parameters are the published 19.0 M (DESIGN
    section 7): one ResNet block a level on the way down and up, `blocks` at the bottom, doubled widths a level, and
    a 3 x 3 convolution after each doubling of the side.

    What the small renderer changes beside widths:

    - stems = heads = 0 and fold = 4: blocks of 4 x 4 pixels enter as channels of one and the heads unfold them again.
      Nothing is lost on the way in, and a layer costs a sixteenth of what it does at full resolution, where even
      narrow stems and heads would take most of the time.
    - blocks = 2 instead of 3: the bottom holds two thirds of all weights and sees the least of the picture.
    - colours = 16: 32 features for a block of 4 x 4 pixels cannot carry its 48 colours, so fine detail would die
      inside. The head may therefore copy the texture's own colours (channels 16 to 18 of eq. 2), as a share that it
      predicts for every pixel; beyond the body's outline these continue (`continued`). Copying needs no training
      data: it holds for real photos as for synthetic ones. Likewise its mask is a change to the body's.
    - identity = 128: on the head all colours that are filled are copied whole, as a map over the texture says
      (`head`). People are recognised by them, and repainted faces look like softer, other ones.
    - lean: without it a picture of 512 x 256 takes 3.0 G products. 1.1 of them are the first block's, which reads all
      numbers of a block of pixels and of its eight neighbours: now of each alone. 1.2 are those of the way up, where
      3 x 3 taps read what comes from below, doubled, and then that beside the skip: now it is narrowed before it is
      doubled, and the skip is added.
    """

    head: Tensor | None

    def __init__(
        self,
        texture_channels: int = 21,    # eq. 2
        width: int = 64,               # features at the U-Net's full resolution
        levels: int = 3,               # halvings of the U-Net (appendix C)
        blocks: int = 3,               # ResNet blocks at the bottom
        stems: int = 2,                # convolutions of each of the three stems (appendix C); 0: no stems
        heads: int = 3,                # convolutions of each of the two heads before its last
        fold: int = 1,                 # pixels a side that are folded into one
        colours: int | None = None,    # first of the texture's three colour channels, if the head may copy them
        identity: int = 0,             # texels a side of the map of what is always copied; 0: none
        lean: bool = False,            # a third of the products
    ) -> None:
        super().__init__()
        self.fold, self.colours, self.lean = fold, colours, lean
        self.stride = fold << levels   # height and width of an image are multiples of this
        inputs = [channels * fold**2 for channels in (texture_channels, 2, 1)]
        self.stems = nn.ModuleList(_convolutions(channels, width, stems) for channels in inputs)
        entering = 3 * width if stems else sum(inputs)
        self.entry = conv_norm(entering, width, kernel=1) if lean else ResBlock(entering, width)
        widths = [width << level for level in range(levels + 1)]
        steps = list(pairwise(widths))
        self.down = nn.ModuleList(ResBlock(fine, coarse, stride=2) for fine, coarse in steps)
        self.bottom = nn.Sequential(*(ResBlock(widths[-1], widths[-1]) for _ in range(blocks - 1)))
        level = _LeanUp if lean else _Up
        self.up = nn.ModuleList(level(coarse, fine) for fine, coarse in reversed(steps))
        self.rgb = _head(width, heads, (3 if colours is None else 4) * fold**2)
        self.mask = _head(width, heads, fold**2)
        self.register_buffer("head", torch.zeros(1, 1, identity, identity) if identity else None)
        if colours is not None:
            nn.init.constant_(self.rgb[-1].bias[3 * fold**2 :], COPIED)

    def forward(self, texture: Tensor, uv: Tensor, mask: Tensor) -> NeuralRendering:
        """texture [B, C, H, W] the rasterised neural texture, uv [B, 2, H, W] and mask [B, 1, H, W] the UV image's.

        All are 0 where no body is seen. H and W are multiples of `stride`. Colours that may be copied are in [0, 1].
        """
        if any(side % self.stride for side in texture.shape[2:]):
            raise ValueError(f"the image is {list(texture.shape[2:])}, should be multiples of {self.stride}")
        pictures = (functional.pixel_unshuffle(picture, self.fold) for picture in (texture, uv * 2 - mask, mask))
        x = torch.cat([stem(picture) for stem, picture in zip(self.stems, pictures, strict=True)], dim=1)
        skips = [self.entry(x)]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = self.bottom(skips.pop())
        for up in self.up:
            x = up(x, skips.pop())
        rgb = functional.pixel_shuffle(self.rgb(x), self.fold).float().sigmoid()
        drawn_mask = functional.pixel_shuffle(self.mask(x), self.fold).float()
        if self.colours is not None:
            own = texture[:, self.colours : self.colours + 3].float()
            share = rgb[:, 3:]
            if self.head is not None:
                filled = texture[:, self.colours + 4 : self.colours + 5].float()      # eq. 2's last channel
                share = torch.maximum(share, filled * _looked_up(self.head, uv))
            rgb = torch.lerp(rgb[:, :3], continued(own, mask.float()), share)
            drawn_mask = drawn_mask + _own_logit(mask)
        return NeuralRendering(rgb, drawn_mask.sigmoid())


def own_mask(mask: Tensor) -> Tensor:
    """What `Renderer` makes of the mask of a surface [B, 1, H, W] if it changes nothing about it."""
    return _own_logit(mask).sigmoid()


def continued(colours: Tensor, mask: Tensor) -> Tensor:
    """Colours [B, 3, H, W] beyond the mask [B, 1, H, W] that they belong to: those of its edge, the smoother the
    farther away. With nothing in the mask all are 0. H and W are multiples of 8.
    """
    return spread(torch.cat([colours * mask, mask], dim=1), CONTINUED)


def spread(known: Tensor, halvings: int) -> Tensor:
    """`continued` from colours times mask, and mask [B, 4, H, W]: [B, 3, H, W]."""
    levels = [known]
    while len(levels) <= halvings and not any(side % 2 for side in levels[-1].shape[2:]):
        levels.append(functional.avg_pool2d(levels[-1], 2))
    filled = levels[-1][:, :3] / levels[-1][:, 3:].clamp(min=1e-4)
    for level in reversed(levels[:-1]):
        filled = functional.interpolate(filled, level.shape[2:], mode="bilinear", align_corners=False)
        known = level[:, 3:].clamp(max=1)
        own = level[:, :3] / known.clamp(min=1e-4)
        filled = torch.lerp(filled, own, (4 * known).clamp(max=1))
    return filled


def _own_logit(mask: Tensor) -> Tensor:
    return OUTLINE * (2 * mask.float() - 1)


class _Up(nn.Module):
    """One level up: coarse [B, coarse, H / 2, W / 2] and the skip [B, fine, H, W] -> [B, fine, H, W]."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.conv = conv_norm(coarse, fine)
        self.block = ResBlock(2 * fine, fine)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return self.block(torch.cat([self.conv(x), skip], dim=1))


class _LeanUp(nn.Module):
    """The same with fewer products."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.conv = conv_norm(coarse, fine, kernel=1)
        self.block = ResBlock(fine, fine)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = functional.interpolate(self.conv(x), scale_factor=2, mode="bilinear", align_corners=False)
        return self.block(x + skip)


def _looked_up(map: Tensor, uv: Tensor) -> Tensor:
    """A map over the texture [1, C, S, S] where the UV image [B, 2, H, W] shows it: float32 [B, C, H, W]."""
    grid = uv.float().permute(0, 2, 3, 1) * 2 - 1
    return functional.grid_sample(map.float().expand(len(uv), -1, -1, -1), grid, align_corners=False)


def _convolutions(inputs: int, width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(conv_norm(width if i else inputs, width) for i in range(count)))


def _head(width: int, count: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_convolutions(width, width, count), nn.Conv2d(width, outputs, 3, padding=1))
