"""The noise of the diffusion, and the samplers that take it away again (section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from dinar.errors import InputError

if TYPE_CHECKING:
    from dinar.networks.denoiser import Denoiser

STEPS = 1000               # of the noise: DESIGN section 4
BETAS = (3e-4, 2e-2)       # of its first and last step, linear between: DESIGN section 4


@dataclass(frozen=True)
class Sampler:
    """How a latent is drawn from noise; the defaults are those that suit the weights that ship (docs/inpaint.md).

    method  "ddpm", "ddim" (Song et al. 2021), or "dpm" for DPM-Solver++(2M) (Lu et al. 2022). DDPM is DDIM with eta 1
    steps   calls of the denoiser, at most STEPS
    eta     randomness of DDIM: 0 none, 1 as much as DDPM; the others take none
    temperature  of the noise at the beginning: 1 for any of the latents there may be, towards 0 for likely ones
    """

    method: Literal["ddpm", "ddim", "dpm"] = "ddim"
    steps: int = 2
    eta: float = 0.0
    temperature: float = 0.3

    def __post_init__(self) -> None:
        if self.method not in ("ddpm", "ddim", "dpm"):
            raise InputError(f"no sampler is called {self.method}; there are ddpm, ddim and dpm")
        if not 1 <= self.steps <= STEPS:
            raise InputError(f"a sampler takes 1 to {STEPS} steps, not {self.steps}")
        if not 0 <= self.eta <= 1:
            raise InputError(f"eta {self.eta:g} is not possible; give a number from 0 to 1")
        if not 0 <= self.temperature <= 1:
            raise InputError(f"temperature {self.temperature:g} is not possible; give a number from 0 to 1")

    def draw(
        self,
        denoise: Callable[[Tensor, Tensor], Tensor],   # noisy [B, L, s, s], step int64 [B] -> the noise in it
        shape: tuple[int, ...],                        # [B, L, s, s]
        rng: torch.Generator,                          # on the CPU: a seed means the same on every device
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """A latent of `shape`, from noise to none."""
        kept = signal(torch.arange(STEPS)).tolist()
        times = [round(STEPS - k * STEPS / self.steps) - 1 for k in range(self.steps)]   # from the noisiest on
        x = self.temperature * torch.randn(shape, generator=rng).to(device)
        earlier: tuple[float, Tensor] | None = None
        for i, time in enumerate(times):
            now, then = kept[time], kept[times[i + 1]] if i + 1 < self.steps else 1.0
            noise = denoise(x, torch.full((shape[0],), time, device=device))
            clean = (x - math.sqrt(1 - now) * noise) / math.sqrt(now)
            if self.method == "dpm":
                x, earlier = _solved(x, clean, now, then, earlier)
                continue
            eta = 1.0 if self.method == "ddpm" else self.eta
            fresh = eta * math.sqrt((1 - then) / (1 - now) * (1 - now / then))    # deviation: DDIM's eq. 16
            x = math.sqrt(then) * clean + math.sqrt(max(1 - then - fresh**2, 0.0)) * noise
            if fresh > 0:
                x = x + fresh * torch.randn(shape, generator=rng).to(device)
        return x


def _solved(
    x: Tensor, clean: Tensor, now: float, then: float, earlier: tuple[float, Tensor] | None
) -> tuple[Tensor, tuple[float, Tensor]]:
    """A step of DPM-Solver++(2M) from signal `now` to `then`, and what the next is told: log-SNR and clean latent.

    The first and the last step are of first order, for there is no step before or no end of the log-SNR.
    """
    if then == 1:
        return clean, (math.inf, clean)
    ratio, ends = (0.5 * math.log(s / (1 - s)) for s in (now, then))
    aim = clean
    if earlier is not None:
        aim = clean + (ends - ratio) / (ratio - earlier[0]) / 2 * (clean - earlier[1])
    step = math.expm1(ratio - ends)
    return math.sqrt((1 - then) / (1 - now)) * x - math.sqrt(then) * step * aim, (ratio, clean)


PUBLISHED = Sampler("ddim", 200, 1.0, 1.0)   # DESIGN section 4


def signal(step: Tensor) -> Tensor:
    """The share of the latent's variance that is left after so many steps of noise (alpha bar): step int64 [B] -> [B].

    Noisy at step t is sqrt(signal) * latent + sqrt(1 - signal) * noise.
    """
    betas = torch.linspace(*BETAS, STEPS, device=step.device)
    return (1 - betas).cumprod(0)[step]


def noise_in(denoiser: Denoiser, noisy: Tensor, condition: Tensor, mask: Tensor, step: Tensor) -> Tensor:
    """The noise in noisy latents [B, L, s, s] as eq. 1 has it; arguments as those of `Denoiser.forward`.

    A denoiser with a spread takes latents for normal about their condition with that deviation. What follows of this
    alone, the mean of the noise given the noisy latent, needs no network; the network says what is to be added, in
    units of the deviation that is left. Without any training the samples are so the condition and noise of the right
    size.
    """
    if denoiser.spread is None:
        return denoiser(noisy, condition, mask, step)
    kept, spread, power = _scales(denoiser.spread, mask, step)
    rest = (noisy - kept.sqrt() * condition) / power.sqrt()
    found = denoiser(rest, condition, mask, step)
    return ((1 - kept) / power).sqrt() * rest - (kept / power).sqrt() * spread * found


def importance(denoiser: Denoiser, mask: Tensor, step: Tensor) -> Tensor:
    """What errors of `noise_in` count in training [B, 1, 1, 1] or [B, 1, s, s]: 1 as in eq. 1.

    With a spread as much as makes errors of the network's own output count alike at all steps. Eq. 1 alone leaves next
    to nothing for the noisiest, where it is decided what is painted.
    """
    if denoiser.spread is None:
        return mask.new_ones(len(mask), 1, 1, 1)
    kept, spread, power = _scales(denoiser.spread, mask, step)
    return power / (kept * spread.square())


def _scales(spread: Tensor, mask: Tensor, step: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Signal, deviation of what a latent adds to its condition, and variance of the noisy latent about it."""
    kept = signal(step)[:, None, None, None]
    deviation = torch.lerp(spread[0], spread[1], mask)
    return kept, deviation, kept * deviation.square() + 1 - kept


def noised(latent: Tensor, noise: Tensor, step: Tensor) -> Tensor:
    """latent, noise [B, L, s, s] and step int64 [B] -> the latent with so much of the noise in it."""
    kept = signal(step)[:, None, None, None]
    return kept.sqrt() * latent + (1 - kept).sqrt() * noise
