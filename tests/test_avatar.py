from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from safetensors import torch as safetensors
from torch import Tensor

from dinar import images
from dinar.avatar import MARKER, PREVIEW, TEXTURE, VIEWS, Avatar, composed
from dinar.body.layers import wearing
from dinar.body.model import Body
from dinar.body.uv import load_layout
from dinar.errors import InputError
from dinar.motion import retarget
from dinar.motion.motion import Motion
from dinar.networks.appearance import Appearance
from dinar.texture.neural_texture import NeuralTexture

WHITE = torch.ones(3)


def mean_colour(rendering: Any) -> Tensor:
    rgb, mask = rendering.rgb[0], rendering.mask[0]
    return (rgb * mask).sum((1, 2)) / mask.sum()


def overlap(a: Tensor, b: Tensor) -> float:
    a, b = a > 0.5, b > 0.5
    return float((a & b).sum() / (a | b).sum())


def box(mask: Tensor) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) free pixels around a mask [1, H, W]."""
    rows, columns = (mask[0] > 0.5).any(1).nonzero()[:, 0], (mask[0] > 0.5).any(0).nonzero()[:, 0]
    h, w = mask.shape[1:]
    return int(rows[0]), h - 1 - int(rows[-1]), int(columns[0]), w - 1 - int(columns[-1])


def turn_and_walk(frames: int) -> Motion:
    """Five metres to the person's left without moving a limb."""
    hips = torch.stack([torch.linspace(0, 5, frames), torch.ones(frames), torch.zeros(frames)], dim=1)
    return Motion(("hips",), torch.zeros(frames, 1, 3), hips, 30.0)


# Drawing


def test_the_sides_of_a_person(avatar: Avatar) -> None:
    views = {name: avatar.view(name, (160, 128)) for name in VIEWS}
    assert mean_colour(views["front"])[0] > 0.8 and mean_colour(views["back"])[2] > 0.8
    assert overlap(views["front"].mask[0], views["back"].mask[0].flip(-1)) > 0.8
    assert overlap(views["left"].mask[0], views["right"].mask[0].flip(-1)) > 0.97
    assert overlap(views["left"].mask[0], views["front"].mask[0]) < 0.7
    red, blue = (views["left"].rgb[0, c] > 0.5 for c in (0, 2))      # seen from their left, people look to our left
    assert red.nonzero()[:, 1].float().mean() + 5 < blue.nonzero()[:, 1].float().mean()


@pytest.mark.parametrize("size", [(200, 90), (90, 200)])
def test_the_whole_body_is_in_view(avatar: Avatar, size: tuple[int, int]) -> None:
    for name in VIEWS:
        assert min(box(avatar.view(name, size).mask[0])) >= 3


def test_the_photo_view_is_the_photos(avatar: Avatar) -> None:
    drawn = avatar.view("photo")
    assert drawn.mask.shape == (1, 1, 97, 61)
    shot = avatar.shots[0]
    body = replace(
        avatar.standing(), pose=shot.pose[None], translation=shot.translation[None], expression=shot.expression[None]
    )
    assert torch.equal(drawn.rgb, avatar.render(shot.camera, body).rgb)
    assert avatar.view("photo", (194, 122)).mask.shape == (1, 1, 194, 122)


def test_no_photo_no_photo_view(avatar: Avatar) -> None:
    with pytest.raises(InputError, match="no photo view"):
        replace(avatar, shots=()).view("photo")


def test_a_turntable_goes_once_around_at_one_distance(avatar: Avatar) -> None:
    turns = list(avatar.turntable(8, (160, 128)))
    assert mean_colour(turns[0])[0] > 0.8 and mean_colour(turns[4])[2] > 0.8
    left = avatar.view("left", (160, 128)).mask[0]
    assert overlap(_trimmed(turns[2].mask[0]), _trimmed(left)) > 0.8
    for turn in turns:
        assert min(box(turn.mask[0])) >= 5
    heights = [160 - sum(box(turn.mask[0])[:2]) for turn in turns]
    assert max(heights) - min(heights) <= 6


def _trimmed(mask: Tensor) -> Tensor:
    """The mask's box at a size of its own, so that different distances compare."""
    top, bottom, left, right = box(mask)
    h, w = mask.shape[1:]
    return images.resize(mask[:, top : h - bottom, left : w - right], (64, 64))


def test_the_camera_follows_a_moving_person(avatar: Avatar) -> None:
    frames = list(avatar.moving(turn_and_walk(24), (96, 96)))
    assert len(frames) == 24
    for frame in frames:
        free = box(frame.mask[0])
        assert min(free) >= 1 and abs(free[2] - free[3]) <= 8
        assert mean_colour(frame)[0] > 0.6


def test_a_single_frame_can_be_drawn(avatar: Avatar) -> None:
    assert len(list(avatar.moving(turn_and_walk(1), (32, 32)))) == 1


def test_a_video_has_the_motions_frames(avatar: Avatar, tmp_path: Path) -> None:
    avatar.animate(turn_and_walk(12), tmp_path / "a.mp4", size=(64, 48), fps=15, background=WHITE)
    with av.open(str(tmp_path / "a.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        assert video.streams.video[0].average_rate == 15
    assert len(frames) == 6 and frames[0].shape == (64, 48, 3)
    assert frames[0][0, 0].min() > 245 and frames[0].min() < 128
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_composed(avatar: Avatar) -> None:
    drawn = avatar.view("front", (40, 40))
    green = composed(drawn, torch.tensor([0.0, 1.0, 0.0]))
    assert green.shape == (3, 40, 40) and torch.allclose(green[:, 0, 0], torch.tensor([0.0, 1.0, 0.0]))
    clear = composed(drawn, None)
    assert clear.shape == (4, 40, 40) and clear[3, 0, 0] == 0 and clear[3].max() == 1


# Drawing by networks


@pytest.fixture
def neural(avatar: Avatar, appearance: Appearance) -> Avatar:
    """The same person with generated channels, drawn by tiny networks that have learnt nothing."""
    channels = torch.randn(1, 16, 32, 32, generator=torch.Generator().manual_seed(1))
    texture = replace(avatar.texture, generated=channels)
    return replace(avatar, texture=texture, weights=appearance.name, renderer=appearance.renderer)


def test_the_network_draws(avatar: Avatar, neural: Avatar) -> None:
    drawn, plain = neural.view("front", (384, 320)), avatar.view("front", (384, 320))
    assert drawn.rgb.shape == plain.rgb.shape and drawn.mask.shape == plain.mask.shape
    assert overlap(drawn.mask, plain.mask) > 0.9 and mean_colour(drawn)[0] > 0.5
    assert not torch.equal(drawn.rgb, plain.rgb)
    assert (drawn.mask - plain.mask).abs().max() > 0.01                  # the mask is the network's, not the body's
    assert torch.equal(composed(drawn, None)[3], drawn.mask[0, 0])        # and so is the transparency
    assert torch.equal(neural.drawn_by("texture").view("front", (384, 320)).rgb, plain.rgb)
    assert neural.drawn_by("neural") is neural


@pytest.mark.parametrize("size", [(24, 17), (60, 200), (2100, 900)])
def test_the_network_draws_in_any_size(avatar: Avatar, neural: Avatar, size: tuple[int, int]) -> None:
    drawn, plain = neural.view("front", size), avatar.view("front", size)
    assert drawn.rgb.shape == (1, 3, *size) and drawn.mask.shape == (1, 1, *size)
    assert drawn.rgb.min() >= 0 and drawn.rgb.max() <= 1 and drawn.mask.min() >= 0 and drawn.mask.max() <= 1
    assert overlap(drawn.mask, plain.mask) > 0.8 and drawn.mask[..., 0, 0].max() < 0.01


def test_a_batch_is_drawn_one_by_one(neural: Avatar) -> None:
    body = neural.standing()
    both = replace(body, **{name: getattr(body, name).repeat(2, *[1] * (getattr(body, name).ndim - 1))
                            for name in ("shape", "pose", "expression", "translation")})  # fmt: skip
    camera = neural.camera(30.0, (330, 330))
    drawn = neural.render(camera, both)
    assert torch.equal(drawn.rgb[0], drawn.rgb[1])
    assert (drawn.mask[0] - neural.render(camera).mask[0]).abs().mean() < 1e-4


@pytest.mark.parametrize("arm", ["leftUpperArm", "rightUpperArm"])
def test_what_stands_still_does_not_flicker(neural: Avatar, arm: str) -> None:
    """An arm that moves changes how wide the drawn part of the image is; the feet, far off, must not notice."""
    body, camera = neural.standing(), neural.camera(0.0, (512, 512))
    still, pose = neural.render(camera), body.pose.clone()
    for angle in (-0.3, 0.3):
        pose[0, neural.model.humanoid[arm], 2] = angle
        moved = neural.render(camera, replace(body, pose=pose))
        assert (moved.mask - still.mask).abs()[..., :300, :].max() > 0.5
        change = (moved.rgb * moved.mask - still.rgb * still.mask).abs()[..., 400:, :]
        assert change.max() < 0.02 and change.mean() < 1e-5


def test_clips_are_drawn_by_the_network(neural: Avatar) -> None:
    frames = [*neural.moving(turn_and_walk(3), (96, 96)), *neural.turntable(3, (96, 96))]
    assert [frame.rgb.shape for frame in frames] == [(1, 3, 96, 96)] * 6
    for frame in frames:
        assert frame.mask.max() > 0.9 and frame.mask[..., 0, 0] < 0.01


def test_colours_can_be_tried_on(avatar: Avatar, neural: Avatar) -> None:
    vertices, camera = avatar.model(avatar.standing()).vertices, avatar.camera(0.0, (96, 96))
    for person in (avatar, neural):
        green = torch.zeros_like(person.painted)[None] + torch.tensor([0.1, 0.8, 0.1])[:, None, None]
        green.requires_grad_()
        drawn = person.drawn(green, vertices.detach(), camera)
        assert mean_colour(drawn)[1] > mean_colour(drawn)[0] + 0.2
        drawn.rgb.sum().backward()
        assert green.grad.abs().sum() > 0


def test_the_weights_of_its_name_draw_it(
    avatar: Avatar, neural: Avatar, appearance: Appearance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    neural.save(tmp_path / "me")
    avatar.save(tmp_path / "plain")
    monkeypatch.setattr("dinar.avatar.known.shipped", lambda: appearance)
    found = Avatar.load(tmp_path / "me")
    assert found.renderer is appearance.renderer and Avatar.load(tmp_path / "plain").renderer is None
    a, b = found.view("front", (330, 250)), neural.view("front", (330, 250))
    torch.testing.assert_close(a.rgb * a.mask, b.rgb * b.mask, atol=0.02, rtol=0)     # saved in half precision
    plain = found.drawn_by("texture")
    assert plain.renderer is None and plain.drawn_by("neural").renderer is not None
    with pytest.raises(InputError, match="make it again"):
        avatar.drawn_by("neural")
    monkeypatch.setattr("dinar.avatar.known.shipped", lambda: replace(appearance, name="small-00000000"))
    found = Avatar.load(tmp_path / "me")
    assert found.renderer is None and found.weights == appearance.name
    with pytest.raises(InputError, match=appearance.name):
        found.drawn_by("neural")


def test_a_renderer_that_follows_draws_it_as_well(
    neural: Avatar, appearance: Appearance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    neural.save(tmp_path / "me")
    later = replace(appearance, name="later", follows=(appearance.name,))
    monkeypatch.setattr("dinar.avatar.known.shipped", lambda: later)
    assert Avatar.load(tmp_path / "me").renderer is later.renderer


def test_no_weights_in_the_package(neural: Avatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Appearance:
        raise InputError("no weights")

    neural.save(tmp_path / "me")
    monkeypatch.setattr("dinar.avatar.known.shipped", missing)
    assert Avatar.load(tmp_path / "me").renderer is None


# Files


@pytest.mark.parametrize("name", ["me", "me.zip"])
@pytest.mark.parametrize("generated", [False, True])
def test_what_is_saved_is_loaded(avatar: Avatar, tmp_path: Path, name: str, generated: bool) -> None:
    if generated:
        channels = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(1))
        avatar = replace(avatar, texture=replace(avatar.texture, generated=channels), weights="small")
    coat = torch.full_like(avatar.model.template, 0.015625)     # half precision knows this number
    avatar = replace(avatar, model=avatar.model.moved(coat))
    avatar.save(tmp_path / name)
    found = Avatar.load(tmp_path / name)
    assert os.listdir(tmp_path) == [name]
    for part in ("rgb", "frontality", "sampled", "filled", "generated"):
        before, after = getattr(avatar.texture, part), getattr(found.texture, part)
        assert (before is None) == (after is None)
        if before is not None:
            tolerance = 0 if part in ("sampled", "filled") else 2**-10     # half precision of numbers up to 4
            assert after.dtype == torch.float32 and (after - before).abs().max() <= tolerance
    assert (found.painted - avatar.painted).abs().max() <= 2**-11
    assert torch.equal(found.shape, avatar.shape)
    assert torch.equal(found.model.template, avatar.model.template) and torch.equal(found.model.offsets, coat)
    assert (found.model.name, found.layout.name, found.weights) == ("open", avatar.layout.name, avatar.weights)
    before, after = avatar.shots[0], found.shots[0]
    assert torch.equal(before.pose, after.pose) and torch.equal(before.translation, after.translation)
    assert torch.equal(before.camera.K, after.camera.K) and torch.equal(before.camera.R, after.camera.R)
    assert torch.equal(before.camera.t, after.camera.t) and before.camera.size == after.camera.size
    assert (after.reprojection, after.mask_iou, after.unseen) == (0.5, 0.875, ("left foot",))
    assert torch.equal(found.view("photo").mask, avatar.view("photo").mask)


def test_the_files_of_an_avatar(avatar: Avatar, tmp_path: Path) -> None:
    avatar.save(tmp_path / "me")
    assert sorted(os.listdir(tmp_path / "me")) == [MARKER, PREVIEW, TEXTURE]
    assert images.load(tmp_path / "me" / PREVIEW).shape == (3, 512, 512)
    assert {os.stat(tmp_path / "me" / name).st_mode & 0o777 for name in (MARKER, PREVIEW, TEXTURE)} == {0o644}
    found = json.loads((tmp_path / "me" / MARKER).read_text())
    assert found["format"] == 2 and found["body"] == "open"
    for name in ("a.zip", "b.zip"):
        avatar.save(tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_saving_replaces_an_avatar_but_nothing_else(avatar: Avatar, tmp_path: Path) -> None:
    for _ in range(2):
        avatar.save(tmp_path / "me")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("")
    with pytest.raises(InputError, match="holds other files"):
        avatar.save(tmp_path / "letters")
    assert sorted(os.listdir(tmp_path)) == ["letters", "me"]


def test_an_interrupted_save_leaves_the_old_avatar(
    avatar: Avatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("me", "me.zip"):
        avatar.save(tmp_path / name)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(images, "save", interrupted)
    for name in ("me", "me.zip", "new", "new.zip"):
        with pytest.raises(KeyboardInterrupt):
            replace(avatar, weights="other").save(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["me", "me.zip"]
    assert Avatar.load(tmp_path / "me").weights is None and Avatar.load(tmp_path / "me.zip").weights is None


def described(change: Callable[[dict], Any]) -> Callable[[Path], None]:
    """Damage to avatar.json: its dictionary changed in place, or replaced by what `change` returns."""

    def damage(folder: Path) -> None:
        found = json.loads((folder / MARKER).read_text())
        replaced = change(found)
        (folder / MARKER).write_text(json.dumps(found if replaced is None else replaced))

    return damage


def stored(change: Callable[[dict[str, Tensor]], Any]) -> Callable[[Path], None]:
    """Damage to the texture: its tensors changed in place."""

    def damage(folder: Path) -> None:
        tensors = safetensors.load_file(folder / TEXTURE)
        change(tensors)
        safetensors.save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / TEXTURE)

    return damage


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no json": (lambda f: (f / MARKER).unlink(), "has no avatar.json"),
    "no texture": (lambda f: (f / TEXTURE).unlink(), "has no texture.safetensors"),
    "garbled json": (lambda f: (f / MARKER).write_text('{"format": 2'), "no JSON"),
    "binary json": (lambda f: (f / MARKER).write_bytes(b"\xff\xfe\x00"), "no JSON"),
    "deep json": (lambda f: (f / MARKER).write_text("[" * 200_000), "no JSON"),
    "a list": (described(lambda d: [1]), "says no format"),
    "no format": (described(lambda d: d.pop("format") and None), "says no format"),
    "newer": (described(lambda d: d.update(format=3, program="dinar 9")), r"format 3 \(of dinar 9\)"),
    "another body": (described(lambda d: d.update(body="giraffe")), "giraffe"),
    "another layout": (described(lambda d: d.update(layout="nonsense")), "nonsense"),
    "no layout": (described(lambda d: d.pop("layout") and None), "layout"),
    "layout as a path": (described(lambda d: d.update(layout="../../x")), "layout"),
    "short shape": (described(lambda d: d.update(shape=d["shape"][:3])), "'shape'"),
    "shape in words": (described(lambda d: d.update(shape="tall")), "'shape'"),
    "shape not finite": (described(lambda d: d["shape"].__setitem__(0, float("nan"))), "'shape'"),
    "shape too large": (described(lambda d: d["shape"].__setitem__(0, 1e60)), "'shape'"),
    "no shape": (described(lambda d: d.pop("shape") and None), "'shape'"),
    "weights as a number": (described(lambda d: d.update(weights=3)), "'weights'"),
    "shots as a number": (described(lambda d: d.update(shots=3)), "'shots'"),
    "empty shot": (described(lambda d: d.update(shots=[{}])), "camera"),
    "shot's pose": (described(lambda d: d["shots"][0].update(pose=[[0, 0, 0]])), "'pose'"),
    "shot's camera": (described(lambda d: d["shots"][0]["camera"].pop("K") and None), "'K'"),
    "shot's size": (described(lambda d: d["shots"][0]["camera"].update(size=[0, 5])), "'size'"),
    "huge shot": (described(lambda d: d["shots"][0]["camera"].update(size=[10**9, 5])), "'size'"),
    "shot's limbs": (described(lambda d: d["shots"][0].update(unseen=[3])), "'unseen'"),
    "cut short": (lambda f: (f / TEXTURE).write_bytes((f / TEXTURE).read_bytes()[:-100]), "cannot be read"),
    "empty texture": (lambda f: (f / TEXTURE).write_bytes(b""), "cannot be read"),
    "pickled": (lambda f: (f / TEXTURE).write_bytes(pickle.dumps({"rgb": [1]})), "cannot be read"),
    "no rgb": (stored(lambda t: t.pop("rgb")), "'rgb'"),
    "flat rgb": (stored(lambda t: t.update(rgb=t["rgb"][0])), "'rgb'"),
    "oblong": (stored(lambda t: t.update(rgb=t["rgb"][:, :7])), "'rgb'"),
    "scalar": (stored(lambda t: t.update(rgb=torch.tensor(1.0))), "'rgb'"),
    "smaller mask": (stored(lambda t: t.update(sampled=t["sampled"][:, :8, :8])), "'sampled'"),
    "not finite": (stored(lambda t: t["painted"].__setitem__((0, 0, 0), torch.inf)), "'painted'"),
    "no outline": (stored(lambda t: t.pop("offsets")), "'offsets'"),
    "short outline": (stored(lambda t: t.update(offsets=t["offsets"][:9])), "'offsets'"),
    "endless outline": (stored(lambda t: t["offsets"].__setitem__((0, 0), torch.inf)), "'offsets'"),
    "too few channels": (stored(lambda t: t.update(generated=t["rgb"].clone())), "'generated'"),
}  # fmt: skip


@pytest.fixture(scope="module")
def saved(avatar: Avatar, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("saved") / "me"
    avatar.save(folder)
    return {name: (folder / name).read_bytes() for name in (MARKER, TEXTURE, PREVIEW)}


@pytest.fixture
def folder(saved: dict[str, bytes], tmp_path: Path) -> Path:
    (tmp_path / "me").mkdir()
    for name, data in saved.items():
        (tmp_path / "me" / name).write_bytes(data)
    return tmp_path / "me"


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_named(folder: Path, case: str, zipped: bool) -> None:
    damage, reason = DAMAGE[case]
    damage(folder)
    path = folder
    if zipped:
        path = folder.parent / "me.zip"
        with zipfile.ZipFile(path, "w") as bundle:
            for file in folder.iterdir():
                bundle.write(file, file.name)
    with pytest.raises(InputError, match=reason) as error:
        Avatar.load(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_what_is_no_avatar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").mkdir()
    for name, reason in {"text": "damaged", "empty": "has no avatar.json", "absent": "is not there"}.items():
        with pytest.raises(InputError, match=reason):
            Avatar.load(tmp_path / name)


def test_a_damaged_zip_is_refused(saved: dict[str, bytes], tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in saved.items():
            bundle.writestr(name, data)
    whole = buffer.getvalue()
    rng = np.random.default_rng(0)
    for k in range(20):
        broken = bytearray(whole)
        for at in rng.integers(0, len(broken), 200):
            broken[at] ^= 0x55
        (tmp_path / f"{k}.zip").write_bytes(broken)
        with pytest.raises(InputError):
            Avatar.load(tmp_path / f"{k}.zip")
    for start, end in pairwise(range(0, len(whole), max(1, len(whole) // 7))):
        (tmp_path / "cut.zip").write_bytes(whole[:start] + whole[end:])
        with pytest.raises(InputError):
            Avatar.load(tmp_path / "cut.zip")


def test_a_zip_reaches_nothing_outside(saved: dict[str, bytes], tmp_path: Path) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    with zipfile.ZipFile(inside / "me.zip", "w") as bundle:
        for name, data in saved.items():
            bundle.writestr(name, data)
        bundle.writestr("../../evil.txt", "evil")
        bundle.writestr("/tmp/dinar-evil.txt", "evil")
    assert Avatar.load(inside / "me.zip").shape.ndim == 1
    assert [str(p.relative_to(tmp_path)) for p in sorted(tmp_path.rglob("*"))] == ["a", "a/b", "a/b/me.zip"]
    assert not Path("/tmp/dinar-evil.txt").exists()


def test_a_zip_bomb_is_refused(saved: dict[str, bytes], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "me.zip", "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr(MARKER, b" " * (20 << 20))
        bundle.writestr(TEXTURE, saved[TEXTURE])
    with pytest.raises(InputError, match="too large"):
        Avatar.load(tmp_path / "me.zip")


# Layers


@pytest.fixture(scope="module")
def in_a_skirt(avatar: Avatar) -> Avatar:
    """The person in a skirt of one colour, its outline moved a little."""
    model = wearing(avatar.model, {"skirt": torch.tensor([0.5, 0, 0, 1, 0.6, 0.6])})
    model = model.moved(0.001 * torch.ones_like(model.template))
    colours = torch.full((1, 3, 80, 80), 0.5)
    ones = torch.ones(1, 1, 80, 80)
    texture = NeuralTexture(None, colours, ones, ones, ones)
    return replace(
        avatar, model=model, layout=load_layout("clothed", model), texture=texture, painted=colours[0], weights=None,
        renderer=None,
    )  # fmt: skip


def test_a_skirt_is_kept(in_a_skirt: Avatar, tmp_path: Path) -> None:
    in_a_skirt.save(tmp_path / "a.zip")
    back = Avatar.load(tmp_path / "a.zip")
    assert back.model.layers.keys() == {"skirt"} and back.layout.name == "clothed"
    assert torch.equal(back.model.faces, in_a_skirt.model.faces)
    assert (back.model.template - in_a_skirt.model.template).abs().max() < 1e-3
    assert overlap(back.view("front", (160, 128)).mask[0], in_a_skirt.view("front", (160, 128)).mask[0]) > 0.99


@pytest.mark.parametrize(
    ("worn", "message"),
    [
        ({"skirt": [0.0] * 5}, "'skirt' in its avatar.json has shape"),
        ({"cape": [0.0]}, "a layer that this version of dinar does not know: cape"),
        ([], "of the wrong kind"),
        ({}, "do not go together"),
    ],
)
def test_layers_that_are_wrong_are_told(in_a_skirt: Avatar, tmp_path: Path, worn: object, message: str) -> None:
    in_a_skirt.save(tmp_path / "a")
    marker = tmp_path / "a" / MARKER
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"layers": worn}))
    with pytest.raises(InputError, match=message):
        Avatar.load(tmp_path / "a")


def test_a_skirt_swings_unless_it_is_stiff(in_a_skirt: Avatar) -> None:
    bodies = retarget.apply(Motion.load("walk").clipped(0, 1), in_a_skirt.model, in_a_skirt.shape)
    swinging = in_a_skirt.swinging(bodies, 30.0)
    forward = [swinging(i) for i in (5, 20)]
    assert all(torch.equal(a, swinging(i)) for a, i in zip(reversed(forward), (20, 5), strict=True))
    stiff = in_a_skirt.swinging(bodies, 30.0, stiff=True)(20)
    own = in_a_skirt.model.layer == 0
    assert torch.allclose(stiff, in_a_skirt.posed(bodies[20:21]), atol=1e-5)
    assert torch.equal(stiff[:, own], forward[1][:, own])
    assert float((stiff - forward[1])[:, ~own].norm(dim=-1).max()) > 0.01


def test_moving_shows_how_it_swings(in_a_skirt: Avatar) -> None:
    walk = Motion.load("walk").clipped(0, 0.7)
    loose, stiff = (list(in_a_skirt.moving(walk, (96, 64), azimuth=90.0, stiff=stiff)) for stiff in (False, True))
    assert any((a.mask - b.mask).abs().max() > 0.5 for a, b in zip(loose, stiff, strict=True))


def test_a_photos_own_pose_stays_as_it_was_fitted(in_a_skirt: Avatar) -> None:
    shot = in_a_skirt.shots[0]
    body = Body(in_a_skirt.shape[None], shot.pose[None], shot.expression[None], shot.translation[None])
    fitted = in_a_skirt.model(body).vertices
    drawn = in_a_skirt.draw_posed(fitted, shot.camera)
    assert torch.equal(in_a_skirt.posed(body), fitted) and torch.equal(in_a_skirt.view("photo").rgb, drawn.rgb)
    assert not torch.equal(in_a_skirt.posed(body, hung=True), fitted)
