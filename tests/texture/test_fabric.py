from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from dinar.body.model import BodyModel
from dinar.body.normals import vertex_normals
from dinar.body.uv import PARTS, load_layout, part_labels
from dinar.texture import fabric
from dinar.texture.filling import Filler
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.rounds import CELLS, FINER, Round, gone_round

SIZE = 384
GREEN, WHITE, RED = (torch.tensor(colour)[:, None, None] for colour in ([0.1, 0.5, 0.3], [0.9] * 3, [0.9, 0.1, 0.1]))


@dataclass(frozen=True)
class Worn:
    """The resting body by texels: their places [3, S, S], the way they face, what they are part of, what is seen."""

    filler: Filler
    place: Tensor
    front: Tensor
    part: np.ndarray

    def filled(self, rgb: Tensor, seen: Tensor | None = None) -> Tensor:
        """Colours [3, S, S] with what is not seen filled, by default what faces backwards."""
        where = (self.front > 0.3 if seen is None else seen)[None, None].float() * self.filler.texels.mask
        return self.filler(NeuralTexture(None, rgb[None] * where, where, where, where))[0]

    def on(self, *parts: str) -> Tensor:
        """Where parts lie, bool [S, S]."""
        return torch.from_numpy(np.isin(self.part, parts)) & (self.filler.texels.covered[0, 0] > 0)


@pytest.fixture(scope="module")
def worn() -> Worn:
    model = BodyModel.open()
    filler = Filler.of(model, load_layout("front", model), SIZE)
    rest = model.rest(model.neutral().shape)[0]
    rest = rest - rest[0].amin(0) * torch.tensor([0.0, 1, 0])                         # from the ground
    maps = filler.texels.interpolate(torch.cat([rest, vertex_normals(rest, model.faces)], dim=-1)[0], model.faces)[0]
    part = np.array(PARTS)[part_labels(model)[filler.texels.face.clamp(min=0).long()].numpy()]
    return Worn(filler, maps[:3], maps[5], part)


def test_stripes_run_round_and_meet(worn: Worn) -> None:
    """On a shirt that is askew they stand higher at one side: at each side the made-up goes on from the seen."""
    height = worn.place[1] + 0.08 * worn.place[0]
    rgb = torch.where((height / 0.05).floor() % 2 > 0, WHITE, GREEN)
    filled = worn.filled(rgb)
    x, y = worn.place[:2]
    trunk = worn.on("torso") & (y > 1.0) & (y < 1.25)
    behind = trunk & (worn.front < -0.3)
    flank = trunk & (worn.front < 0.1) & (worn.front > -0.5) & (x.abs() > 0.1)
    assert (filled - rgb).abs().mean(0)[flank].mean() < 0.08
    light = filled.mean(0)[behind]
    assert light.quantile(0.15) < 0.4 and light.quantile(0.85) > 0.8                  # stripes, no mixture


@pytest.mark.parametrize("figure", [RED, WHITE - 0.1, WHITE - 0.3], ids=["print", "white on white", "grey"])
def test_figures_stay_in_front(worn: Worn, figure: Tensor) -> None:
    x, y = worn.place[:2]
    plain = WHITE.expand(3, SIZE, SIZE)
    stands = worn.on("torso") & (worn.front > 0) & (x.abs() < 0.07) & (y > 1.05) & (y < 1.2) & (x.abs() > 0.02)
    filled = worn.filled(torch.where(stands, figure, plain))
    behind = worn.on("torso") & (worn.front < -0.3) & (y > 0.95) & (y < 1.25)
    assert (filled - plain).abs().amax(0)[behind].quantile(0.99) < 0.03
    shown = stands & (worn.front > 0.35)
    assert torch.equal(filled[:, shown], figure.expand(3, SIZE, SIZE)[:, shown])


def test_a_small_badge_on_a_shirt_with_folds_stays_in_front(worn: Worn) -> None:
    """Light on the folds differs as much as it does from the shirt, but slowly: the back has the folds alone."""
    x, y = worn.place[:2]
    plain = WHITE - 0.1 + 0.1 * torch.sin(12 * x + 6 * y)
    away = (x.abs() - 0.07).square() + (y - 1.17).square()
    badge = 0.2 * torch.exp(-away / (2 * 0.006**2)) * (worn.front > 0)
    behind = worn.on("torso") & (worn.front < -0.3)
    without = worn.filled(plain)
    assert (worn.filled(plain - badge) - without).abs().amax(0)[behind].max() < 0.05
    assert without.mean(0)[behind & (y > 1.0) & (y < 1.25)].std() > 0.02


def test_a_hem_on_the_hips_is_one_line_behind(worn: Worn) -> None:
    """Where trunk and thighs pass into each other, of a shirt that hangs lower at its sides."""
    x, y = worn.place[:2]
    light = worn.filled(torch.where(y > 0.88 - 0.4 * x.abs(), WHITE, 0.05 * WHITE)).mean(0)
    behind = worn.on("torso", "left thigh", "right thigh") & (worn.front < -0.3) & (y > 0.78) & (y < 0.95)
    assert ((light > 0.2) & (light < 0.7))[behind].float().mean() < 0.03
    assert light[behind & (y > 0.9)].mean() > 0.75 and light[behind & (y < 0.8)].mean() < 0.15


@pytest.mark.parametrize("deep", [0.0, 0.08], ids=["round", "V"])
def test_a_collar_is_one_line_behind_higher_than_in_front(worn: Worn, deep: float) -> None:
    """White cloth, dark skin; its neckline may fall to the middle of the front."""
    x, y, z = worn.place
    neck = worn.filler.model.rest(worn.filler.model.neutral().shape)[1][0, worn.filler.model.humanoid["neck"]]
    bottom = worn.filler.model.rest(worn.filler.model.neutral().shape)[0][0].amin(0)[1]
    line = neck[1] - bottom - 0.02 - 0.5 * (z - neck[2])
    opened = line - (deep - 1.5 * x.abs()).clamp(min=0) * (z > neck[2])
    light = worn.filled(torch.where(y < opened, WHITE, 0.1 * WHITE)).mean(0)
    behind = worn.on("torso", "head") & (worn.front < -0.3) & (x.abs() < 0.08) & ((y - line).abs() < 0.05)
    assert behind.sum() > 300
    assert ((light > 0.25) & (light < 0.7))[behind].float().mean() < 0.1
    assert light[behind & (y < line - 0.02)].mean() > 0.75 and light[behind & (y > line + 0.02)].mean() < 0.2


def test_a_narrow_hole_in_front_has_the_colour_beside_it(worn: Worn) -> None:
    """Not that of the flanks, which is the fabric's behind."""
    x, y = worn.place[:2]
    front = worn.on("torso") & (worn.front > 0) & (y > 1.0) & (y < 1.12) & (x.abs() < 0.1)
    hole = front & (x.abs() < 0.03) & (y > 1.03) & (y < 1.09)
    filled = worn.filled(torch.where(front, GREEN, WHITE), (worn.front > 0.3) & ~hole)
    assert (filled - GREEN).abs().amax(0)[hole & (worn.front > 0.3)].quantile(0.9) < 0.1


def test_a_badge_round_one_leg_is_not_the_trousers_colour(worn: Worn) -> None:
    """It takes most of what is seen of that leg; the other one tells."""
    x, y = worn.place[:2]
    thigh = worn.on("left thigh")
    middle = float(x[thigh].mean())
    badge = thigh & (worn.front > 0) & (y > 0.62) & (y < 0.68) & (x > middle - 0.03)
    filled = worn.filled(torch.where(badge, WHITE, GREEN))
    behind = thigh & (worn.front < -0.4) & (y > 0.6) & (y < 0.7)
    assert (filled - GREEN).abs().amax(0)[behind].quantile(0.95) < 0.1


def test_badges_on_both_legs_stay_in_front_and_bands_go_round(worn: Worn) -> None:
    """They are most of what is seen of each, beside some of the trousers' cloth; a band leaves none."""
    x, y = worn.place[:2]
    thighs = worn.on("left thigh", "right thigh")
    band = thighs & (y > 0.6) & (y < 0.66)
    middle = float(x[thighs].abs().mean()) - 0.015 * (x > 0)
    badges = band & (worn.front > 0) & (x.abs() > middle)
    behind = worn.on("left thigh") & (worn.front < -0.4) & (y > 0.61) & (y < 0.65)
    for figure, colour in ((badges, GREEN), (band, WHITE)):
        filled = worn.filled(torch.where(figure, WHITE, GREEN))
        assert (filled - colour).abs().amax(0)[behind].quantile(0.9) < 0.1


def test_soles_and_sleeves_end_behind_as_in_front(worn: Worn) -> None:
    x, y = worn.place[:2]
    foot = worn.on("left foot", "right foot")
    sole = y - y[foot].min() < 0.025
    filled = worn.filled(torch.where(sole, WHITE, GREEN))
    heel = foot & (worn.front < -0.3)
    for where, colour in ((sole, WHITE), (y - y[foot].min() > 0.045, GREEN)):
        assert (filled - colour).abs().amax(0)[heel & where].median() < 0.15
    arm = worn.on("left upper arm", "left lower arm")
    sleeve = x.abs() < 0.4
    rgb = torch.where(sleeve, GREEN, WHITE)
    behind = arm & (worn.front < -0.2) & ((x.abs() - 0.4).abs() > 0.03) & (x.abs() > 0.25)
    assert (worn.filled(rgb) - rgb).abs().amax(0)[behind].quantile(0.9) < 0.1


def test_what_closes_a_shirt_stays_in_front(worn: Worn) -> None:
    """Its folds are as strong as the line down its middle and the collar's wings, and go on behind without them."""
    x, y = worn.place[:2]
    folds = 0.04 * torch.sin(90 * x + 40 * y) * torch.sin(25 * y)
    line = (x.abs() < 0.006) & (worn.front > 0) & worn.on("torso")
    behind = worn.on("torso") & (worn.front < -0.5) & (x.abs() < 0.04) & (y > 1.0) & (y < 1.2)
    there = behind & (x.abs() < 0.005)
    light = [worn.filled(0.5 * WHITE + folds - 0.06 * shown).mean(0) for shown in (line, line & False)]
    assert (light[0] - light[1])[there].abs().mean() < 0.01
    assert light[0][behind].std() > 0.01


def test_hands_take_no_colour_of_sleeves(worn: Worn) -> None:
    """Of hands the fingers are seen alone, of sleeves all as far as the wrist."""
    arm, hand = worn.on("left upper arm", "left lower arm"), worn.on("left hand")
    x = worn.place[0].abs()
    wrist, tip = float(x[hand].min()), float(x[hand].max())
    skin = torch.tensor([0.8, 0.6, 0.5])[:, None, None]
    seen = arm & (worn.front > 0.3) | hand & (x > tip - 0.05)
    off = (worn.filled(torch.where(arm, GREEN, skin), seen) - skin).abs().amax(0)[hand & (x > wrist + 0.03)]
    assert off.mean() < 0.02


def test_shoes_go_on_as_their_sides_not_as_their_laces(worn: Worn) -> None:
    x, y, z = worn.place
    foot = worn.on("left foot", "right foot")
    aside, height = (x.abs() - x[foot].abs().mean()).abs(), y - y[foot].min()
    laces = foot & (aside < 0.02) & (height > 0.045)
    filled = worn.filled(torch.where(laces, WHITE, 0.1 * WHITE), (worn.front > 0.2) & (z > z[foot].mean() - 0.06))
    side = foot & (aside > 0.025) & (worn.front < 0.1) & (height > 0.065) & (height < 0.085)
    assert filled.mean(0)[side].mean() < 0.4


def test_a_hidden_arm_is_as_the_other_one(worn: Worn) -> None:
    x = worn.place[0]
    rgb = torch.where(x.abs() < 0.4, RED, WHITE)
    rgb = torch.where(worn.on("torso", "left thigh", "right thigh"), GREEN, rgb)
    left = worn.on("left upper arm", "left lower arm")
    filled = worn.filled(rgb, (worn.front > 0.3) & ~left & ~worn.on("left hand"))
    outer = left & (x.abs() > 0.25) & ((x.abs() - 0.4).abs() > 0.03) & (x.abs() < 0.55)
    assert (filled - rgb).abs().amax(0)[outer].quantile(0.9) < 0.12


def test_light_from_one_side_stays_there_and_the_weave_is_as_strong(worn: Worn) -> None:
    x, y = worn.place[:2]
    weave = 0.03 * torch.from_numpy(np.random.default_rng(1).standard_normal((SIZE, SIZE))).float()
    rgb = (GREEN * (1 + 2.0 * x) + weave).clamp(0, 1)
    filled = worn.filled(rgb)
    trunk = worn.on("torso") & (y > 1.0) & (y < 1.25)
    behind = trunk & (worn.front < -0.3)
    left, right = (filled.mean(0)[behind & side].mean() for side in (x > 0.06, x < -0.06))
    assert left > right + 0.01
    fine = filled.mean(0) - torch.nn.functional.avg_pool2d(filled.mean(0)[None], 5, 1, 2)[0]
    assert fine[behind].std() > 0.4 * fine[trunk & (worn.front > 0.5)].std()


def test_the_same_again_and_nothing_seen(worn: Worn) -> None:
    rgb = torch.where(worn.place[1] > 1.0, WHITE, GREEN)
    assert torch.equal(worn.filled(rgb), worn.filled(rgb))
    nothing = worn.filled(rgb, torch.zeros(SIZE, SIZE, dtype=torch.bool))
    assert torch.allclose(nothing, torch.full_like(nothing, 0.5), atol=1e-3)


def unrolled() -> tuple[int, torch.Tensor, Round]:
    """A limb that lies unrolled in its texture, rows down and cells across: its side, columns and round."""
    side = 256
    row, cell = (torch.arange(side)[:, None].expand(side, side), torch.arange(side)[None].expand(side, side))
    places = (of.flatten().numpy().astype(np.float32) for of in (row / FINER[0], cell * CELLS / side))
    about = Round("trunk", np.arange(side * side), np.ones(side * side, np.float32), *places, side // FINER[0] + 2)
    return side, cell, about


def test_what_is_known_goes_on_round_a_limb_mirrored() -> None:
    side, cell, about = unrolled()
    values = torch.rand(1, side, side, generator=torch.Generator().manual_seed(0))
    known = ((cell >= 60) & (cell < 160))[None].float()
    found = gone_round(values, known, [about])
    assert torch.equal(found[..., 60:160], values[..., 60:160])
    assert torch.equal(found[..., 160:190], values[..., 130:160].flip(-1))
    assert torch.equal(found[..., 30:60], values[..., 60:90].flip(-1))
    assert torch.equal(gone_round(values, known * 0, [about]), values), "nothing is known"


def test_upright_stripes_stay_upright_beyond_a_ragged_edge() -> None:
    side, cell, about = unrolled()
    stripes = (torch.cos(cell * 2 * torch.pi / 10) / 2 + 0.5)[None]
    ragged = torch.randint(-9, 10, (side, 1), generator=torch.Generator().manual_seed(0))
    known = ((cell >= 60 + ragged) & (cell < 160 + ragged))[None].float()
    found = gone_round(stripes, known, [about])[0]
    beyond = found[:, 175:225]                                  # as alike from row to row as what is seen
    steps = (beyond[1:] - beyond[:-1]).abs().mean()
    assert steps < 0.06 and beyond.std() > 0.2


def test_an_arm_that_is_not_seen_has_the_other_s_colour(worn: Worn) -> None:
    hidden = worn.on("left upper arm", "left lower arm", "left hand")
    filled = worn.filled(GREEN.expand(3, SIZE, SIZE), (worn.front > 0.3) & ~hidden)
    assert filled.isfinite().all()
    assert (filled - GREEN).abs().amax(0)[worn.on("left lower arm")].quantile(0.95) < 0.1


def test_a_limb_of_which_nothing_is_seen_has_no_detail() -> None:
    nothing = np.zeros((9, CELLS), np.float32)
    assert (fabric._typical(nothing + 1, nothing) == 0).all()


def test_what_shines_on_an_edge_tints_no_cloth_beside_it(worn: Worn) -> None:
    """The red of a wall behind, on the outermost that is seen of a shirt: cloth beside it takes on its light alone."""
    trunk = worn.on("torso") & (worn.place[1] > 1.0) & (worn.place[1] < 1.25)
    tint = torch.tensor([0.12, -0.06, -0.06])[:, None, None] * ((worn.front - 0.5) / -0.2).clamp(0, 1)
    filled = worn.filled(GREEN + 0.2 + tint * trunk)
    beside = trunk & (worn.front < 0.28) & (worn.front > 0)
    hue = filled - filled.mean(0, keepdim=True) - (GREEN - GREEN.mean())
    assert hue[0][beside].abs().mean() < 0.02
