"""The VQGAN: a whole neural texture as a small grid of codes, and back (sections 3.3 and 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from dinar.networks.vq_model import VQModel

HUES = (                                # lightness, red to blue, green to both: orthonormal
    (3**-0.5, 3**-0.5, 3**-0.5),
    (2**-0.5, 0.0, -(2**-0.5)),
    (-(6**-0.5), 2 * 6**-0.5, -(6**-0.5)),
)
COMMITMENT = 0.25   # of the latents' part of the codebook's loss: VQ-VAE's
_AT_ONCE = 256      # latents that are compared with all codes together: those distances fit a processor's cache


@dataclass(frozen=True)
class Quantized:
    """Latents snapped to the codebook.

    latent      float32 [B, L, s, s]  the nearest codes; gradients pass to the latents as if nothing had been snapped
    codes       int64   [B, s, s]     their numbers
    commitment  float32 scalar        what draws latents and codes to each other, each towards where the other stands
    """

    latent: Tensor
    codes: Tensor
    commitment: Tensor


class Autoencoder(nn.Module):
    """VQGAN on packed neural textures (`inpainting.packing`), a quarter of their side when encoded.

    Encoder, codebook and decoder are a `VQModel`. Channels are scaled inside to mean 0 and deviation 1
    (`measure_channels`), so that no channel drowns the others, and so are the latents that diffusion works on
    (`measure_latents`); both are part of the weights. So is what the generated channels of all people have in common, a
    value a texel: it is 99 % of their variance, as fine as texels are, and no code need be spent on it. Colours are
    scaled as lightness and two hues, which differ so much less among people that in red, green and blue they are the
    last thing to be learnt.

    With `tones` a latent has three channels more: the mean colours of its texels, as they are. What lies between them
    linearly is taken off before encoding and put back after decoding, so codes say fine detail alone, which nobody can
    tell from the other side of a person, and tones, which one can, are not drowned by it (`inpainting.diffusion`).
    Clothes of a colour that no training has seen keep it.

    The paper's "no attention" holds for the levels; one attention layer in the middle of encoder and decoder belongs to
    the published 5.6 and 8.3 M parameters (DESIGN section 7).
    """

    hues: Tensor
    common: Tensor
    channel_mean: Tensor
    channel_deviation: Tensor
    latent_mean: Tensor
    latent_deviation: Tensor

    def __init__(
        self,
        size: int = 256,                            # texels a side (section 3.1)
        generated: int = 16,                        # generated channels (section 3.1)
        fold: int = 1,                              # texels of colour a side for one generated texel
        patch: int = 1,                             # texels a side that enter and leave the convolutions as one
        latent: int = 6,                            # section 4.1
        codes: int = 8192,                          # section 4.1
        width: int = 64,                            # features at full side: DESIGN section 4
        multipliers: Sequence[int] = (1, 2, 4),     # of the width, level by level: DESIGN section 4
        blocks: int = 2,                            # residual blocks a level: DESIGN section 4
        attention: bool = True,                     # in the middle
        groups: int = 32,                           # of the normalisation
        tones: bool = False,                        # latents have three channels more: mean colours
    ) -> None:
        super().__init__()
        self.size = size
        self.fold = fold
        self.generated = generated
        self.patch = patch
        self.latent = latent
        self.channels = latent + len(HUES) * tones         # of a latent; codes have the first ones
        self.shrinkage = patch << (len(multipliers) - 1)   # texels a side of one latent
        channels = generated + 3 * fold**2 + 2
        self.vq = VQModel(
            channels * patch**2,
            latent,
            codes,
            [width * multiplier for multiplier in multipliers],
            blocks=blocks,
            groups=groups,
            attention=attention,
        )
        with torch.no_grad():   # the texels of a block start alike, else their pattern takes long to train away
            for part in (self.vq.decoder.conv_out.weight, self.vq.decoder.conv_out.bias):
                ends = (generated * patch**2, (generated + 3 * fold**2) * patch**2)
                for some, count in ((part[: ends[0]], 1), (part[ends[0] : ends[1]], fold**2), (part[ends[1] :], 1)):
                    texels = some.unflatten(0, (-1, count * patch**2))
                    texels.copy_(texels[:, :1].expand_as(texels).clone())
        self.register_buffer("hues", torch.tensor(HUES), persistent=False)
        self.register_buffer("common", torch.zeros(generated, size, size))
        for name, count in {"channel": channels, "latent": self.channels}.items():
            self.register_buffer(f"{name}_mean", torch.zeros(count, 1, 1))
            self.register_buffer(f"{name}_deviation", torch.ones(count, 1, 1))

    @property
    def codebook(self) -> nn.Parameter:
        """The codes [codes, latent], in the encoder's own scale."""
        return self.vq.quantize.embedding.weight

    def encode(self, packed: Tensor, common: Tensor | None = None) -> Tensor:
        """packed [B, C, S, S] -> float32 latents [B, L, S / 4, S / 4], not snapped to codes, tones last.

        common  [B or 1, 16, S, S] what the generated channels of all people have in common, here and below; default:
                that of whole textures
        """
        packed = packed.float()
        tones = self._tones(packed)
        rest = functional.pixel_unshuffle(self.scaled(packed - self._known(tones, common)), self.patch)
        latent = torch.cat([self.vq.encode(rest).float(), tones], dim=1)
        return (latent - self.latent_mean) / self.latent_deviation

    def quantize(self, latent: Tensor) -> Quantized:
        """latent [B, L, s, s], as `encode` gives it; tones stay as they are."""
        with torch.autocast(latent.device.type, enabled=False):
            raw, tones = self._parts(latent.float())
            codes = nearest(raw.detach().permute(0, 2, 3, 1), self.codebook.detach())
            found = self.codebook[codes].permute(0, 3, 1, 2)
            commitment = (
                functional.mse_loss(found, raw.detach()) + COMMITMENT * functional.mse_loss(raw, found.detach())
            )
            snapped = torch.cat([raw + (found - raw).detach(), tones], dim=1)
        return Quantized((snapped - self.latent_mean) / self.latent_deviation, codes, commitment)

    def decode(self, latent: Tensor, common: Tensor | None = None) -> Tensor:
        """latent [B, L, s, s] on codes (`Quantized.latent`) -> float32 packed texture [B, C, S, S], any range."""
        raw, tones = self._parts(latent)
        rest = functional.pixel_shuffle(self.vq.decode(raw).float(), self.patch)
        return self._turned(rest * self.channel_deviation + self.channel_mean, self.hues.T) + self._known(tones, common)

    def scaled(self, packed: Tensor) -> Tensor:
        """What is to be said of packed textures [B, C, S, S] in the scale in which all channels count alike: losses
        of differences belong there.
        """
        return (self._turned(packed, self.hues) - self.channel_mean) / self.channel_deviation

    @torch.no_grad()
    def measure_channels(self, packed: Tensor, weight: Tensor) -> None:
        """Learns the channels' scale from packed textures [B, C, S, S]; weight [B or 1, 1, S, S] 1 where they count."""
        self.common.copy_(packed[:, : self.generated].double().mean(0))
        rest = self._turned(packed - self._known(self._tones(packed)), self.hues)
        _measure(rest, weight, self.channel_mean, self.channel_deviation)

    def _parts(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """What codes and tones say, in their own scales."""
        raw = latent * self.latent_deviation + self.latent_mean
        return raw[:, : self.latent], raw[:, self.latent :]

    def _tones(self, packed: Tensor) -> Tensor:
        """Mean colours of each latent's texels as hues [B, 3 or 0, s, s]."""
        if self.channels == self.latent:
            return packed.new_zeros(len(packed), 0, *(side // self.shrinkage for side in packed.shape[2:]))
        colours = packed[:, self.generated : -2].unflatten(1, (len(HUES), -1)).mean(2)
        return functional.avg_pool2d(turned(colours, self.hues), self.shrinkage)

    def _known(self, tones: Tensor, common: Tensor | None = None) -> Tensor:
        """What codes need not say, in all channels: [B or 1, C, S, S]."""
        common, masks = self.common[None] if common is None else common, 2
        if not tones.shape[1]:
            return functional.pad(common, (0, 0, 0, 0, 0, len(HUES) * self.fold**2 + masks))
        colours = functional.interpolate(turned(tones, self.hues.T), common.shape[2:], mode="bilinear")
        colours = functional.pad(colours.repeat_interleave(self.fold**2, dim=1), (0, 0, 0, 0, 0, masks))
        return torch.cat([common.expand(len(tones), -1, -1, -1), colours], dim=1)

    def _turned(self, packed: Tensor, axes: Tensor) -> Tensor:
        """The colours' three channels of each texel of a block onto other axes [3, 3]."""
        generated, colours, masks = packed.split([self.generated, len(HUES) * self.fold**2, 2], dim=1)
        colours = turned(colours.unflatten(1, (len(HUES), -1)), axes).flatten(1, 2)
        return torch.cat([generated, colours, masks], dim=1)

    @torch.no_grad()
    def measure_latents(self, latent: Tensor, weight: Tensor) -> None:
        """Learns the latents' scale, once the encoder is trained, from `encode`'s [B, L, s, s] before any scale is set.

        weight [B or 1, 1, s, s]: 1 where they count. Raises ValueError where a scale is set already.
        """
        if not torch.equal(self.latent_deviation, torch.ones_like(self.latent_deviation)):
            raise ValueError("these latents are scaled already")
        _measure(latent, weight, self.latent_mean, self.latent_deviation)


def nearest(latents: Tensor, codebook: Tensor) -> Tensor:
    """The number of the code nearest to each of the latents [..., L]: int64 [...]."""
    bias, across = codebook.square().sum(1) / 2, -codebook.T.contiguous()    # |c - z|^2 / 2 but for |z|^2
    parts = latents.flatten(0, -2).split(_AT_ONCE)
    return torch.cat([torch.addmm(bias, part, across).argmin(1) for part in parts]).view(latents.shape[:-1])


class CodebookUse(nn.Module):
    """Who uses the codebook: counts codes while the autoencoder trains, and gives dead ones a new life.

    A code that no latent is near gets no gradient and would stay where it is for ever. After `patience` steps without
    use it moves to a latent of the current batch. At first all codes count as dead: the first `revive` spreads the
    codebook over the encoder's outputs. Its buffers belong to the state of a training, not to the weights.
    """

    counts: Tensor
    idle: Tensor

    def __init__(self, codes: int, *, patience: int = 100, decay: float = 0.99) -> None:
        super().__init__()
        self.patience, self.decay = patience, decay
        self.register_buffer("counts", torch.zeros(codes))                              # uses a step, running mean
        self.register_buffer("idle", torch.full((codes,), patience, dtype=torch.long))  # steps since the last use

    @torch.no_grad()
    def update(self, codes: Tensor) -> None:
        """One step's codes, any shape."""
        found = torch.bincount(codes.flatten(), minlength=len(self.counts))
        self.counts.lerp_(found.to(self.counts), 1 - self.decay)
        self.idle.copy_(torch.where(found > 0, 0, self.idle + 1))

    @property
    def used(self) -> float:
        """The share of the codes that are alive."""
        return float((self.idle < self.patience).float().mean())

    @property
    def perplexity(self) -> float:
        """As many codes would carry as much if all were used alike: from 1 to all of them."""
        share = self.counts / self.counts.sum().clamp(min=1e-12)
        return float(torch.exp(-(share * share.clamp(min=1e-12).log()).sum()))

    @torch.no_grad()
    def revive(self, codebook: Tensor, latents: Tensor, rng: torch.Generator) -> Tensor:
        """Moves the dead codes of `codebook` [codes, L] in place to some of the latents [N, L]; rng on the CPU.

        Returns the numbers of those that were moved, so that an optimiser can forget what it knew of them.
        """
        dead = (self.idle >= self.patience).nonzero().flatten()
        if len(dead) and len(latents):
            chosen = torch.randperm(len(latents), generator=rng)
            chosen = chosen.repeat(-(-len(dead) // len(chosen)))[: len(dead)].to(latents.device)
            spread = 0.02 * latents.std(0, correction=0)     # two codes at one place would never part
            noise = torch.randn(len(dead), latents.shape[1], generator=rng).to(latents.device)
            codebook[dead] = (latents[chosen] + noise * spread).to(codebook.dtype)
            self.idle[dead] = 0
        return dead


def turned(colours: Tensor, axes: Tensor) -> Tensor:
    """Colours [B, 3, ...] onto other axes [3, 3]; no product of matrices, whose eight bits are too few for a colour."""
    columns = axes.T.reshape(3, 1, 3, *([1] * (colours.dim() - 2)))
    return sum(column * colour.unsqueeze(1) for column, colour in zip(columns, colours.float().unbind(1), strict=True))


def _measure(values: Tensor, weight: Tensor, mean: Tensor, deviation: Tensor) -> None:
    weight = weight.double().expand(len(values), -1, -1, -1)
    total = weight.sum()
    centre = (values.double() * weight).sum((0, 2, 3)) / total
    spread = ((values.double() - centre[:, None, None]).square() * weight).sum((0, 2, 3)) / total
    mean.copy_(centre[:, None, None])
    deviation.copy_(spread.sqrt().clamp(min=1e-3)[:, None, None])
