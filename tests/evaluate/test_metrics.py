from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from perceptual.pairs import pairs
from reference import metrics as literal
from torch import Tensor

from dinar.evaluate import metrics
from dinar.evaluate.cases import HEAD, MOTION
from dinar.evaluate.metrics import MEASURES, Judges, Scores, bootstrap, kid, ms_ssim, psnr, scaled
from dinar.perceptual.alexnet import AlexNet
from dinar.perceptual.dists import DISTS
from dinar.perceptual.lpips import LPIPS


def large() -> tuple[Tensor, Tensor]:
    """An image and another one [1, 3, 176, 183]."""
    return tuple(torch.nn.functional.interpolate(x[1:], (176, 183), mode="bilinear") for x in pairs())


def test_psnr_and_ms_ssim_are_the_papers() -> None:
    a, b = large()
    theirs = [x[0].double().numpy() for x in (a, b)]
    assert psnr(a, b) == pytest.approx(literal.psnr(*theirs), abs=1e-9)
    assert ms_ssim(a, b) == pytest.approx(literal.ms_ssim(*theirs), abs=1e-9)
    assert 0.05 < literal.ms_ssim(*theirs) < 0.95


def test_equal_pictures_are_best() -> None:
    image = large()[0]
    assert psnr(image, image) == metrics.MOST_PSNR
    assert ms_ssim(image, image) == pytest.approx(1, abs=1e-6)


def test_ms_ssim_refuses_what_is_too_small() -> None:
    small = torch.rand(1, 3, 175, 300, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="176"):
        ms_ssim(small, small)


def test_kid_is_the_papers_and_unbiased() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((7, 20)), rng.random((5, 20)) + 0.3
    assert kid(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(literal.kid(a, b), abs=1e-12)
    assert math.isnan(kid(torch.ones(1, 4), torch.ones(3, 4)))
    draws = rng.normal(size=(400, 2, 6, 10))
    found = [kid(*torch.from_numpy(pair)) for pair in draws]      # two samples of one distribution: 0 on average
    assert abs(np.mean(found)) < 4 * np.std(found) / math.sqrt(len(found))
    assert min(found) < 0


def test_networks_see_what_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "SCALED", 64)
    torch.manual_seed(0)
    judges = Judges(LPIPS(AlexNet()), DISTS())
    a, b = large()
    seen, other = judges.look(a[0]), judges.look(b[0])
    scores = judges.compare(seen, other)
    assert torch.equal(seen.deep, seen.dists[-1].mean((2, 3))[0]) and seen.deep.shape == (512,)
    small, others = scaled(seen.image), scaled(other.image)
    with torch.no_grad():
        assert scores.lpips == pytest.approx(float(judges.alex(a, b)), rel=1e-5)
        assert scores.dists == pytest.approx(float(judges.dists(small, others)), rel=1e-5)
    assert (scores.psnr, scores.ms_ssim) == (psnr(a, b), ms_ssim(a, b))
    assert math.isnan(scores.face)
    part = judges.compare(judges.look(a[0], HEAD), judges.look(b[0], HEAD))
    assert (part.lpips, part.dists) == (scores.lpips, scores.dists) and math.isnan(part.ms_ssim)
    frame = judges.compare(judges.look(a[0], MOTION), judges.look(b[0], MOTION))
    assert (frame.lpips, frame.psnr) == (scores.lpips, scores.psnr) and math.isnan(frame.dists)
    assert scaled(a).shape == (1, 3, 64, 67) and scaled(a[..., :60, :]).shape == (1, 3, 60, 183)


def test_bootstrap() -> None:
    values = np.random.default_rng(1).normal(5, 2, 400)
    found = bootstrap(values)
    error = values.std() / math.sqrt(len(values))
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)   # normal for so many
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)
    assert bootstrap(values) == found
    assert bootstrap([1.0, math.nan, 3.0]).mean == 2
    assert math.isnan(bootstrap([1.0]).low) and math.isnan(bootstrap([]).mean)


def test_every_measure_says_what_it_is() -> None:
    assert set(MEASURES) == {f.name for f in fields(Scores)}
    for measure in (*MEASURES.values(), metrics.KID, metrics.FLICKER):
        assert all((measure.label, measure.backbone, measure.values, measure.region, measure.background))
