from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from train.sets import write_set
from train.test_slimming import appearance

from dinar import presets
from dinar.avatar import Avatar
from dinar.data.dataset import Augmentation
from dinar.errors import InputError
from dinar.inpainting.inpainter import Inpainter
from dinar.presets import TINY, build_detailer
from dinar.texture.layered import front_part
from dinar.train.avatars import avatar_of
from dinar.train.fillings import Fillings, true_colours
from dinar.train.inpainting import LatentSets, encode


def painter() -> Inpainter:
    torch.manual_seed(3)
    autoencoder, denoiser = presets.build_autoencoder(TINY).eval(), presets.build_denoiser(TINY).eval()
    torch.nn.init.normal_(autoencoder.codebook)
    return Inpainter.named("tiny", appearance().name, autoencoder, denoiser)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    return [write_set(tmp_path_factory.mktemp("filled"), people=2, parts=True)]


@pytest.fixture(scope="module")
def cache(places, tmp_path_factory):
    return tmp_path_factory.mktemp("fillings")


def opened(places, cache, **options) -> Fillings:
    options = {"augmentation": None, "turns": 2} | options
    return Fillings(places, cache, TINY, appearance(), painter(), **options)


def test_a_texture_and_its_truth_lie_on_the_same_surface(places, cache) -> None:
    found = opened(places, cache).at(0)
    side = TINY.detailer.size
    assert found.plain.shape == found.painted.shape == found.truth.shape == (1, 3, side, side)
    assert 0.05 < found.known.mean() < 0.5 and 0.05 < found.shown.mean() < 0.7
    both = found.known * found.shown > 0.5
    assert (found.plain - found.truth).abs().mean(1, keepdim=True)[both].mean() < 0.06
    unseen = (found.shown * (1 - found.known) > 0.5).float()
    assert unseen.sum() > 0.02 * side**2
    assert ((found.painted - found.plain).abs() * unseen).sum() > 0


def test_latents_are_made_of_fillings(places, cache, tmp_path) -> None:
    """The truth is the photo where that was seen, and what is filled where no view shows anything."""
    some = opened(places, cache)
    truth, photo = some.dressed(0)
    side, size = TINY.colour_size, TINY.generator.size
    assert truth.painted.shape == photo.painted.shape == (3, side, side)
    assert truth.generated.shape == photo.generated.shape == (16, size, size)
    assert (truth.masks >= photo.masks).float().mean() > 0.99 and 0.1 < photo.masks[1].float().mean() < 0.6
    never = front_part(some.at(0).shown)[0] == 0
    assert torch.equal(*(one.painted[never.expand(3, -1, -1)] for one in (truth, photo)))
    assert (truth.painted != photo.painted).float().mean() > 0.05
    assert 0 < (truth.generated - photo.generated).abs().mean() < photo.generated.abs().mean()
    encode(some, appearance(), painter().autoencoder, tmp_path / "latents.safetensors")
    found = LatentSets(tmp_path / "latents.safetensors")
    assert len(found) == len(some) and found.at(0).mask.mean() > 0.05


def test_the_truth_is_what_views_show(places, cache) -> None:
    """Seen by one view alone the truth is what that view shows; by more there is more of it."""
    some = opened(places, cache)
    views = [some.people.view(0, k) for k in range(4)]
    avatar: Avatar = avatar_of(views[0], some.tailor, some.appearance)[0]
    one, shown = true_colours(avatar, views[:1])
    seen = avatar.texture.sampled[0] > 0
    assert torch.equal(shown > 0, seen)
    assert (one - avatar.texture.rgb[0]).abs()[seen.expand_as(one)].max() < 1e-4
    assert true_colours(avatar, views)[1].sum() > 1.2 * shown.sum()


def test_each_lesson_has_its_own_colours(places, cache) -> None:
    some = opened(places, cache, gain=0.3)
    rounds = [some[k] for k in range(2 * len(some))]
    assert torch.equal(rounds[0].truth, opened(places, cache, gain=0.3)[0].truth)
    plain = [some.at(k) for k in range(len(some))]
    for lesson in rounds:
        one = next(one for one in plain if torch.equal(one.known, lesson.known))
        dark = (one.truth > 0.05) & (one.truth < 0.4) & (lesson.truth < 1)
        ratio = lesson.truth / one.truth.clamp(min=1e-3)
        spread = [ratio[:, k][dark[:, k]] for k in range(3)]
        assert all(part.std() < 1e-3 for part in spread) and max(abs(part.mean() - 1) for part in spread) > 0.01


def test_patterns_lie_on_clothes_of_all_colours_alike(places, cache) -> None:
    some, bare = opened(places, cache, patterned=1.0), opened(places, cache)
    one, plain = some[0], bare[0]
    assert torch.equal(one.known, plain.known) and torch.equal(one.shown, plain.shown)
    changed = [(getattr(one, name) != getattr(plain, name)).any(1)[0] for name in ("plain", "painted", "truth")]
    assert all(0.05 < part.float().mean() < 0.6 for part in changed)
    _, clothes = some._clothes
    assert not any(part[clothes == 0].any() for part in changed) and 0.1 < clothes.mean() < 0.8
    assert torch.equal(bare[0].truth, opened(places, cache, patterned=0.0)[0].truth)


def test_a_detailer_of_the_painter_is_not_asked(places, cache) -> None:
    torch.manual_seed(0)
    detailer = build_detailer(TINY)
    with_one = painter().detailed(detailer)
    assert with_one.name != painter().name
    some = Fillings(places, cache, TINY, appearance(), with_one, augmentation=None)     # the same folder goes
    assert some.inpainter.detailer is None and some.inpainter.name == painter().name


def test_who_is_ready(places, tmp_path) -> None:
    with pytest.raises(InputError, match="nobody"):
        opened(places, tmp_path, ready=True)
    opened(places, tmp_path).prepare(2)          # the first person's second view
    found = opened(places, tmp_path, ready=True)
    assert found.members == [(0, 1)] and len(found) == 1


def test_other_people_s_folder_is_refused(places, cache) -> None:
    opened(places, cache)
    with pytest.raises(InputError, match="others have filled"):
        opened(places, cache, augmentation=Augmentation())


def test_a_damaged_file_is_named(places, tmp_path) -> None:
    some = opened(places, tmp_path)
    path = some.prepare(0)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="is damaged; remove it"):
        some.at(0)


def test_a_worn_photo_is_the_same_each_time(places, tmp_path) -> None:
    files = []
    for name in ("one", "other"):
        some = opened(places, tmp_path / name, augmentation=Augmentation(), most=1)
        files.append(some.prepare(0).read_bytes())
    assert files[0] == files[1]
    assert replace(some[0]).truth.max() <= 1
