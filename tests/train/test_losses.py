from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from perceptual.pairs import randomise
from torch import Tensor
from torch.nn import functional

from dinar.networks.renderer import NeuralRendering
from dinar.perceptual.adversarial import DiscriminatorTerms
from dinar.perceptual.alexnet import AlexNet
from dinar.perceptual.lpips import LPIPS
from dinar.presets import PAPER
from dinar.train.losses import FACE_SIDE, Truth, crop_faces, generator_loss, numbers, random_crops

WEIGHTS = replace(PAPER.appearance, lpips_crop=64)
SIDE = 80
NOBODY = [0.0, 0.0, 0.0, 0.0]
NAN = float("nan")


@pytest.fixture(scope="module")
def lpips() -> LPIPS:
    lpips = LPIPS(AlexNet())
    randomise(lpips.backbone, 1)
    return lpips


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scene(*faces: list[float]) -> tuple[NeuralRendering, Truth, Tensor]:
    """As many images as faces, with a rendering of each and its logits."""
    generator = rng(1)
    batch = len(faces)
    rgb, image = torch.rand(2, batch, 3, SIDE, SIDE, generator=generator)
    mask, true_mask = (torch.rand(2, batch, 1, SIDE, SIDE, generator=generator) > 0.6).float()
    logits = torch.randn(batch, 1, generator=generator)
    drawn = NeuralRendering(rgb.requires_grad_(), mask.requires_grad_())
    return drawn, Truth(image, true_mask, torch.tensor(faces)), logits.requires_grad_()


def test_equation_4_written_out(lpips: LPIPS) -> None:
    drawn, truth, logits = scene([10.0, 5.0, 74.0, 69.0], NOBODY)
    terms = generator_loss(drawn, truth, logits, lpips, WEIGHTS, rng())

    l2 = ((drawn.rgb - truth.image) ** 2).mean()
    torch.testing.assert_close(terms.l2, l2)
    overlap = [
        1 - 2 * (a * b).sum() / (a.sum() + b.sum()) for a, b in zip(drawn.mask, truth.mask, strict=True)
    ]  # fmt: skip
    torch.testing.assert_close(terms.dice, (overlap[0] + overlap[1]) / 2)
    torch.testing.assert_close(terms.adversarial, -torch.log(torch.sigmoid(logits)).mean())

    windows = random_crops(torch.cat([drawn.rgb, truth.image], 1), 64, rng())
    torch.testing.assert_close(terms.lpips, lpips(windows[:, :3], windows[:, 3:]).mean())

    faces = [
        functional.interpolate(x[:1, :, 5:69, 10:74], scale_factor=2, mode="bilinear") for x in (drawn.rgb, truth.image)
    ]
    inner = [face[..., 1:-1, 1:-1] for face in faces]   # the border sees pixels beyond the box
    mean_square = ((inner[0] - inner[1]) ** 2).mean() / 2
    torch.testing.assert_close(terms.face_l2, mean_square, rtol=0.02, atol=0)
    torch.testing.assert_close(terms.face_lpips, lpips(*faces).mean() / 2, rtol=0.05, atol=0)

    total = 2.2 * l2 + terms.lpips + terms.dice + 0.01 * terms.adversarial
    total = total + 0.1 * (2.2 * terms.face_l2 + terms.face_lpips)
    torch.testing.assert_close(terms.total, total)


def test_a_perfect_rendering_costs_nothing_but_the_discriminator(lpips: LPIPS) -> None:
    _, truth, logits = scene([10.0, 10.0, 30.0, 40.0])
    terms = numbers(generator_loss(NeuralRendering(truth.image, truth.mask), truth, logits, lpips, WEIGHTS, rng()))
    assert all(terms[name] == pytest.approx(0, abs=1e-6) for name in terms.keys() - {"total", "adversarial"})
    assert terms["total"] == pytest.approx(0.01 * terms["adversarial"], abs=1e-6) and terms["adversarial"] > 0


def test_gradients_reach_what_was_drawn(lpips: LPIPS) -> None:
    drawn, truth, logits = scene([10.0, 10.0, 30.0, 40.0], [NAN] * 4)
    generator_loss(drawn, truth, logits, lpips, WEIGHTS, rng()).total.backward()
    for tensor in (drawn.rgb, drawn.mask, logits):
        assert tensor.grad.isfinite().all() and (tensor.grad != 0).float().mean() > 0.9
    assert truth.image.grad is None


def test_faces_count_more(lpips: LPIPS) -> None:
    def gradient(*faces: list[float]) -> Tensor:
        _, truth, logits = scene(*faces)
        rgb = (truth.image + 0.1).requires_grad_()
        drawn = NeuralRendering(rgb, truth.mask)
        generator_loss(drawn, truth, logits, lpips, replace(WEIGHTS, lpips=0.0), rng()).total.backward()
        return rgb.grad

    with_face, without = gradient([20.0, 20.0, 40.0, 40.0]), gradient(NOBODY)
    # a tenth of the weight, on a sixteenth of the pixels
    torch.testing.assert_close(with_face[..., 22:38, 22:38], without[..., 22:38, 22:38] * 2.6)
    assert torch.equal(with_face[..., 50:, 50:], without[..., 50:, 50:])


def test_without_any_face_the_face_terms_are_zero(lpips: LPIPS) -> None:
    terms = numbers(generator_loss(*scene(NOBODY, [NAN] * 4), lpips, WEIGHTS, rng()))
    assert terms["face_l2"] == terms["face_lpips"] == 0


def test_crops_are_the_same_for_the_same_seed_and_move_otherwise(lpips: LPIPS) -> None:
    drawn, truth, logits = scene(NOBODY, NOBODY)
    values = [
        numbers(generator_loss(drawn, truth, logits, lpips, WEIGHTS, rng(seed)))["lpips"] for seed in (0, 0, 1, 2)
    ]  # fmt: skip
    assert values[0] == values[1] and len(set(values)) == 3


def test_a_crop_is_a_window() -> None:
    y, x = torch.meshgrid(torch.arange(10.0), torch.arange(12.0), indexing="ij")
    images = torch.stack([y, x])[None].repeat(200, 1, 1, 1)
    crops = random_crops(images, 4, rng())
    assert crops.shape == (200, 2, 4, 4)
    corner = crops[:, :, :1, :1]
    assert torch.equal(crops, corner + images[:, :, :4, :4])
    assert {int(v) for v in corner[:, 0]} == set(range(7)) and {int(v) for v in corner[:, 1]} == set(range(9))
    assert torch.equal(random_crops(images, 100, rng()), images)
    assert random_crops(images, 11, rng()).shape == (200, 2, 10, 11)


def test_a_face_is_cut_out_exactly() -> None:
    y, x = torch.meshgrid(torch.arange(300) + 0.5, torch.arange(400) + 0.5, indexing="ij")
    images = torch.stack([x, y])[None].repeat(3, 1, 1, 1)   # a pixel's value is where its centre is
    boxes = torch.tensor([[50.0, 60.0, 50 + FACE_SIDE, 60 + FACE_SIDE], NOBODY, [100.0, 80.0, 140.0, 144.0]])
    faces = crop_faces(images, boxes)
    assert faces.shape == (2, 2, FACE_SIDE, FACE_SIDE)
    torch.testing.assert_close(faces[0], images[0, :, 60 : 60 + FACE_SIDE, 50 : 50 + FACE_SIDE], atol=1e-3, rtol=0)
    half = (torch.arange(FACE_SIDE) + 0.5) / 2   # 40 x 64 becomes 64 x 64, drawn at twice its size
    torch.testing.assert_close(faces[1, 0], (88 + half).expand(FACE_SIDE, -1), atol=1e-3, rtol=0)
    torch.testing.assert_close(faces[1, 1], (80 + half)[:, None].expand(-1, FACE_SIDE), atol=1e-3, rtol=0)
    beyond = crop_faces(images[:1], torch.tensor([[-64.0, 0.0, 64.0, 128.0]]))
    assert (beyond[0, 0, :, :64] == 0.5).all()


def test_mixed_precision_changes_little(lpips: LPIPS) -> None:
    drawn, truth, logits = scene([10.0, 10.0, 30.0, 40.0], NOBODY)
    plain = numbers(generator_loss(drawn, truth, logits, lpips, WEIGHTS, rng()))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = numbers(generator_loss(drawn, truth, logits, lpips, WEIGHTS, rng()))
    assert mixed == pytest.approx(plain, rel=0.02)


def test_numbers_leave_out_what_was_not_computed() -> None:
    one = torch.ones(())
    assert numbers(DiscriminatorTerms(one, one * 2, one * 3, None)) == {"total": 1, "drawn": 2, "photo": 3}
    assert numbers(DiscriminatorTerms(one, one * 2, one * 3, one * 4))["r1"] == 4
