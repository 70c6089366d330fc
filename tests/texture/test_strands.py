"""Hair that nobody saw, of hair that was seen."""

from __future__ import annotations

import torch

from dinar.body.layers import BOXES
from dinar.texture import strands

SIDE = 160


def atlas() -> tuple[torch.Tensor, ...]:
    """Brown strands seen on a third of the island's azimuths, a red bead among them; grey everywhere else."""
    rng = torch.Generator().manual_seed(0)
    left, _, right, _ = (round(edge * SIDE) for edge in BOXES["hair"])
    rgb = torch.full((1, 3, SIDE, SIDE), 0.5)
    strand = 0.08 * torch.rand(SIDE, 1, generator=rng) - 0.04
    brown = torch.tensor([0.35, 0.22, 0.12])[:, None, None] + strand.expand(SIDE, right - left)
    rgb[0, :, :, left:right] = brown
    seen = torch.zeros(1, 1, SIDE, SIDE)
    seen[..., 50:100, left:right] = 1
    rgb[0, :, 70, left + 5 : left + 9] = torch.tensor([0.9, 0.1, 0.1])[:, None]
    return torch.where(seen > 0, rgb, 0.5), rgb * seen, seen, seen.clone()


def test_what_is_seen_goes_on_around_the_head() -> None:
    filled, rgb, seen, trust = atlas()
    found = strands.around(filled, rgb, seen, trust)
    left, _, right, _ = (round(edge * SIDE) for edge in BOXES["hair"])
    assert torch.equal(found * seen, filled * seen) and torch.equal(found[..., :left], filled[..., :left])
    made = found[0, :, :, left:right][:, (seen[0, 0, :, left:right] == 0)]
    assert (made.mean(1) - torch.tensor([0.35, 0.22, 0.12])).abs().max() < 0.02
    assert made[0].max() < 0.6, "a bead is no hair"
    assert 0.005 < float(made[0].std()) < 0.03, "strands, fainter than where light falls on them"


def test_the_gloss_of_a_fringe_is_not_hair_s_colour() -> None:
    filled, rgb, seen, trust = atlas()
    left, _, right, _ = (round(edge * SIDE) for edge in BOXES["hair"])
    rgb[0, :, 66:84, left:right] = 0.75                       # what faces the camera shines,
    trust[..., :66, :], trust[..., 84:, :] = 0.0, 0.0         # and all else of the hair is seen at grazing angles
    found = strands.around(filled, rgb, seen, trust)
    made = found[0, :, :, left:right][:, seen[0, 0, :, left:right] == 0]
    assert (made - torch.tensor([0.35, 0.22, 0.12])[:, None]).abs().max() < 0.05


def test_a_few_strands_are_no_comb() -> None:
    filled, rgb, seen, trust = atlas()
    for part in (seen, trust):
        part[..., 64:, :] = 0                                 # 14 of its 160 texels round
    left, _, right, _ = (round(edge * SIDE) for edge in BOXES["hair"])
    made = strands.around(filled, rgb * seen, seen, trust)[0, 0, :, left:right][seen[0, 0, :, left:right] == 0]
    assert 0.005 < float(made.std()) < 0.02, "and no cap of one tone either"


def test_heights_of_which_nothing_is_seen_take_the_nearest() -> None:
    filled, rgb, seen, trust = atlas()
    left, _, right, _ = (round(edge * SIDE) for edge in BOXES["hair"])
    middle = (left + right) // 2
    for part in (seen, trust, rgb):
        part[..., left:middle] = 0
    found = strands.around(filled, rgb, seen, trust)[0, :, 10, left:middle]
    assert (found.mean(1) - torch.tensor([0.35, 0.22, 0.12])).abs().max() < 0.05


def test_without_hair_in_sight_nothing_changes() -> None:
    filled, rgb, seen, trust = atlas()
    assert torch.equal(strands.around(filled, rgb, seen * 0, trust * 0), filled)


def test_hair_goes_on_in_the_shade_that_is_seen_beside() -> None:
    filled, rgb, seen, trust = atlas()
    left, _, right, _ = (round(edge * SIDE) for edge in BOXES["hair"])
    dark = torch.tensor([0.1, 0.07, 0.05])[:, None, None]
    rgb[0, :, 86:100, left:right] = dark                      # a lock in the shade where the photo ends
    made = strands.around(filled, rgb * seen, seen, trust)[0, :, :, left:right].mean((0, 2))
    assert float(made[101]) - float(dark.mean()) < 0.4 * (float(made[140]) - float(dark.mean())), "no edge"
    assert float(made[140]) > 0.12, "and none far away"


def test_hair_far_from_what_is_seen_is_no_comb_of_straight_strands() -> None:
    filled, rgb, seen, trust = atlas()
    left, _, right, _ = (round(edge * SIDE) for edge in BOXES["hair"])
    for part in (seen, trust):                                # heights run along x; the uppermost are seen
        part[..., : right - 6] = 0
    made = strands.around(filled, rgb * seen, seen, trust)[0, 0, :, left:right]
    one, other = made[:, 2], made[:, 2 + 3 * round(max(strands.LENGTHS))]
    assert one.std() > 0.004 and other.std() > 0.004
    assert float(torch.corrcoef(torch.stack([one, other]))[0, 1]) < 0.6
