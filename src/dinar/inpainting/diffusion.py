"""The noise of the diffusion, and the samplers that take it away again (section 3.3; schedulers of diffusers)."""

from __future__ import annotations

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

    method  "ddpm", "ddim", or "dpm" for DPM-Solver++ of second order
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
        scheduler = self._scheduler()
        scheduler.set_timesteps(self.steps)
        options = {"eta": self.eta} if self.method == "ddim" else {}
        x = self.temperature * torch.randn(shape, generator=rng).to(device) * scheduler.init_noise_sigma
        for step in scheduler.timesteps:
            noise = denoise(scheduler.scale_model_input(x, step), step.to(device).expand(shape[0]))
            x = scheduler.step(noise, step, x, generator=rng, **options).prev_sample
        return x

    def _scheduler(self):
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler
        from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
        from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

        common = {
            "num_train_timesteps": STEPS,
            "beta_start": BETAS[0],
            "beta_end": BETAS[1],
            "beta_schedule": "linear",
            "timestep_spacing": "trailing",     # the first step is the noisiest, however few there are
        }
        if self.method == "dpm":
            return DPMSolverMultistepScheduler(**common, solver_order=2, algorithm_type="dpmsolver++")
        kind = DDIMScheduler if self.method == "ddim" else DDPMScheduler
        return kind(**common, clip_sample=False)


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
