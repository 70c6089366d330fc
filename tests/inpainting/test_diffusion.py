from __future__ import annotations

import pytest
import torch

from dinar.errors import InputError
from dinar.inpainting.diffusion import BETAS, PUBLISHED, STEPS, Sampler, importance, noise_in, noised, signal

SPREAD, CENTRE = 0.3, torch.tensor([1.0, -2.0])[None, :, None, None]


def best(noisy: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """The best guess of the noise where latents are normal about CENTRE: what a perfect denoiser says."""
    kept = signal(step)[:, None, None, None]
    latent = CENTRE + kept.sqrt() * SPREAD**2 / (kept * SPREAD**2 + 1 - kept) * (noisy - kept.sqrt() * CENTRE)
    return (noisy - kept.sqrt() * latent) / (1 - kept).sqrt()


@pytest.mark.parametrize(
    "sampler",
    [
        Sampler("ddpm", 200, temperature=1.0),
        Sampler("ddim", 100, 1.0, 1.0),
        Sampler("ddim", 50, 0.0, 1.0),
        Sampler("dpm", 25, temperature=1.0),
        PUBLISHED,
    ],
    ids=str,
)
def test_every_sampler_finds_the_distribution_of_a_perfect_denoiser(sampler: Sampler) -> None:
    found = sampler.draw(best, (1, 2, 64, 64), torch.Generator().manual_seed(0))
    assert torch.allclose(found.mean((0, 2, 3)), CENTRE.flatten(), atol=0.05)
    assert torch.allclose(found.std((0, 2, 3)), torch.tensor(SPREAD), atol=0.06)


def test_temperature_narrows_the_distribution_about_its_middle() -> None:
    for temperature in (0.0, 0.5):
        sampler = Sampler("ddim", 50, 0.0, temperature)
        found = sampler.draw(best, (1, 2, 64, 64), torch.Generator().manual_seed(0))
        assert torch.allclose(found.mean((0, 2, 3)), CENTRE.flatten(), atol=0.03)
        assert torch.allclose(found.std((0, 2, 3)), torch.tensor(temperature * SPREAD), atol=0.03)


def test_a_spread_is_the_best_guess_without_a_network() -> None:
    """Latents are normal about their condition: the noise that is likeliest, and the rest in deviation 1."""

    def silent(noisy: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        return 0 * noisy

    silent.spread = torch.tensor([SPREAD, 0.1])
    noisy, condition, mask = torch.randn(3, 2, 4, 4), CENTRE.expand(3, -1, 4, 4), torch.zeros(3, 1, 4, 4)
    step = torch.tensor([20, 500, STEPS - 1])
    assert torch.allclose(noise_in(silent, noisy, condition, mask, step), best(noisy, step), atol=1e-5)

    latent, noise = CENTRE + SPREAD * torch.randn(3, 2, 64, 64), torch.randn(3, 2, 64, 64)
    mixed, mask = noised(latent, noise, step), torch.zeros(3, 1, 64, 64)
    wrong = noise_in(silent, mixed, CENTRE.expand_as(latent), mask, step) - noise
    assert torch.allclose((wrong.square() * importance(silent, mask, step)).mean((1, 2, 3)), torch.ones(3), atol=0.1)


def test_without_a_spread_the_network_says_the_noise() -> None:
    def denoiser(noisy: torch.Tensor, condition: torch.Tensor, mask: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        return noisy * 2 + condition + mask + step[:, None, None, None]

    denoiser.spread = None
    parts = torch.randn(2, 2, 4, 4), torch.randn(2, 2, 4, 4), torch.rand(2, 1, 4, 4), torch.tensor([3, 5])
    assert torch.equal(noise_in(denoiser, *parts), denoiser(*parts))
    assert torch.equal(importance(denoiser, *parts[2:]), torch.ones(2, 1, 1, 1))


@pytest.mark.parametrize("method", ["ddpm", "ddim", "dpm"])
def test_a_seed_says_it_all(method: str) -> None:
    def draw(seed: int) -> torch.Tensor:
        torch.rand(seed + 1)                      # whatever else uses the global generator
        return Sampler(method, 5).draw(best, (1, 2, 8, 8), torch.Generator().manual_seed(seed))

    assert torch.equal(draw(3), draw(3)) and not torch.equal(draw(3), draw(4))


def of_diffusers(method: str, steps: int, eta: float, rng: torch.Generator) -> torch.Tensor:
    """The same by the schedulers of diffusers."""
    from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

    common = {"num_train_timesteps": STEPS, "beta_start": BETAS[0], "beta_end": BETAS[1]}
    common |= {"beta_schedule": "linear", "timestep_spacing": "trailing"}
    if method == "dpm":
        scheduler = DPMSolverMultistepScheduler(**common, solver_order=2, algorithm_type="dpmsolver++")
    else:
        scheduler = (DDIMScheduler if method == "ddim" else DDPMScheduler)(**common, clip_sample=False)
    scheduler.set_timesteps(steps)
    x = torch.randn((1, 2, 8, 8), generator=rng)
    for step in scheduler.timesteps:
        noise = best(x, step.expand(1)) + 0.1 * x.flip(2).tanh()
        options = {"eta": eta} if method == "ddim" else {}
        x = scheduler.step(noise, step, x, generator=rng, **options).prev_sample
    return x


@pytest.mark.parametrize(
    ("method", "steps", "eta"),
    [("ddpm", 50, 0), ("ddpm", 1000, 0), ("ddim", 1, 0), ("ddim", 2, 0), ("ddim", 20, 0.5), ("dpm", 2, 0),
     ("dpm", 25, 0)],
)
def test_samplers_are_those_of_diffusers(method: str, steps: int, eta: float) -> None:
    def denoise(noisy: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        return best(noisy, step) + 0.1 * noisy.flip(2).tanh()      # a denoiser that is not perfect

    ours = Sampler(method, steps, eta, 1.0).draw(denoise, (1, 2, 8, 8), torch.Generator().manual_seed(1))
    assert torch.allclose(ours, of_diffusers(method, steps, eta, torch.Generator().manual_seed(1)), atol=2e-3)


def test_steps_come_from_the_noisiest_to_the_last() -> None:
    seen = []

    def denoise(noisy: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        assert step.shape == (len(noisy),)
        seen.append(int(step[0]))
        return torch.zeros_like(noisy)

    for method in ("ddpm", "ddim", "dpm"):
        seen.clear()
        Sampler(method, 10).draw(denoise, (2, 2, 4, 4), torch.Generator())
        assert len(seen) == 10 and seen == sorted(seen, reverse=True) and seen[0] >= STEPS - 1


def test_the_noise_is_the_designs() -> None:
    betas = torch.linspace(*BETAS, STEPS, dtype=torch.float64)
    assert signal(torch.tensor([0]))[0] == pytest.approx(1 - BETAS[0])
    assert signal(torch.tensor([STEPS - 1]))[0] == pytest.approx(float((1 - betas).prod()), rel=1e-3)
    latent, noise = torch.randn(2, 3, 64, 64), torch.randn(2, 3, 64, 64)
    found = noised(latent, noise, torch.tensor([0, STEPS - 1]))
    assert torch.allclose(found[0], latent[0], atol=0.1) and torch.allclose(found[1], noise[1], atol=0.1)
    assert found.var() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    "wrong",
    [{"method": "euler"}, {"steps": 0}, {"steps": 1001}, {"eta": -0.1}, {"eta": 1.5}, {"temperature": 2.0}],
)
def test_samplers_that_are_none(wrong: dict) -> None:
    with pytest.raises(InputError):
        Sampler(**wrong)
