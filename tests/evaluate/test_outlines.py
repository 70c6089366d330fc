from __future__ import annotations

import math

import pytest
import torch

from dinar.avatar import open_body
from dinar.evaluate import outlines, regions
from dinar.evaluate.protocols import SHIPPED
from dinar.evaluate.sets import Sets


def test_overlap_is_the_ratio_of_sums() -> None:
    torch.manual_seed(0)
    a, b, region = torch.rand(1, 9, 7), torch.rand(1, 9, 7), torch.rand(9, 7) > 0.5
    both = either = 0.0
    for y in range(9):
        for x in range(7):
            if region[y, x]:
                both += min(float(a[0, y, x]), float(b[0, y, x]))
                either += max(float(a[0, y, x]), float(b[0, y, x]))
    assert outlines.overlap(a, b, region) == pytest.approx(both / either, abs=1e-9)
    assert outlines.overlap(a, a) == 1 and outlines.overlap(torch.zeros_like(a), b) == 0
    assert math.isnan(outlines.overlap(torch.zeros_like(a), torch.zeros_like(a)))


def test_hair_that_is_cut_off_is_caught() -> None:
    model = open_body()
    for person in ("0000", "0006"):        # with long hair
        view = Sets("valid", SHIPPED / "valid").case(person).source
        band = regions.around_head(model, view.body, view.camera)
        head = regions.seen(model, view.body, view.camera, regions.share_of(model, regions.HEAD))[0]
        bald = view.mask * ~(band & ~head)
        narrower = torch.nn.functional.max_pool2d(-view.mask[None], 3, 1, 1)[0].neg()      # a pixel less all around
        drawn = {"bald": bald, "narrow": narrower}
        whole = {name: outlines.overlap(mask, view.mask) for name, mask in drawn.items()}
        around = {name: outlines.overlap(mask, view.mask, band) for name, mask in drawn.items()}
        assert around["bald"] < 0.9 and around["bald"] < around["narrow"] - 0.02, person
        assert whole["bald"] > around["bald"] + 0.05, person       # which the whole outline hardly sees
