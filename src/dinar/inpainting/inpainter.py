"""From a partial texture to a whole one: condition, diffusion, and the photo's own texels on top (section 3.4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from dinar.errors import InputError
from dinar.inpainting.diffusion import Sampler, noise_in
from dinar.inpainting.packing import packed_texture, unpack
from dinar.networks import pretrained
from dinar.networks.autoencoder import Autoencoder
from dinar.networks.denoiser import Denoiser
from dinar.networks.detailer import Detailer
from dinar.texture.islands import Islands
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.trust import near

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MARKER = "inpainting.json"
FEATHER = 1 / 48    # of the texture's side: how far from what is seen the painting begins to count whole
CONFIDENCE = 0.7    # the part of a change that is believed: few people taught it
CHANGED = 0.1       # distance in RGB, [0, 1], from a tone to that which is painted, about which codes are painted too

_PARTS = {"autoencoder": Autoencoder, "denoiser": Denoiser}
_DETAILER = "detailer"   # of some trainings


@dataclass(frozen=True, eq=False)
class Inpainter:
    """Autoencoder and denoiser of one training, and perhaps what adds details to what they paint.

    name        the preset and a digest of the weights
    appearance  name of the appearance weights whose textures they were trained on, and fit alone
    detailer    of their paintings
    plain       the name without it; empty where there is none
    """

    name: str
    appearance: str
    autoencoder: Autoencoder
    denoiser: Denoiser
    detailer: Detailer | None = None
    plain: str = ""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The networks of a folder, on the CPU, ready for use.

        Raises InputError where one is missing, damaged or of another kind.
        """
        kinds = _PARTS | ({_DETAILER: Detailer} if (Path(folder) / _DETAILER).exists() else {})
        names, parts = pretrained.load_family(folder, MARKER, ("name", "appearance"), kinds, optional=("plain",))
        return cls(*names[:2], **parts, plain=names[2])

    def save(self, folder: Path, configs: Mapping[str, DataclassInstance]) -> None:
        """Writes a folder that `load` reads, whole or not at all; `configs` are the constructors' arguments by part.

        Raises ValueError where a network is not what its config describes, InputError where the folder cannot be
        written.
        """
        facts = {"name": self.name, "appearance": self.appearance} | ({"plain": self.plain} if self.plain else {})
        pretrained.save_family(folder, MARKER, facts, self._parts, configs)

    def to(self, device: torch.device | str) -> Self:
        """On a device; networks that are there are not copied."""
        return replace(self, **{part: pretrained.moved(network, device) for part, network in self._parts.items()})

    @property
    def _parts(self) -> dict[str, nn.Module]:
        names = [*_PARTS, *([] if self.detailer is None else [_DETAILER])]
        return {part: getattr(self, part) for part in names}

    def detailed(self, detailer: Detailer | None) -> Self:
        """With another detailer, or none, and the name that goes with it."""
        plain = self.plain or self.name
        if detailer is None:
            return replace(self, name=plain, detailer=None, plain="")
        name = f"{plain.rpartition('-')[0]}-{pretrained.digest(self.autoencoder, self.denoiser, detailer)}"
        return replace(self, name=name, detailer=detailer, plain=plain)

    @classmethod
    def named(cls, preset: str, appearance: str, autoencoder: Autoencoder, denoiser: Denoiser) -> Self:
        """Networks with the name that their weights make."""
        return cls(f"{preset}-{pretrained.digest(autoencoder, denoiser)}", appearance, autoencoder, denoiser)


@lru_cache(maxsize=1)
def shipped() -> Inpainter:
    """The weights that come with the package, loaded once. Raises InputError where it has none."""
    return Inpainter.load(_shelf())


def ships_for(appearance: str) -> bool:
    """Whether the package has weights that paint textures of the appearance weights of that name; quick."""
    try:
        return json.loads((_shelf() / MARKER).read_text(encoding="utf-8"))["appearance"] == appearance
    except (OSError, ValueError, KeyError, TypeError):
        return False


def check(inpainter: Inpainter, appearance: str | None) -> None:
    """Raises InputError where a texture of the appearance weights of that name is not what the networks learnt."""
    if inpainter.appearance != appearance:
        raise InputError(
            f"the inpainting weights {inpainter.name} go with the appearance weights {inpainter.appearance}, "
            f"not with {appearance or 'none'}"
        )


def _shelf() -> Path:
    return Path(str(files("dinar"))) / "weights" / "inpainting"


@dataclass(frozen=True)
class Condition:
    """What the denoiser is told of a partial texture.

    latent  float32 [B, L, s, s]  T_c^j, what the encoder makes of it
    mask    float32 [B, 1, s, s]  b(B_fill), the part of each latent that a photo shows
    """

    latent: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Inpainted:
    """A texture whose unseen side is painted.

    texture  NeuralTexture       every channel of eq. 6; a texel that is painted has frontality 0
    painted  float32 [B,3,R,R]   its colours, photo and painting blended at the photo's edge
    seam     mean difference of plain filling and painting along that edge, colours in [0, 1]; NaN where there is none
    """

    texture: NeuralTexture
    painted: Tensor
    seam: float


def inpaint(
    inpainter: Inpainter,
    texture: NeuralTexture,            # partial, with generated channels
    painted: Tensor,                   # [B, 3, R, R] its colours with holes filled plainly (`texture.filling`)
    islands: Islands,                  # of its layout, as large as its generated channels
    *,
    seed: int = 0,                     # the same seed, the same texture
    sampler: Sampler = Sampler(),      # noqa: B008 (frozen)
    match: Callable[[NeuralTexture], NeuralTexture] | None = None,   # eq. 7: see `inpainting.colours`
    tuned: tuple[NeuralTexture, Tensor] | None = None,   # the same texture and colours after refinement
    change: tuple[Tensor, Tensor] | None = None,         # what is `proposed`, where that is known
) -> Inpainted:
    """Paints what no photo shows (section 3.4): eq. 1's condition, diffusion from noise, decoding, eqs 7 and 6.

    All that is `filled` stays, as it is in `tuned`, whose channels no network has learnt to go on from: networks see
    the texture before, and what they change of it is added to the one after. To have a region painted anew, clear it
    first (`cleared`). Everything is on the device of the networks.
    """
    with torch.no_grad():
        change = change or proposed(inpainter, texture, painted, islands, seed=seed, sampler=sampler)
        texture, painted = tuned or (texture, painted)
        proposal = added(texture, painted, *change)
    if match:
        proposal = match(proposal)
    return blended(texture, painted, proposal, islands)


def condition(autoencoder: Autoencoder, texture: NeuralTexture, painted: Tensor, islands: Islands) -> Condition:
    """What a partial texture, and its colours with holes filled plainly [B, 3, R, R], tell the denoiser (section 3.3).

    The paper encodes unseen texels as black. Here they carry the plain filling: no codes are spent on borders between
    cloth and black, and the denoiser, which knows from the mask what to trust, starts from an educated guess.
    """
    side = texture.generated.shape[-1] * autoencoder.fold
    if painted.shape[-1] != side:
        painted = functional.interpolate(painted, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
    packed = packed_texture(texture, painted, autoencoder)
    if packed.shape[-1] != islands.size:
        raise ValueError(f"islands of {islands.size} texels do not go with a texture of {packed.shape[-1]}")
    mask = latent_mask(packed[:, -1:], islands, autoencoder.shrinkage)
    return Condition(autoencoder.encode(islands.extended(packed)), mask)


def latent_mask(filled: Tensor, islands: Islands, shrinkage: int) -> Tensor:
    """b(B_fill) of section 3.3, a bilinear resize: filled [B, 1, S, S] -> [B, 1, S / shrinkage, S / shrinkage]."""
    size = (islands.size // shrinkage,) * 2
    filled = islands.extended(filled)
    return functional.interpolate(filled, size, mode="bilinear", antialias=True, align_corners=False)


def proposed(
    inpainter: Inpainter,
    texture: NeuralTexture,
    painted: Tensor,
    islands: Islands,
    *,
    seed: int,
    sampler: Sampler,
) -> tuple[Tensor, Tensor]:
    """T_res of section 3.4, a whole texture that goes with a partial one, as what is to be `added` to that.

    Returns the change of the generated channels [B, 16, S, S] and that of the colours [B, 3, N, N]; arguments as those
    of `inpaint`. The paper decodes the sample. What an autoencoder loses of it, fine patterns above all, it loses of
    the condition too: so T_res is the partial texture, plainly filled, and the difference between both when decoded. It
    is as fine as the photo's own colours.

    With tones not all of the sample is believed (`tempered`): folds and patterns come from the photo, those of the
    sample from other people.
    """
    autoencoder, denoiser = inpainter.autoencoder, inpainter.denoiser
    known = condition(autoencoder, texture, painted, islands)
    latent = drawn(denoiser, autoencoder, known, sampler, torch.Generator().manual_seed(seed))
    sample, given = (decoded(autoencoder, some, islands) for some in (latent, known.latent))
    return unpack(sample - given, fold=autoencoder.fold)[:2]


def drawn(
    denoiser: Denoiser, autoencoder: Autoencoder, known: Condition, sampler: Sampler, rng: torch.Generator
) -> Tensor:
    """A latent [B, L, s, s] that goes with a condition, as far as it is believed; rng on the CPU, all else together."""
    latent = sampler.draw(
        lambda noisy, step: noise_in(denoiser, noisy, known.latent, known.mask, step),
        tuple(known.latent.shape),
        rng,
        known.latent.device,
    )
    return tempered(latent, known, autoencoder)


def decoded(autoencoder: Autoencoder, latent: Tensor, islands: Islands) -> Tensor:
    """The packed texture [B, C, S, S] that a latent becomes: snapped to codes, decoded, extended off its islands."""
    return islands.extended(autoencoder.decode(autoencoder.quantize(latent).latent))


def tempered(sample: Tensor, known: Condition, autoencoder: Autoencoder) -> Tensor:
    """A sample [B, L, s, s] as far as it is believed; as it is where latents have no tones.

    It is CONFIDENCE of the way from the condition, and so much less as a photo shows of a latent: between seen texels
    their own colours say more about a gap than other people do. Where tones hardly change the condition's codes stay.
    """
    codes = autoencoder.latent
    if codes == autoencoder.channels:
        return sample
    sample = torch.lerp(known.latent, sample, CONFIDENCE * (1 - known.mask))
    change = ((sample - known.latent) * autoencoder.latent_deviation)[:, codes:].norm(dim=1, keepdim=True)
    change = functional.avg_pool2d(change, 3, 1, 1, count_include_pad=False)
    share = (change / CHANGED - 0.5).clamp(0, 1)
    return torch.cat([torch.lerp(known.latent[:, :codes], sample[:, :codes], share), sample[:, codes:]], dim=1)


def added(texture: NeuralTexture, painted: Tensor, generated: Tensor, rgb: Tensor) -> NeuralTexture:
    """A plainly filled texture with something added to its generated channels and, in any size, to its colours.

    It is filled everywhere, with frontality 0.
    """
    size = painted.shape[-1]
    if rgb.shape[-1] != size:
        rgb = functional.interpolate(rgb, (size, size), mode="bilinear", antialias=True, align_corners=False)
    everywhere = torch.ones_like(texture.filled)
    return NeuralTexture(
        texture.generated + generated, (painted + rgb).clamp(0, 1), everywhere, everywhere, 0 * everywhere
    )


def blended(texture: NeuralTexture, painted: Tensor, proposal: NeuralTexture, islands: Islands) -> Inpainted:
    """Eq. 6 with a soft edge: the partial texture where it is filled, the proposal far from that, and between them the
    plain filling [B, 3, R, R], which goes on from what is seen without a step.
    """
    edge = soft_edge(texture, islands)
    coarse = functional.interpolate(edge, (islands.size, islands.size), mode="area")
    known = texture.filled
    parts = {
        name: torch.where(known > 0, getattr(texture, name), getattr(proposal, name))
        for name in ("rgb", "sampled", "filled")
    }
    whole = NeuralTexture(
        generated=torch.lerp(proposal.generated, texture.generated, coarse), frontality=texture.frontality, **parts
    )
    rim = (1 - known) * (edge > 0)
    difference = ((painted - proposal.rgb).abs().mean(1, keepdim=True) * rim).sum() / rim.sum()
    colours = torch.where(known > 0, texture.rgb, torch.lerp(proposal.rgb, painted, edge))
    return Inpainted(whole, colours, float(difference))


def soft_edge(texture: NeuralTexture, islands: Islands) -> Tensor:
    """B_fill with a soft edge [B, 1, R, R]: 1 where it is filled, falling to 0 beside that; 0 off the islands."""
    size = texture.rgb.shape[-1]
    inside = functional.interpolate(islands.covered, (size, size), mode="nearest")
    return near(texture.filled, inside, reach=FEATHER)


def cleared(texture: NeuralTexture, region: Tensor) -> NeuralTexture:
    """A texture whose painted texels in a region [1 or B, 1, R, R] are to be painted anew; what a photo shows stays."""
    keep = 1 - (region > 0.5).to(texture.filled) * (texture.frontality == 0)
    return replace(
        texture, rgb=texture.rgb * keep, sampled=texture.sampled * keep, filled=texture.filled * keep
    )
