from __future__ import annotations

import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file
from train.packing import SAID, load_tools

from dinar import presets
from dinar.errors import InputError
from dinar.inpainting.diffusion import Sampler, noised
from dinar.inpainting.inpainter import Inpainter
from dinar.networks.appearance import Appearance
from dinar.networks.autoencoder import HUES, Autoencoder
from dinar.presets import TINY
from dinar.texture.islands import Islands
from dinar.train.inpainting import InpaintingStage, LatentSets, encode
from dinar.train.loop import CHECKPOINT, LOG, Options, train


def networks() -> tuple[Appearance, Autoencoder]:
    torch.manual_seed(5)
    builders = (presets.build_encoder, presets.build_generator, presets.build_renderer)
    appearance = Appearance.named("tiny", *(build(TINY).eval() for build in builders))
    autoencoder = presets.build_autoencoder(TINY).eval()
    with torch.no_grad():
        autoencoder.codebook.normal_(0, 0.3)
    return appearance, autoencoder


@pytest.fixture(scope="module")
def path(textures, tmp_path_factory):
    found = tmp_path_factory.mktemp("latents") / "latents.safetensors"
    encode(textures, *networks(), found, variants=2)
    return found


def stage(textures, path) -> InpaintingStage:
    appearance, autoencoder = networks()
    islands = Islands.of(textures.tailor.layout, TINY.generator.size)
    return InpaintingStage(TINY, appearance, autoencoder, LatentSets(path), islands, sampler=Sampler("ddim", 3))


def options(steps: int, **others) -> Options:
    return Options(**{"steps": steps, "batch": 4, "half_life": 64, "save_every": 4, "look_every": 8, "workers": 0}
                   | others)  # fmt: skip


def test_latents_of_all_people_views_and_colours(path) -> None:
    latents = LatentSets(path)
    assert len(latents) == 3 * 4 * 2
    tensors = load_file(path)
    assert tensors["truth"].shape == (24, 9, 8, 8) and tensors["mask"].shape == (24, 1, 8, 8)
    truth = tensors["truth"].float()
    assert truth.mean().abs() < 0.3 and 0.7 < truth.std() < 1.5       # standardised, on islands exactly
    assert not torch.equal(truth[0], truth[4])                        # another colouring of the same person
    assert tensors["mask"].min() >= 0 and tensors["mask"].max() <= 1
    one = latents[3]
    assert one.truth.shape == one.condition.shape == (1, 9, 8, 8) and one.mask.shape == (1, 1, 8, 8)
    assert torch.equal(one.truth, LatentSets(path)[3].truth)
    assert torch.equal(pickle.loads(pickle.dumps(latents))[3].condition, one.condition)


def test_a_truths_latent_is_the_encoders(textures, path) -> None:
    appearance, autoencoder = networks()
    latents = LatentSets(path)
    autoencoder.latent_mean.copy_(latents.scale[0])
    autoencoder.latent_deviation.copy_(latents.scale[1])
    again = path.with_name("again.safetensors")
    encode(textures, appearance, autoencoder, again, variants=2)          # with the scale that it has now
    one, other = load_file(path), load_file(again)
    for name in ("truth", "condition"):
        assert torch.allclose(one[name].float(), other[name].float(), atol=0.02)
    assert torch.equal(one["mean"], other["mean"])


def test_it_learns_goes_on_and_ships(textures, path, tmp_path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(stage(textures, path), whole, options(8)) == 8
    assert train(stage(textures, path), parts, options(4)) == 4
    assert train(stage(textures, path), parts, options(8), resume=True) == 8
    one, other = (load_file(folder / CHECKPOINT) for folder in (whole, parts))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    line = json.loads((whole / LOG).read_text().splitlines()[-1])
    assert {"loss", "examined/loss", "examined/unseen", "examined/plain"} <= set(line)
    assert (whole / "samples" / "0000008.jpg").exists()
    shipped = Inpainter.load(whole / "weights")
    assert shipped.appearance == networks()[0].name
    assert torch.allclose(shipped.autoencoder.latent_mean, LatentSets(path).scale[0], atol=1e-2)


def test_a_denoiser_takes_the_place_of_the_one_that_ships(textures, path, tmp_path, monkeypatch) -> None:
    train(stage(textures, path), tmp_path / "run", options(8))
    trained, folder = Inpainter.load(tmp_path / "run" / "weights"), tmp_path / "weights" / "inpainting"
    torch.manual_seed(7)
    had = Inpainter.named("tiny", trained.appearance, trained.autoencoder, presets.build_denoiser(TINY))
    had.save(folder, {"autoencoder": TINY.autoencoder, "denoiser": TINY.denoiser})
    (folder / "README.md").write_text(f"# {had.name}: autoencoder and denoiser\n", encoding="utf-8")
    tools = load_tools(monkeypatch)
    tools.pack(tmp_path / "run", tmp_path / "weights", stage="denoiser", **SAID)
    found = Inpainter.load(folder)
    assert found.name != had.name and found.appearance == had.appearance and not found.plain
    for name, values in trained.denoiser.state_dict().items():
        assert (found.denoiser.state_dict()[name] - values).abs().max() <= 0.01 * values.abs().max() + 1e-6
    assert (folder / "README.md").read_text(encoding="utf-8").startswith(f"# {found.name}:")
    assert "two people" in (folder / "denoiser" / "README.md").read_text(encoding="utf-8")
    other = presets.build_autoencoder(TINY)
    Inpainter.named("tiny", had.appearance, other, had.denoiser).save(
        tmp_path / "others" / "inpainting", {"autoencoder": TINY.autoencoder, "denoiser": TINY.denoiser}
    )
    with pytest.raises(InputError, match="another autoencoder"):
        tools.pack(tmp_path / "run", tmp_path / "others", stage="denoiser", **SAID)


def test_the_loss_falls(textures, path, tmp_path) -> None:
    train(stage(textures, path), tmp_path / "run", options(60, batch=8, save_every=10, look_every=60))
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run" / LOG).read_text().splitlines()]
    assert losses[-1] < 0.95 * losses[0]


def test_the_loss_is_eq_1s(textures, path) -> None:
    """A denoiser that knows the answer has none; one that says nothing has the noise's variance."""
    found = stage(textures, path)
    batch = found.collate([found.data[k] for k in range(8)])

    def knowing(noisy, condition, mask, step):
        assert torch.equal(condition, batch.condition) and torch.equal(mask, batch.mask)
        kept = noised(torch.ones(8, 1, 1, 1), torch.zeros(8, 1, 1, 1), step)
        return (noisy - kept * batch.truth) / (1 - kept**2).sqrt()

    def silent(noisy, *_):
        return 0 * noisy

    knowing.spread = silent.spread = None
    assert found._loss(knowing, batch, torch.Generator().manual_seed(0)) < 1e-6
    assert found._loss(silent, batch, torch.Generator().manual_seed(0)) == pytest.approx(1, abs=0.1)


def test_a_denoiser_with_a_spread_begins_with_what_it_knows(textures, path) -> None:
    """It is measured where photos show a latent and where not; all that is left to say has deviation 1."""
    found = stage(textures, path)
    denoiser, facts = found.networks["denoiser"], found.data
    hidden, seen = denoiser.spread
    assert hidden.shape == (9, 1, 1) and (seen > 0.1).all() and (hidden < 5).all()
    assert (seen[6:] < hidden[6:]).all()                              # a photo tells tones, where it shows them
    batch = found.collate([facts.at(k) for k in range(len(facts))])
    error = (batch.truth - batch.condition).square()
    told = (batch.shown * w for w in (1 - batch.mask, batch.mask))
    expected = [((error * w).sum((0, 2, 3)) / w.sum()).sqrt() for w in told]
    assert torch.allclose(torch.stack(expected)[..., None, None], denoiser.spread, atol=1e-4)

    def silent(noisy, *_):
        return 0 * noisy

    silent.spread = denoiser.spread
    assert found._loss(silent, batch, torch.Generator().manual_seed(0)) == pytest.approx(1, abs=0.15)


def test_files_that_are_no_latents(path, tmp_path) -> None:
    with pytest.raises(InputError, match="missing"):
        LatentSets(tmp_path / "none")
    (tmp_path / "half").write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged"):
        LatentSets(tmp_path / "half")
    save_file({"truth": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(InputError, match="damaged"):
        LatentSets(tmp_path / "other")


def test_tones_shift_together_and_codes_do_not(path) -> None:
    plain, shifted = LatentSets(path, 3), LatentSets(path, 3, tones=True)
    mean, deviation = (part[6:] for part in plain.scale)
    for position in range(4):
        before, after = plain[position], shifted[position]
        gains = []
        for name in ("truth", "condition"):
            one, other = getattr(before, name), getattr(after, name)
            assert torch.equal(one[:, :6], other[:, :6])
            hues = [t[:, 6:] * deviation + mean for t in (one, other)]
            colours = [torch.einsum("ji,bjyx->biyx", torch.tensor(HUES), t) for t in hues]
            some = colours[0].abs() > 0.2
            assert some.any()
            ratio = torch.where(some, colours[1] / colours[0], torch.nan)[0].flatten(1)
            assert (ratio - ratio.nanmedian(1, keepdim=True).values).abs().nan_to_num(0).max() < 1e-3
            gains.append(ratio.nanmedian(1).values)
        assert torch.allclose(*gains, atol=1e-3) and (gains[0] - 1).abs().max() > 0.01
        assert torch.equal(shifted[position].truth, after.truth)
