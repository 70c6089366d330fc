"""The sizes of everything and the numbers of training: `paper`, `small` (what ships) and `tiny` (tests).

A number without a remark is the paper's own or follows from the structure; light to import (the command line reads it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dinar.networks.discriminator import Discriminator
    from dinar.networks.encoder import Encoder
    from dinar.networks.renderer import Renderer
    from dinar.networks.texture_generator import TextureGenerator


@dataclass(frozen=True)
class EncoderConfig:
    """Arguments of `networks.encoder.Encoder`."""

    resolution: int
    channel_base: int
    max_channels: int
    latent: int


@dataclass(frozen=True)
class GeneratorConfig:
    """Arguments of `networks.texture_generator.TextureGenerator`."""

    size: int
    channels: int
    channel_base: int
    max_channels: int
    latent: int


@dataclass(frozen=True)
class RendererConfig:
    """Arguments of `networks.renderer.Renderer`."""

    texture_channels: int
    width: int
    levels: int
    blocks: int
    stems: int
    heads: int
    fold: int
    colours: int | None


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Arguments of `networks.discriminator.Discriminator`."""

    resolution: int
    channel_base: int
    max_channels: int


@dataclass(frozen=True)
class AppearanceTraining:
    """Training of encoder, generator, renderer and discriminator (eq. 4, sections 3.1 and 4.1)."""

    l2: float                      # lambda 1
    lpips: float                   # lambda 2
    dice: float                    # lambda 3
    adversarial: float             # lambda 4
    r1: float                      # lambda 5
    r1_every: int                  # steps between two of them: the lazy regularisation
    face: float                    # weight of L2 and LPIPS once more on the face
    lpips_crop: int                # side of the random crop that LPIPS sees, pixels
    learning_rate: float           # Adam, all four networks
    betas: tuple[float, float]     # Adam
    batch: int                     # pairs of views
    steps: int
    ema_half_life: int             # samples after which an old weight counts half in the average


@dataclass(frozen=True)
class Refinement:
    """Optimisation of the texture's colours for one photo (appendix B)."""

    steps: int
    learning_rate: float           # of the colours
    discriminator_learning_rate: float
    betas: tuple[float, float]     # Adam, both


@dataclass(frozen=True)
class Preset:
    """One complete set of sizes and numbers."""

    name: str
    image_size: int                # pixels a side that the networks are trained on
    colour_size: int               # texels a side of the texture's colours; the generated channels have their own
    encoder: EncoderConfig
    generator: GeneratorConfig
    renderer: RendererConfig
    discriminator: DiscriminatorConfig
    appearance: AppearanceTraining
    refinement: Refinement


PAPER = Preset(
    name="paper",
    image_size=512,                    # section 4.1
    colour_size=256,                   # section 3.1
    encoder=EncoderConfig(
        resolution=512,                # appendix C
        channel_base=16384,            # with the limit below 7.4 M parameters: DESIGN section 7
        max_channels=256,
        latent=512,                    # section 3.1
    ),
    generator=GeneratorConfig(
        size=256,                      # section 3.1
        channels=16,                   # section 3.1, L
        channel_base=16384,            # with the limit below 8.1 M parameters: DESIGN section 7
        max_channels=256,
        latent=512,                    # section 3.1
    ),
    renderer=RendererConfig(
        texture_channels=21,           # eq. 2
        width=64,                      # with blocks and heads 19.0 M parameters: DESIGN section 7
        levels=3,                      # appendix C
        blocks=3,
        stems=2,                       # appendix C
        heads=3,
        fold=1,
        colours=None,
    ),
    discriminator=DiscriminatorConfig(
        resolution=512,                # section 4.1
        channel_base=32768,            # section 3.1: "the StyleGAN2 discriminator"; its own widths
        max_channels=512,
    ),
    appearance=AppearanceTraining(
        l2=2.2,                        # section 4.1
        lpips=1.0,                     # section 4.1
        dice=1.0,                      # section 4.1
        adversarial=0.01,              # section 4.1
        r1=0.1,                        # section 4.1
        r1_every=16,                   # section 4.1
        face=0.1,                      # section 3.1
        lpips_crop=256,                # section 4.1
        learning_rate=2e-3,            # section 4.1
        betas=(0.0, 0.99),             # DESIGN section 4 (texture tuning); StyleGAN2's for both its networks
        batch=4,                       # section 4.1
        steps=100_000,                 # section 4.1
        ema_half_life=10_000,          # not in the paper: StyleGAN2's
    ),
    refinement=Refinement(
        steps=64,                      # appendix B
        learning_rate=2e-3,            # DESIGN section 4
        discriminator_learning_rate=4e-4,   # DESIGN section 4
        betas=(0.0, 0.99),             # DESIGN section 4
    ),
)

# The same structure, narrower; file sizes of DESIGN section 7. What else differs: networks/renderer.py tells why.
SMALL = replace(
    PAPER,
    name="small",
    colour_size=512,                   # DESIGN section 3: a photo's detail should not die in 256 texels
    encoder=replace(PAPER.encoder, channel_base=8192, max_channels=128),       # 3.8 MB: DESIGN section 7
    generator=replace(PAPER.generator, channel_base=8192, max_channels=128),   # 5.2 MB: DESIGN section 7
    renderer=replace(
        PAPER.renderer,
        width=32,                      # DESIGN section 7: these five
        blocks=2,
        stems=0,
        heads=0,
        fold=4,
        colours=16,                    # after the 16 generated channels: eq. 2
    ),
    # not shipped, but it must not outweigh the rest of a training step
    discriminator=replace(PAPER.discriminator, channel_base=8192, max_channels=256),
)

# Seconds on a CPU: `small` in miniature.
TINY = Preset(
    name="tiny",
    image_size=64,
    colour_size=64,
    encoder=EncoderConfig(resolution=64, channel_base=512, max_channels=16, latent=32),
    generator=GeneratorConfig(size=32, channels=16, channel_base=256, max_channels=16, latent=32),
    renderer=replace(SMALL.renderer, width=8, levels=2, blocks=1, fold=2),
    discriminator=DiscriminatorConfig(resolution=64, channel_base=512, max_channels=16),
    appearance=replace(PAPER.appearance, lpips_crop=64, batch=2, steps=8, ema_half_life=16),
    refinement=replace(PAPER.refinement, steps=4),
)

PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in (PAPER, SMALL, TINY)})


def build_encoder(preset: Preset) -> Encoder:
    """E with random weights."""
    from dinar.networks.encoder import Encoder

    return Encoder(**asdict(preset.encoder))


def build_generator(preset: Preset) -> TextureGenerator:
    """G with random weights."""
    from dinar.networks.texture_generator import TextureGenerator

    return TextureGenerator(**asdict(preset.generator))


def build_renderer(preset: Preset) -> Renderer:
    """Theta with random weights."""
    from dinar.networks.renderer import Renderer

    return Renderer(**asdict(preset.renderer))


def build_discriminator(preset: Preset) -> Discriminator:
    """D with random weights."""
    from dinar.networks.discriminator import Discriminator

    return Discriminator(**asdict(preset.discriminator))
