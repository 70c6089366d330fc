from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dinar import painting, pipeline, presets, texturing
from dinar.avatar import Avatar, composed
from dinar.body.model import Body
from dinar.camera import Camera
from dinar.errors import InputError
from dinar.fit.fit import Fit
from dinar.inpainting.inpainter import Inpainter
from dinar.networks.appearance import Appearance
from dinar.perceptual.alexnet import AlexNet
from dinar.perceptual.lpips import LPIPS
from dinar.photo.landmarks import Landmarks
from dinar.photo.photo import Photo
from dinar.pipeline import Source
from dinar.progress import Progress
from dinar.texture.filling import Filler
from dinar.texture.islands import part_texels

PLAIN = {"renderer": "texture", "refine": "none"}
NOBODY = Landmarks((), torch.zeros(0, 2), torch.zeros(0), torch.zeros(0, 3))


def taken(avatar: Avatar, azimuth: float, reprojection: float = 1.0) -> tuple[Photo, Fit]:
    """A photo of the avatar at rest, on green, and the fit that explains it exactly."""
    side = 256
    camera = avatar.camera(azimuth, (side, side))
    drawn = avatar.render(camera)
    image = composed(drawn, torch.tensor([0.0, 1.0, 0.0]))
    photo = Photo(image, drawn.mask[0], NOBODY, None, (300, 200), (-28.0, 22.0, 1.0))
    return photo, Fit(avatar.standing(), camera, reprojection, 0.9, ())


@pytest.fixture
def staged(avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Perception and fit replaced by what is known; returns the log of calls."""
    log: list[str] = []
    views = {"front.png": taken(avatar, 0.0, 1.0), "back.png": taken(avatar, 180.0, 2.0)}

    def look(path: Path, **options: object) -> Photo:
        log.append(f"look {path.name} {options['person']}")
        return views[path.name][0]

    def fit(photos: list[Photo], model: object, *, progress: object) -> list[Fit]:
        log.append(f"fit {len(photos)}")
        progress(0.5)
        return [next(f for p, f in views.values() if p.image is photo.image) for photo in photos]

    monkeypatch.setattr(pipeline, "look", look)
    monkeypatch.setattr(pipeline, "fit", fit)
    monkeypatch.setattr(pipeline, "shipped_parser", lambda: None)     # these pictures show nobody that it knows
    return log


def test_a_photos_colours_come_back(avatar: Avatar) -> None:
    photo, found = taken(avatar, 0.0)
    texture = texturing.texture_of(photo, found, avatar.model, avatar.layout, size=64)
    seen = (texture.sampled * (texture.frontality > 0.5))[0] > 0
    assert seen.float().mean() > 0.1
    error = (texture.rgb[0] - avatar.painted).abs().amax(0, keepdim=True)[seen]
    assert error.median() < 0.02
    green = texture.rgb[0, 1] - texture.rgb[0, [0, 2]].amax(0)
    assert green.max() < 0.3                       # nothing of the background
    painted = Filler.of(avatar.model, avatar.layout, 64)(texture)[0]
    assert painted.shape == (3, 64, 64) and (painted.amax(0) > 0.2).all()      # no holes


def test_the_stages_in_their_order(staged: list[str]) -> None:
    progress = Progress()
    found = pipeline.create([Path("front.png")], progress=progress, **PLAIN)
    assert staged == ["look front.png None", "fit 1"]
    assert list(progress.seconds) == ["look", "fit", "dress", "texture", "fill"]
    assert found.weights is None and found.renderer is None and found.texture.generated is None
    assert found.shots[0].reprojection == 1.0 and found.shots[0].camera.size == (300, 200)
    front = found.view("front", (64, 64))
    red = (front.rgb * front.mask).sum((2, 3)) / front.mask.sum()
    assert red[0, 0] > 0.6


def test_several_photos_are_merged(staged: list[str]) -> None:
    found = pipeline.create([Source(Path("front.png"), person=2), "back.png"], **PLAIN)
    assert staged == ["look front.png 2", "look back.png None", "fit 2"]
    assert [shot.reprojection for shot in found.shots] == [1.0, 2.0]
    back = found.view("back", (64, 64))
    blue = (back.rgb * back.mask).sum((2, 3)) / back.mask.sum()
    assert blue[0, 2] > 0.6


def test_the_order_of_photos_does_not_matter(staged: list[str]) -> None:
    one, other = (pipeline.create(order, **PLAIN) for order in (["front.png", "back.png"], ["back.png", "front.png"]))
    assert torch.allclose(one.painted, other.painted, atol=1e-4)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few large steps of refinement, judged by a network that has learnt nothing."""
    how = replace(presets.TINY.refinement, learning_rate=1e-2, steps=6)
    monkeypatch.setattr(presets, "SMALL", replace(presets.TINY, refinement=how))

    def metric(*_: object) -> LPIPS:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return LPIPS(AlexNet())

    monkeypatch.setattr(pipeline, "load_lpips", metric)


@pytest.mark.usefixtures("quick")
def test_networks_make_and_draw_the_avatar(staged: list[str], appearance: Appearance) -> None:
    progress = Progress()
    found = pipeline.create(["front.png"], appearance=appearance, progress=progress)
    assert list(progress.seconds) == ["look", "fit", "dress", "texture", "fill", "refine"]
    assert found.weights == appearance.name and found.renderer is not None
    assert found.texture.generated.shape == (1, 16, 32, 32)
    photo = taken(found.drawn_by("texture"), 0.0)[0]
    wanted = appearance.generated(photo.image[None], photo.mask[None])
    assert found.texture.generated.std() > 0 and wanted.shape == found.texture.generated.shape


@pytest.mark.usefixtures("quick", "staged")
@pytest.mark.parametrize("renderer", ["neural", "texture"])
def test_refinement_brings_the_same_view_closer(avatar: Avatar, appearance: Appearance, renderer: str) -> None:
    photo, found = taken(avatar, 0.0)
    errors, textures, painted = [], [], []
    for refine in ("none", "residuals", "paper"):
        made = pipeline.create(["front.png"], renderer=renderer, refine=refine, appearance=appearance)
        drawn = made.render(found.camera)
        errors.append(float((drawn.over(0.0)[0] - photo.image * photo.mask).square().mean()))
        textures.append(made.texture)
        painted.append(made.painted)
    assert errors[1] < errors[0]           # what the paper's steps gain takes more of them: test_refinement
    unseen = (textures[0].filled == 0).expand_as(textures[0].rgb)
    for texture in textures[1:]:
        assert torch.equal(textures[0].rgb[unseen], texture.rgb[unseen])
        assert not torch.equal(textures[0].rgb, texture.rgb)
    again = pipeline.create(["front.png"], renderer=renderer, appearance=appearance)
    assert torch.equal(again.painted, painted[1])


@pytest.mark.usefixtures("quick", "staged")
def test_several_photos_through_the_networks(appearance: Appearance) -> None:
    found = pipeline.create(["front.png", "back.png"], appearance=appearance)
    colours = {}
    for name in ("front", "back"):
        drawn = found.view(name, (330, 330))
        colours[name] = (drawn.rgb * drawn.mask).sum((2, 3))[0] / drawn.mask.sum()
    assert colours["front"][0] > 0.5 and colours["back"][2] > 0.5


@pytest.fixture
def inpainter(appearance: Appearance) -> Inpainter:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        autoencoder = presets.build_autoencoder(presets.TINY).eval()
        denoiser = presets.build_denoiser(presets.TINY).eval()
        torch.nn.init.normal_(autoencoder.codebook)
    return Inpainter.named("tiny", appearance.name, autoencoder, denoiser)


def same_where_seen(one: Avatar, other: Avatar) -> bool:
    seen = (one.texture.frontality > 0).expand_as(one.texture.rgb)
    return torch.equal(one.texture.frontality, other.texture.frontality) and torch.equal(
        one.texture.rgb[seen], other.texture.rgb[seen]
    )


@pytest.mark.usefixtures("quick", "staged")
def test_what_no_photo_shows_is_painted(appearance: Appearance, inpainter: Inpainter) -> None:
    progress = Progress()
    options = {"appearance": appearance, "inpainter": inpainter}
    start = time.perf_counter()
    one, two = pipeline.create_several(["front.png"], (4, 5), progress=progress, **options)
    assert sum(progress.seconds.values()) <= time.perf_counter() - start               # no stage counts twice
    assert list(progress.seconds) == ["look", "fit", "dress", "texture", "fill", "refine", "inpaint"]
    plain = pipeline.create(["front.png"], inpaint=False, seed=4, **options)
    seen = (plain.texture.frontality > 0).expand_as(plain.texture.rgb)     # alike, but each is refined once more
    for person in (one, two):
        assert torch.equal(person.texture.frontality, plain.texture.frontality)
        assert (person.texture.rgb - plain.texture.rgb)[seen].abs().mean() < 0.02
    painted = (one.texture.filled > 0) & (one.texture.frontality == 0)
    assert painted.float().mean() > 0.1 and not plain.texture.filled[painted].any()
    unseen = (plain.texture.filled == 0)[0].expand_as(plain.painted)
    assert not torch.equal(one.painted[unseen], plain.painted[unseen])
    assert not torch.equal(one.painted[unseen], two.painted[unseen])          # another seed, another back
    again = pipeline.create(["front.png"], seed=4, **options)
    assert torch.equal(again.painted, one.painted) and torch.equal(again.texture.generated, one.texture.generated)


@pytest.mark.usefixtures("quick", "staged")
def test_a_painting_is_painted_anew(tmp_path: Path, appearance: Appearance, inpainter: Inpainter) -> None:
    made = pipeline.create(["front.png"], refine="none", appearance=appearance, inpainter=inpainter)
    made.save(tmp_path / "made")
    kept = replace(Avatar.load(tmp_path / "made"), renderer=made.renderer)
    found = painting.inpainted(kept, inpainter, seed=7)
    assert same_where_seen(kept, found) and not torch.equal(kept.painted, found.painted)
    head = painting.inpainted(kept, inpainter, seed=7, parts=["head"])
    region = part_texels(kept.layout, kept.model, ["head"], 512)
    hole = (region > 0) & (kept.texture.frontality == 0)
    assert hole.any() and not torch.equal(head.texture.rgb[hole.expand_as(head.texture.rgb)],
                                          kept.texture.rgb[hole.expand_as(kept.texture.rgb)])  # fmt: skip
    others = ~hole.expand_as(kept.texture.rgb)
    assert torch.equal(head.texture.rgb[others], kept.texture.rgb[others])
    with pytest.raises(InputError, match="no part called tail"):
        painting.inpainted(kept, inpainter, parts=["tail"])


@pytest.mark.usefixtures("quick")
def test_weights_that_do_not_go_together(
    staged: list[str], appearance: Appearance, inpainter: Inpainter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = replace(inpainter, appearance="small-12345678")
    with pytest.raises(InputError, match="small-12345678"):
        pipeline.create(["front.png"], appearance=appearance, inpainter=other)
    with pytest.raises(InputError, match="several backs"):
        pipeline.create_several(["front.png"], (0, 1), appearance=appearance)
    assert "fit 1" not in staged                                              # before the long work
    monkeypatch.setattr(pipeline.inpainting, "_shelf", lambda: tmp_path / "shelf")
    configs = {part: getattr(presets.TINY, part) for part in ("autoencoder", "denoiser")}
    inpainter.save(tmp_path / "shelf", configs)
    pipeline.inpainting.shipped.cache_clear()
    found = pipeline.create(["front.png"], refine="none", appearance=appearance)
    assert ((found.texture.filled > 0) & (found.texture.frontality == 0)).any()
    pipeline.inpainting.shipped.cache_clear()


def test_weights_that_are_missing_are_missed_before_the_work(
    staged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Appearance:
        raise InputError("no trained weights")

    monkeypatch.setattr(pipeline, "shipped", missing)
    with pytest.raises(InputError, match="no trained weights"):
        pipeline.create(["front.png"], refine="none")
    assert staged == []


def test_no_photos() -> None:
    with pytest.raises(InputError, match="at least one"):
        pipeline.create([])


def test_a_shot_is_in_the_frame_of_the_whole_photo(avatar: Avatar) -> None:
    photo, found = taken(avatar, 20.0)
    photo = replace(photo, window=(40.0, -30.0, 0.8), source_size=(400, 600))
    shot = pipeline._shot(photo, found)
    assert shot.camera.size == (400, 600) and isinstance(shot.camera, Camera)
    body = Body(avatar.shape[None], shot.pose[None], shot.expression[None], shot.translation[None])
    points = avatar.model(body).vertices[0]
    crop, whole = found.camera.project(points)[:, :2], shot.camera.project(points)[:, :2]
    assert torch.allclose((whole - torch.tensor([40.0, -30.0])) * 0.8, crop, atol=1e-2)
