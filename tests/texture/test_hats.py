"""Hats from behind, of what is seen of them in front."""

from __future__ import annotations

import numpy as np
import torch

from dinar.body.layers import BOXES
from dinar.texture import hats

SIDE = 320
LEFT, TOP, RIGHT, BOTTOM = (round(edge * SIDE) for edge in BOXES["hair"])
HEIGHTS, AZIMUTHS = RIGHT - LEFT, BOTTOM - TOP
DARK, LIGHT = torch.tensor([0.1, 0.1, 0.3]), torch.tensor([0.9, 0.8, 0.7])
HAIR = torch.tensor([0.35, 0.22, 0.12])


def plane(tilt: float) -> np.ndarray:
    """Where a hat ends at each azimuth."""
    return HEIGHTS * 0.5 + tilt * np.cos(np.arange(AZIMUTHS) / AZIMUTHS * 2 * np.pi)


def truth(tilt: float, stripes: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """A head's colours [3, H, N], hair below a hat, and whether a hat is there [H, N]."""
    height, end = np.arange(HEIGHTS)[:, None], plane(tilt)
    row = (height - end) / (HEIGHTS - 1 - end) * HEIGHTS / 16
    dark = torch.from_numpy((np.floor(row) % 2 == 0) | (not stripes))
    worn = torch.from_numpy(height >= end)
    hat = torch.where(dark, DARK[:, None, None], LIGHT[:, None, None])
    return torch.where(worn, hat, HAIR[:, None, None]).float(), worn


def made(colours: torch.Tensor, worn: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
    """What becomes of it [3, H, N] where a part, bool [H, N], is shown and the rest was filled with grey."""
    def atlas(image: torch.Tensor, rest: float) -> torch.Tensor:
        whole = torch.full((1, len(image), SIDE, SIDE), rest)
        whole[0, :, TOP:BOTTOM, LEFT:RIGHT] = image.transpose(1, 2)
        return whole

    seen = shown[None].float()
    filled = atlas(colours * seen + 0.5 * (1 - seen), 0.25)
    hat = (worn & shown)[None].float()
    found = hats.around(filled, atlas(colours * seen, 0.0), atlas(seen, 0.0), atlas(seen, 0.0), atlas(hat, 0.0))
    outside = torch.ones(SIDE, SIDE, dtype=torch.bool)
    outside[TOP:BOTTOM, LEFT:RIGHT] = False
    assert torch.equal(found[0][:, outside], filled[0][:, outside])
    found = found[0, :, TOP:BOTTOM, LEFT:RIGHT].transpose(1, 2)
    assert torch.allclose(found[:, shown], colours[:, shown])
    return found


def front() -> torch.Tensor:
    """Two fifths of all azimuths, but for the top, that no level camera sees."""
    azimuth = torch.arange(AZIMUTHS)
    ahead = (azimuth < AZIMUTHS / 5) | (azimuth > AZIMUTHS * 4 / 5)
    return ahead & (torch.arange(HEIGHTS) < HEIGHTS * 0.8)[:, None]


def test_a_plain_hat_goes_round_and_ends_where_it_does_in_front() -> None:
    colours, worn = truth(2.0, stripes=False)
    found, edge = made(colours, worn, front()), torch.from_numpy(plane(2.0))
    height = torch.arange(HEIGHTS)[:, None]
    within, below = height > edge + 4, ~front() & (height < edge - 4)
    assert (found - colours).abs()[:, within].max() < 0.02
    assert (found[:, below] == 0.5).all(), "what is below is none of its"


def test_stripes_meet_behind_and_go_on_to_the_crown() -> None:
    colours, worn = truth(0.0, stripes=True)
    shown = front()
    found = made(colours, worn, shown)
    behind = worn & ~shown
    behind[: round(HEIGHTS * 0.55)] = behind[round(HEIGHTS * 0.78) :] = False         # known rows, but for the lowest
    assert ((found - colours).abs().mean(0) < 0.2)[behind].float().mean() > 0.8
    crown = found[:, round(HEIGHTS * 0.85) :, AZIMUTHS // 2].mean(0)
    assert crown.min() < 0.35 and crown.max() > 0.6, "striped as below"


def test_a_badge_stays_in_front() -> None:
    colours, worn = truth(0.0, stripes=False)
    middle = slice(round(HEIGHTS * 0.58), round(HEIGHTS * 0.7))
    colours[:, middle, 2:10] = torch.tensor([1.0, 0.0, 0.0])[:, None, None]
    found = made(colours, worn, front())
    above = torch.arange(HEIGHTS)[:, None] > HEIGHTS * 0.5 + 2
    assert found[0][above & ~front()].max() < 0.3


def test_a_hair_band_is_no_hat() -> None:
    colours, _ = truth(0.0, stripes=False)
    shown, band = front(), torch.zeros(HEIGHTS, AZIMUTHS, dtype=torch.bool)
    band[round(HEIGHTS * 0.7) : round(HEIGHTS * 0.73)] = True
    assert (made(colours, band, shown)[:, ~shown] == 0.5).all()


def test_gloss_that_looks_like_a_hat_is_none() -> None:
    colours, _ = truth(0.0, stripes=False)
    shown, gloss = front(), torch.zeros(HEIGHTS, AZIMUTHS, dtype=torch.bool)
    gloss[round(HEIGHTS * 0.3) : round(HEIGHTS * 0.65)] = True                # hair is seen above it
    assert (made(colours, gloss, shown)[:, ~shown] == 0.5).all()


def test_a_hat_of_single_texels_has_colours() -> None:
    colours, worn = truth(0.0, stripes=False)
    shown = torch.zeros(HEIGHTS, AZIMUTHS, dtype=torch.bool)
    shown[round(HEIGHTS * 0.6) : round(HEIGHTS * 0.7) : 3, ::5] = True
    assert made(colours, worn, shown).isfinite().all()
