"""The sizes of everything and the numbers of training: `paper`, `small` (what ships) and `tiny` (tests).

A number without a remark is the paper's own or follows from the structure; light to import (the command line reads it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from dinar.configs import (
    AppearanceTraining,
    AutoencoderConfig,
    AutoencoderTraining,
    DenoiserConfig,
    DetailerConfig,
    DetailerTraining,
    DiscriminatorConfig,
    EncoderConfig,
    GeneratorConfig,
    InpaintingTraining,
    LifterConfig,
    LifterTraining,
    ParserConfig,
    ParserTraining,
    Refinement,
    RendererConfig,
    Residuals,
    SlimTraining,
)

if TYPE_CHECKING:
    from dinar.networks.autoencoder import Autoencoder
    from dinar.networks.denoiser import Denoiser
    from dinar.networks.detailer import Detailer
    from dinar.networks.discriminator import Discriminator
    from dinar.networks.encoder import Encoder
    from dinar.networks.lifter import Lifter
    from dinar.networks.parser import Parser
    from dinar.networks.renderer import Renderer
    from dinar.networks.texture_generator import TextureGenerator


@dataclass(frozen=True)
class Preset:
    """One complete set of sizes and numbers."""

    name: str
    colour_size: int               # texels a side of the texture's colours; the generated channels have their own
    encoder: EncoderConfig
    generator: GeneratorConfig
    renderer: RendererConfig
    slim: RendererConfig           # what ships in its place, once it has learnt from it
    discriminator: DiscriminatorConfig
    autoencoder: AutoencoderConfig
    denoiser: DenoiserConfig
    appearance: AppearanceTraining
    slimming: SlimTraining
    autoencoding: AutoencoderTraining
    inpainting: InpaintingTraining
    detailer: DetailerConfig
    detailing: DetailerTraining
    parser: ParserConfig
    parsing: ParserTraining
    lifter: LifterConfig
    lifting: LifterTraining
    refinement: Refinement
    residuals: Residuals


PAPER = Preset(
    name="paper",
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
        identity=0,
        lean=False,
    ),
    slim=RendererConfig(               # the paper has none: as `small` has it, wider
        texture_channels=21,
        width=64,
        levels=3,
        blocks=2,
        stems=0,
        heads=0,
        fold=4,
        colours=16,
        identity=0,
        lean=True,
    ),
    discriminator=DiscriminatorConfig(
        resolution=512,                # section 4.1
        channel_base=32768,            # section 3.1: "the StyleGAN2 discriminator"; its own widths
        max_channels=512,
    ),
    autoencoder=AutoencoderConfig(
        size=256,                      # section 3.1
        generated=16,                  # section 3.1, L
        fold=1,                        # section 3.1: colours as fine as the rest
        patch=1,
        latent=6,                      # section 4.1
        codes=8192,                    # section 4.1
        width=64,                      # DESIGN section 4; with all of it 5.6 + 8.3 M parameters: DESIGN section 7
        multipliers=(1, 2, 4),
        blocks=2,
        attention=True,
        groups=32,
        tones=False,
    ),
    denoiser=DenoiserConfig(
        latent=6,                      # section 4.1
        width=256,                     # DESIGN section 4; with all of it 387 M parameters: DESIGN section 7
        multipliers=(1, 2, 3, 4),
        blocks=2,
        attention=(2, 4, 8),           # section 4.1: on three levels
        heads=8,
        groups=32,
        dropout=0.5,                   # section 4.1
        prior=False,
        patch=1,
    ),
    appearance=AppearanceTraining(
        l2=2.2,                        # section 4.1
        lpips=1.0,                     # section 4.1
        dice=1.0,                      # section 4.1
        adversarial=0.01,              # section 4.1
        r1=0.1,                        # section 4.1
        r1_every=16,                   # section 4.1
        face=0.1,                      # section 3.1
        adversarial_from=0,
        windows=1,
        window=512,                    # section 4.1: the whole image
        zoom=(1.0, 1.0),
        lpips_crop=256,                # section 4.1
        learning_rate=2e-3,            # section 4.1
        betas=(0.0, 0.99),             # DESIGN section 4 (texture tuning); StyleGAN2's for both its networks
        batch=4,                       # section 4.1
        steps=100_000,                 # section 4.1
        ema_half_life=10_000,          # not in the paper: StyleGAN2's
    ),
    slimming=SlimTraining(
        means=2.0,
        taught=4.0,
        taught_means=8.0,
        taught_lpips=3.0,
        windows=2,
        learning_rate=1e-3,
        batch=4,
        steps=100_000,
        ema_half_life=10_000,
    ),
    autoencoding=AutoencoderTraining(
        texture=1.0,                   # not in the paper
        lpips=0.0,
        crop=None,
        every=1,
        snapped_from=0,
        commitment=1.0,                # not in the paper: VQGAN's
        learning_rate=1e-4,            # not in the paper
        finetune_learning_rate=2e-5,   # not in the paper: a fifth, nothing shall be forgotten
        betas=(0.5, 0.9),              # not in the paper: VQGAN's
        batch=4,                       # not in the paper: the appearance's
        steps=300_000,                 # section 4.1
        finetune_steps=20_000,         # section 4.1
        adversarial_from=10_000,       # not in the paper: codes first, VQGAN's way
        partial=0.5,                   # not in the paper: the encoder meets both kinds alike
        patience=100,                  # not in the paper
    ),
    inpainting=InpaintingTraining(
        codes=1.0,                     # there are no tones
        learning_rate=1e-6,            # section 4.1
        batch=128,                     # section 4.1
        steps=50_000,                  # section 4.1
        ema_half_life=300_000,         # not in the paper: a decay of 0.9997 a step of this batch
    ),
    # the paper has none; the atlas `clothed` has 320 texels a side where the layout `front` has 256
    detailer=DetailerConfig(size=320, fold=2, places=16, width=64, multipliers=(1, 2, 4, 6), groups=8),
    detailing=DetailerTraining(
        l1=1.0,
        means=2.0,
        lpips=1.0,
        contrast=0.2,
        crop=112,
        learning_rate=1e-3,
        batch=4,
        steps=20_000,
        ema_half_life=1_000,
    ),
    parser=ParserConfig(parts=12, width=64, scale=1.0),   # the paper has none; these are the same in all but `tiny`
    parsing=ParserTraining(
        canvas=(320, 256),             # a standing person; of stretched arms the most
        learning_rate=1e-3,
        encoder_learning_rate=2e-4,
        weight_decay=1e-3,
        batch=8,
        steps=12_000,
        ema_half_life=4_000,
    ),
    lifter=LifterConfig(points=33, width=384, depth=3, dropout=0.2),   # nor this; the same in all but `tiny`
    lifting=LifterTraining(
        turn=0.05,
        noise=0.004,
        learning_rate=1e-3,
        weight_decay=0.05,
        batch=256,
        steps=6_000,
        ema_half_life=100_000,
    ),
    refinement=Refinement(
        steps=64,                      # appendix B
        learning_rate=2e-3,            # DESIGN section 4
        generated_learning_rate=0.0,   # appendix B: only the colours
        discriminator_learning_rate=4e-4,   # DESIGN section 4
        betas=(0.0, 0.99),             # DESIGN section 4
        epsilon=1e-8,                  # Adam's own
        l2=2.2,                        # these five as in training: "analogous to equation 4"
        lpips=1.0,
        adversarial=0.01,
        r1=0.1,
        r1_every=16,
        sides=(512, 512),              # section 4.1: what the renderer is trained on
        window=512,
        crop=256,
    ),
    residuals=Residuals(               # beyond the paper; measured with `small`: docs/measurements.md
        passes=1,
        last=3,
        steps=16,
        learning_rate=0.3,
        betas=(0.0, 0.99),
        window=256,
    ),
)

# The same structure, narrower; file sizes of DESIGN section 7. What else differs: networks/renderer.py tells why.
SMALL = replace(
    PAPER,
    name="small",
    colour_size=512,                   # DESIGN section 3: a photo's detail should not die in 256 texels
    # half the side: with the person framed as large as it goes a quarter of the time, and cloth is still seen
    encoder=replace(PAPER.encoder, resolution=256, channel_base=8192, max_channels=128),
    generator=replace(PAPER.generator, channel_base=8192, max_channels=128),   # 5.2 MB: DESIGN section 7
    renderer=replace(
        PAPER.renderer,
        width=32,                      # DESIGN section 7: these five
        blocks=2,
        stems=0,
        heads=0,
        fold=4,
        colours=16,                    # after the 16 generated channels: eq. 2
        identity=128,                  # the head's outline is smooth
    ),
    # .68 G products a picture of 512 x 256; a fold of 8 with twice the width is some faster and learnt a tenth slower
    slim=replace(PAPER.slim, width=24, blocks=1, identity=128),
    # not shipped, but it must not outweigh the rest of a training step
    discriminator=replace(PAPER.discriminator, resolution=256, channel_base=8192, max_channels=256),
    appearance=replace(
        PAPER.appearance,
        adversarial_from=20_000,       # what it sharpens has to be learnt first, and it takes 40 % of a step
        windows=4,                     # sampling, filling, encoding and generating a texture cost more than drawing it
        window=256,                    # so that a window is as large in pixels as what users draw
        zoom=(0.6, 1.25),              # users draw in all sizes
        lpips_crop=128,                # a quarter of the window, as in the paper of the image
        learning_rate=1e-3,            # the average over few steps suffers from larger ones
        betas=(0.9, 0.99),             # no adversary to begin with
        batch=2,
    ),
    refinement=replace(
        PAPER.refinement,
        learning_rate=6e-4,            # more leaves a fine pattern of worms on dark cloth
        generated_learning_rate=0.05,  # outlines too: `texture.refinement.refine` tells why
        epsilon=1e-5,                  # the median gradient: what hardly matters stays, and faces get no coloured noise
        sides=(460, 512),              # noise that fits one grid of pixels does not fit the next
        window=256,                    # a third of the time of the whole person
        crop=64,
    ),
    autoencoder=replace(
        PAPER.autoencoder,
        fold=2,                        # colours of 512 texels beside 256 generated ones
        patch=2,                       # four tenths of the time, most of which goes into convolutions at full side
        width=48,                      # 3.1 MB with these
        multipliers=(1, 2),
        blocks=1,
        attention=False,               # 4096 latents that all look at each other take as long as all the rest
        groups=8,                      # a group of one channel could not tell a dark texture from a light one
        tones=True,                    # networks/autoencoder.py tells why
    ),
    denoiser=replace(
        PAPER.denoiser,
        latent=9,                      # codes' six and three tones
        width=64,                      # 25.7 MB with these: DESIGN section 7
        multipliers=(1, 2, 3, 3),
        blocks=1,
        attention=(2, 4, 8),
        dropout=0.1,                   # a thirtieth of the weights do not overfit like the paper's
        prior=True,                    # networks/denoiser.py tells why, and of the next
        patch=2,
    ),
    autoencoding=replace(
        PAPER.autoencoding,
        lpips=0.5,                     # on texels a tenth of what it costs on drawings, and sees all of them
        crop=96,                       # more textures a step for the same time
        every=64,                      # decoding all of a texture and drawing it takes as long as ten of those parts
        snapped_from=200,              # codes are spread over latents that mean something
        learning_rate=1e-3,
        batch=4,
        steps=40_000,
        finetune_steps=5_000,
        adversarial_from=5_000,
    ),
    detailer=DetailerConfig(size=640, fold=4, places=16, width=32, multipliers=(1, 2, 4, 6), groups=8),
    inpainting=replace(
        PAPER.inpainting,
        codes=0.2,                     # most of a code is chance, whose gradients would drown what tones teach
        learning_rate=2e-4,            # small networks learn in larger steps
        batch=8,
        steps=30_000,
    ),
)

# Seconds on a CPU: `small` in miniature.
TINY = Preset(
    name="tiny",
    colour_size=64,
    encoder=EncoderConfig(resolution=64, channel_base=512, max_channels=16, latent=32),
    generator=GeneratorConfig(size=32, channels=16, channel_base=256, max_channels=16, latent=32),
    renderer=replace(SMALL.renderer, width=8, levels=2, blocks=1, fold=2, identity=16),
    slim=replace(PAPER.slim, width=16, levels=1, blocks=1, identity=16),
    discriminator=DiscriminatorConfig(resolution=64, channel_base=512, max_channels=16),
    autoencoder=replace(SMALL.autoencoder, size=32, codes=32, width=8, groups=4),
    denoiser=replace(SMALL.denoiser, width=16, multipliers=(1, 2), attention=(2,), heads=4, groups=4),
    appearance=replace(
        SMALL.appearance, adversarial_from=2, windows=2, window=64, lpips_crop=64, steps=8, ema_half_life=16
    ),
    slimming=replace(SMALL.slimming, steps=8, batch=2, ema_half_life=16),
    autoencoding=replace(
        SMALL.autoencoding,
        lpips=0.0,                     # it takes 64 texels
        crop=16,
        every=2,
        snapped_from=1,
        learning_rate=2e-3,
        batch=2,
        steps=8,
        finetune_steps=4,
        adversarial_from=2,
        patience=4,
    ),
    inpainting=replace(SMALL.inpainting, batch=4, steps=8, ema_half_life=16),
    detailer=DetailerConfig(size=80, fold=4, places=4, width=8, multipliers=(1, 2), groups=4),
    detailing=replace(PAPER.detailing, lpips=0.0, crop=40, batch=2, steps=8, ema_half_life=16),
    parser=ParserConfig(parts=12, width=8, scale=0.25),
    parsing=replace(PAPER.parsing, canvas=(96, 64), batch=2, steps=8, ema_half_life=16),
    lifter=LifterConfig(points=33, width=16, depth=1, dropout=0.0),
    lifting=replace(PAPER.lifting, batch=8, steps=8, ema_half_life=16),
    refinement=replace(PAPER.refinement, steps=4, generated_learning_rate=0.01, sides=(80, 96), window=80, crop=64),
    residuals=replace(PAPER.residuals, steps=2),
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


def build_slim(preset: Preset) -> Renderer:
    """The small theta with random weights."""
    from dinar.networks.renderer import Renderer

    return Renderer(**asdict(preset.slim))


def build_discriminator(preset: Preset) -> Discriminator:
    """D with random weights."""
    from dinar.networks.discriminator import Discriminator

    return Discriminator(**asdict(preset.discriminator))


def build_autoencoder(preset: Preset) -> Autoencoder:
    """The VQGAN with random weights."""
    from dinar.networks.autoencoder import Autoencoder

    return Autoencoder(**asdict(preset.autoencoder))


def build_denoiser(preset: Preset) -> Denoiser:
    """Epsilon with random weights."""
    from dinar.networks.denoiser import Denoiser

    return Denoiser(**asdict(preset.denoiser))


def build_detailer(preset: Preset) -> Detailer:
    """The detailer, which adds nothing yet."""
    from dinar.networks.detailer import Detailer

    return Detailer(**asdict(preset.detailer))


def build_parser(preset: Preset) -> Parser:
    """The parser with random weights."""
    from dinar.networks.parser import Parser

    return Parser(**asdict(preset.parser))


def build_lifter(preset: Preset) -> Lifter:
    """The lifter with random weights."""
    from dinar.networks.lifter import Lifter

    return Lifter(**asdict(preset.lifter))
