"""What sizes networks have, and what numbers training goes by: one dataclass each, which `dinar.presets` fills.

Light to import: the command line reads it.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    identity: int
    lean: bool


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
    adversarial_from: int          # step from which there is a discriminator
    windows: int                   # parts of a target that are drawn
    window: int                    # side of each, pixels
    zoom: tuple[float, float]      # least and most that a target is enlarged before
    lpips_crop: int                # side of the random crop that LPIPS sees, pixels
    learning_rate: float           # Adam, all four networks
    betas: tuple[float, float]     # Adam
    batch: int                     # pairs of views
    steps: int
    ema_half_life: int             # samples after which an old weight counts half in the average


@dataclass(frozen=True)
class SlimTraining:
    """Training of the small renderer, which learns from people as the large one draws them; all else of it is
    `AppearanceTraining`'s.
    """

    means: float                   # of the mean distance of colours' means over blocks from the truth's, beside eq. 4
    taught: float                  # of that of colours and masks from the large renderer's
    taught_means: float            # of that of colours' means over blocks from the large renderer's
    taught_lpips: float            # of LPIPS to the large renderer's drawing
    windows: int                   # parts of views that are drawn, a person
    learning_rate: float           # Adam
    batch: int                     # people
    steps: int
    ema_half_life: int             # windows after which an old weight counts half in the average


@dataclass(frozen=True)
class AutoencoderConfig:
    """Arguments of `networks.autoencoder.Autoencoder`."""

    size: int
    generated: int
    fold: int
    patch: int
    latent: int
    codes: int
    width: int
    multipliers: tuple[int, ...]
    blocks: int
    attention: bool
    groups: int
    tones: bool


@dataclass(frozen=True)
class DenoiserConfig:
    """Arguments of `networks.denoiser.Denoiser`."""

    latent: int
    width: int
    multipliers: tuple[int, ...]
    blocks: int
    attention: tuple[int, ...]
    heads: int
    groups: int
    dropout: float
    prior: bool
    patch: int


@dataclass(frozen=True)
class AutoencoderTraining:
    """Training of the VQGAN and the finetuning with it in the loop (section 3.3); eq. 4's weights are the appearance's.

    The paper gives weights and steps of neither but the steps.
    """

    texture: float                 # of L2 in texture space, on channels of deviation 1
    lpips: float                   # of LPIPS of the colours in texture space
    crop: int | None               # texels a side of the part of each texture that these two see; None: all of it
    every: int                     # textures from one that is drawn to the next
    snapped_from: int              # step from which latents are snapped to codes
    commitment: float              # of the distance between latents and codes
    learning_rate: float           # Adam, VQGAN and discriminator
    finetune_learning_rate: float  # Adam, VQGAN, renderer and discriminator
    betas: tuple[float, float]     # Adam
    batch: int                     # textures, each drawn in one view
    steps: int
    finetune_steps: int
    adversarial_from: int          # step from which the discriminator has a say
    partial: float                 # share of the textures that show one view only, as the inpainting will meet them
    patience: int                  # steps after which an unused code is dead


@dataclass(frozen=True)
class InpaintingTraining:
    """Training of the denoiser (eq. 1, sections 3.3 and 4.1)."""

    codes: float                   # weight of eq. 1 on codes, where there are tones beside them; on those it is 1
    learning_rate: float           # AdamW
    batch: int                     # textures
    steps: int
    ema_half_life: int             # samples after which an old weight counts half in the average


@dataclass(frozen=True)
class DetailerConfig:
    """Arguments of `networks.detailer.Detailer`."""

    size: int
    fold: int
    places: int
    width: int
    multipliers: tuple[int, ...]
    groups: int


@dataclass(frozen=True)
class DetailerTraining:
    """Training of the detailer, on the unseen parts of textures."""

    l1: float                      # of the mean distance of colours
    means: float                   # of that of colours' means over blocks
    lpips: float                   # of LPIPS of textures of half the side
    contrast: float                # of how differently its features vary
    crop: int                      # texels a side that LPIPS sees of these
    learning_rate: float           # Adam
    batch: int                     # textures
    steps: int
    ema_half_life: int             # textures after which an old weight counts half in the average


@dataclass(frozen=True)
class ParserConfig:
    """Arguments of `networks.parser.Parser`."""

    parts: int
    width: int
    scale: float


@dataclass(frozen=True)
class ParserTraining:
    """Training of the parser, which the paper does not have."""

    canvas: tuple[int, int]        # height and width of samples, pixels
    learning_rate: float           # AdamW, of the decoder
    encoder_learning_rate: float   # of what comes from ImageNet
    weight_decay: float
    batch: int                     # pictures
    steps: int
    ema_half_life: int             # samples after which an old weight counts half in the average


@dataclass(frozen=True)
class LifterConfig:
    """Arguments of `networks.lifter.Lifter`."""

    points: int
    width: int
    depth: int
    dropout: float


@dataclass(frozen=True)
class LifterTraining:
    """Training of the lifter, which the paper does not have."""

    turn: float                    # spread of a turn in the picture that people get, radians
    noise: float                   # spread of what their points are moved by, shares of their size and metres
    learning_rate: float           # AdamW
    weight_decay: float
    batch: int                     # people
    steps: int
    ema_half_life: int             # samples after which an old weight counts half in the average


@dataclass(frozen=True)
class Refinement:
    """Arguments of `texture.refinement.refine`: the texture's colours tuned for its photos (appendix B)."""

    steps: int
    learning_rate: float           # of the colours
    generated_learning_rate: float  # of the generated channels
    discriminator_learning_rate: float
    betas: tuple[float, float]     # Adam, all
    epsilon: float                 # Adam's, of the colours
    l2: float                      # lambda 1
    lpips: float                   # lambda 2
    adversarial: float             # lambda 4
    r1: float                      # lambda 5
    r1_every: int                  # steps between two of them
    sides: tuple[int, int]         # least and most pixels of the person's larger side
    window: int                    # most pixels a side of the part that is compared in a step
    crop: int                      # pixels a side of what the discriminator sees


@dataclass(frozen=True)
class Residuals:
    """How a texture comes near its photos by what is left of them (`texture.residuals`, `texture.generated_tuning`)."""

    passes: int                    # that add what is left to the colours, before gradients
    last: int                      # and after all, when the unseen side is painted
    steps: int                     # of gradients, of the generated channels
    learning_rate: float
    betas: tuple[float, float]     # Adam's
    window: int                    # most pixels a side of the part that is compared in a step
