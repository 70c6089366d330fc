"""Shapes that are likely, by sex."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dinar.body.model import DATA, BodyModel
from dinar.fit.shape_prior import ShapePrior

PEOPLE = DATA.parents[1] / "synth/data/people.npz"


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.open()


@pytest.fixture(scope="module")
def people() -> tuple[torch.Tensor, np.ndarray]:
    """Shapes [N, S] of random adults, and who are women [N]."""
    data = np.load(PEOPLE, allow_pickle=False)
    return torch.from_numpy(data["shape"].astype(np.float64)), data["female"]


def surprise(prior: ShapePrior, shapes: torch.Tensor) -> torch.Tensor:
    """The negative logarithm of the density [N], less what all normal distributions share."""
    squares = torch.stack([prior.departure(shape).square().sum() for shape in shapes])
    return squares / 2 - prior.whitening.diagonal().log().sum()


def test_women_and_men_are_told_apart(model, people) -> None:
    shapes, women = people
    found = surprise(ShapePrior.of(model, 1.0), shapes) < surprise(ShapePrior.of(model, 0.0), shapes)
    assert (found.numpy() == women).mean() > 0.98


def test_children_are_no_small_adults(model, people) -> None:
    """Who was not asked for the prior is as likely; heads are larger beside the body, statures vary more."""
    children = torch.from_numpy(np.load(PEOPLE, allow_pickle=False)["child"].astype(np.float64))
    child, adult = ShapePrior.of(model, child=True), ShapePrior.of(model)
    assert (surprise(child, children) < surprise(adult, children)).double().mean() > 0.98
    assert (surprise(adult, people[0]) < surprise(child, people[0])).double().mean() > 0.98
    stature, head = [], []
    for prior in (child, adult):
        mesh = model(replace(model.neutral(), shape=prior.mean[None].float()))
        top, sole = (float(getattr(mesh.vertices[0, :, 1], end)()) for end in ("max", "min"))
        stature.append(top - sole)
        head.append((top - float(mesh.joints[0, model.humanoid["head"], 1])) / (top - sole))
    assert 1.1 < stature[0] < 1.4 < 1.6 < stature[1] and head[0] > 1.15 * head[1] and child.tall > adult.tall


@pytest.mark.parametrize("female", [0.5, 0.8])
def test_the_unsure_mix_both(model, female) -> None:
    """Mean and covariance of many shapes drawn from the two sexes."""
    rng = np.random.default_rng(0)
    sexes = [ShapePrior.of(model, sex) for sex in (0.0, 1.0)]
    drawn = []
    for one in (rng.random(40_000) < female).astype(int):
        drawn.append(one)
    numbers = rng.standard_normal((len(drawn), len(sexes[0].mean)))
    inverse = [np.linalg.inv(prior.whitening.numpy()) for prior in sexes]
    shapes = np.stack([sexes[one].mean.numpy() + inverse[one] @ row for one, row in zip(drawn, numbers, strict=True)])
    mixed = ShapePrior.of(model, female)
    np.testing.assert_allclose(mixed.mean.numpy(), shapes.mean(0), atol=0.03)
    white = (shapes - mixed.mean.numpy()) @ mixed.whitening.numpy().T
    np.testing.assert_allclose(white.T @ white / len(white), np.eye(white.shape[1]), atol=0.06)


def test_women_are_smaller_and_have_breasts(model) -> None:
    few = [model(SimpleNamespace(**vars(model.neutral()) | {"shape": ShapePrior.of(model, sex).mean[None].float()}))
           for sex in (0.0, 1.0)]  # fmt: skip
    man, woman = (mesh.vertices[0] for mesh in few)
    tall = [float(v[:, 1].max() - v[:, 1].min()) for v in (man, woman)]
    assert 1.70 < tall[0] < 1.85 and 1.55 < tall[1] < 1.70

    def chest(v: torch.Tensor) -> torch.Tensor:
        """How far the trunk reaches forward at a height of 0.72 statures, in statures."""
        low, high = v[:, 1].min(), v[:, 1].max()
        band = ((v[:, 1] - low) / (high - low) - 0.72).abs() < 0.02
        trunk = band & (v[:, 0].abs() < 0.15)
        return (v[trunk, 2].max() - v[trunk, 2].min()) / (high - low)

    assert chest(woman) > chest(man)


def test_other_bodies_keep_their_makers_prior() -> None:
    other = SimpleNamespace(name="smplx", shape_basis=torch.zeros(10, 4, 3))
    prior = ShapePrior.of(other, 0.9)
    shape = torch.randn(10, dtype=torch.float64)
    assert torch.equal(prior.departure(shape), shape)
