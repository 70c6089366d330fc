from __future__ import annotations

import numpy as np
import pytest
from reference import matting as literal

from dinar.photo import matting
from dinar.photo.matting import closed_form


def scene(seed: int, height: int = 16, width: int = 13) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image of noisy halves, and the alpha of their slanted border with a band about it that is unknown."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    distance = columns + 0.3 * rows - width / 2 - random.uniform(0, 3)
    alpha = (distance > 0).astype(float)
    colours = random.random((2, 3))
    share = (distance / 3 + 0.5).clip(0, 1)[..., None]
    image = share * colours[0] + (1 - share) * colours[1] + random.normal(0, 0.02, (height, width, 3))
    return image.clip(0, 1), alpha, np.abs(distance) < random.uniform(2, 5)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_papers_minimum(seed: int) -> None:
    """The band runs into the image's upper and lower border."""
    image, alpha, unknown = scene(seed)
    expected = literal.closed_form(image, alpha, unknown, 1e-5)
    assert unknown[0].any() and unknown[-1].any() and 0.1 < expected[unknown].mean() < 0.9
    # the literal version inverts covariances that are nearly singular: it is exact to 1e-9 itself
    assert np.abs(closed_form(image, alpha, unknown) - expected).max() < 1e-7
    wrong = np.where(unknown, 0.3, alpha)
    assert np.array_equal(closed_form(image, wrong, unknown), closed_form(image, alpha, unknown))


def test_wide_matrices_are_solved_too(monkeypatch: pytest.MonkeyPatch) -> None:
    image, alpha, unknown = scene(0)
    banded = closed_form(image, alpha, unknown)
    monkeypatch.setattr(matting, "MOST", 0)
    assert np.abs(closed_form(image, alpha, unknown) - banded).max() < 1e-9


@pytest.mark.parametrize("kind", ["one colour", "two colours", "noise"])
def test_images_without_information(kind: str) -> None:
    """What is known settles the rest, however little the colours tell."""
    random = np.random.default_rng(0)
    image = np.full((40, 30, 3), 0.5)
    if kind == "two colours":
        image[::2, ::2] = 0.9
    elif kind == "noise":
        image = random.random(image.shape)
    alpha = np.zeros((40, 30))
    alpha[:, 15:] = 1
    unknown = np.zeros((40, 30), bool)
    unknown[:, 8:22] = True
    found = closed_form(image, alpha, unknown)
    assert np.isfinite(found).all() and np.array_equal(found[~unknown], alpha[~unknown])
    if kind == "one colour":
        assert (np.diff(found.mean(axis=0)[8:22]) > 0).all()


def test_it_agrees_with_pymatting() -> None:
    pymatting = pytest.importorskip("pymatting", reason="needs pymatting (dinar's extra 'test')")
    image, alpha, unknown = scene(3, 60, 50)
    expected = pymatting.estimate_alpha_cf(
        image, np.where(unknown, 0.5, alpha), laplacian_kwargs={"epsilon": 1e-5}, cg_kwargs={"rtol": 1e-9}
    )
    # it ties known pixels to their values with a weight of 100, and stops when its residual is small
    assert np.abs(closed_form(image, alpha, unknown) - expected).max() < 0.01
