from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from dinar import presets
from dinar.perceptual.adversarial import adversarial, discriminator_loss, r1

WEIGHTS = {"weight": 0.01, "r1_weight": 0.1, "r1_every": 4}


class Quadratic(nn.Module):
    """A logit a |x|^2 / 2 + b, whose gradient is a x."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(3.0)), nn.Parameter(torch.tensor(-1.0))
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        return (self.a * x.square().sum((1, 2, 3)) / 2 + self.b)[:, None]


def images(seed: int = 0, batch: int = 3) -> Tensor:
    return torch.rand(batch, 3, 4, 5, generator=torch.Generator().manual_seed(seed))


def test_known_values() -> None:
    assert float(adversarial(torch.zeros(4, 1))) == pytest.approx(math.log(2))
    logits = torch.tensor([[2.0], [-3.0]])
    assert float(adversarial(logits)) == pytest.approx((math.log(1 + math.exp(-2)) + math.log(1 + math.exp(3))) / 2)
    assert float(adversarial(torch.tensor([[-1000.0]]))) == 1000   # no overflow


def test_what_draws_wants_larger_logits_most_where_they_are_small() -> None:
    logits = torch.tensor([[-5.0], [0.0], [5.0]], requires_grad=True)
    adversarial(logits).backward()
    torch.testing.assert_close(logits.grad, -torch.sigmoid(-logits.detach()) / 3)


def test_r1_of_a_quadratic() -> None:
    network, x = Quadratic(), images().requires_grad_()
    squares = x.detach().square().sum((1, 2, 3)).mean()
    penalty = r1(network(x), x)
    # the gradient is a x for colours in [0, 1], half of it for colours in [-1, 1]; then half its square
    torch.testing.assert_close(penalty, 9 * squares / 4 / 2)
    penalty.backward()
    torch.testing.assert_close(network.a.grad, 2 * 3 * squares / 8)


def test_r1_goes_down_along_its_own_gradient() -> None:
    torch.manual_seed(0)
    network = presets.build_discriminator(presets.TINY)
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    before = r1(network(x), x)
    before.backward()
    moved = [parameter for parameter in network.parameters() if parameter.grad is not None]   # not the last bias
    slope = sum(parameter.grad.square().sum() for parameter in moved)
    step = 0.02 * before.detach() / slope      # which should take a fiftieth away
    with torch.no_grad():
        for parameter in moved:
            parameter -= step * parameter.grad
    after = r1(network(x), x)
    assert float((after / before).detach()) == pytest.approx(0.98, abs=0.003)


@pytest.mark.parametrize("step", range(9))
def test_lazy_regularisation(step: int) -> None:
    network, drawn, photo = Quadratic(), images(1), images(2)
    terms = discriminator_loss(network, drawn, photo, step=step, **WEIGHTS)
    on_drawn = torch.log(1 + torch.exp(network(drawn))).mean()
    on_photo = torch.log(1 + torch.exp(-network(photo))).mean()
    torch.testing.assert_close(terms.drawn, on_drawn)
    torch.testing.assert_close(terms.photo, on_photo)
    total = 0.01 * (on_drawn + on_photo)
    if step in (0, 4, 8):
        penalty = 9 * photo.square().sum((1, 2, 3)).mean() / 8
        torch.testing.assert_close(terms.r1, penalty)
        total = total + 0.1 * 4 * penalty
    else:
        assert terms.r1 is None
    torch.testing.assert_close(terms.total, total)


def test_over_a_round_r1_weighs_as_much_as_if_it_were_never_skipped() -> None:
    def gradient(every: int) -> Tensor:
        network = Quadratic()
        for step in range(8):
            options = WEIGHTS | {"weight": 0.0, "r1_every": every}
            discriminator_loss(network, images(1), images(2), step=step, **options).total.backward()
        return network.a.grad

    torch.testing.assert_close(gradient(1), gradient(4))


def test_nothing_flows_into_the_images_and_photos_and_renderings_stay_apart() -> None:
    network = Quadratic()
    drawn, photo = images(1, batch=2).requires_grad_(), images(2, batch=3).requires_grad_()
    discriminator_loss(network, drawn, photo, step=0, **WEIGHTS).total.backward()
    assert drawn.grad is None and photo.grad is None and network.a.grad is not None and network.b.grad is not None
    assert sorted(network.seen) == [2, 3]


def test_r1_is_float32_under_autocast() -> None:
    torch.manual_seed(0)
    network = presets.build_discriminator(presets.TINY)
    drawn, photo = (torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(i)) for i in (1, 2))
    plain = discriminator_loss(network, drawn, photo, step=0, **WEIGHTS)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = discriminator_loss(network, drawn, photo, step=0, **WEIGHTS)
        skipped = discriminator_loss(network, drawn, photo, step=1, **WEIGHTS)
    assert torch.equal(mixed.r1, plain.r1) and torch.equal(mixed.photo, plain.photo)
    assert not torch.equal(skipped.photo, plain.photo)
    mixed.total.backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
