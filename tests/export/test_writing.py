"""What is exported, whatever the kind of file: refusals before the work, and how the viewer shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.export import writing
from dinar.export.licence import Licence
from dinar.motion.motion import Motion

WALK = {"walk": Motion.load("walk").clipped(0, 0.2)}


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("a.stl", {}, ".glb, .html, .vrm, .fbx, .blend, .usdz, .obj, .ply"),
        ("a.obj", {"motions": WALK}, "no place for motions"),
        ("a.vrm", {"licence": Licence("A", ("Ann",)), "motions": WALK}, "no place for motions"),
        ("a.glb", {"licence": Licence("A", ("Ann",))}, "no place for a licence"),
        ("a.vrm", {}, "give --author"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_work(
    avatar: Avatar, tmp_path: Path, name: str, given: dict, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        writing.check(tmp_path / name, **given)
    with pytest.raises(InputError, match=message):
        avatar.export(tmp_path / name, **given)
    assert list(tmp_path.iterdir()) == []


def test_an_avatar_is_exported_in_few_triangles(avatar: Avatar, tmp_path: Path) -> None:
    sizes = []
    for triangles in (None, 3000):
        (path,) = avatar.export(tmp_path / "person.glb", motions=WALK, triangles=triangles)
        sizes.append(path.stat().st_size)
    assert sizes[1] < 0.4 * sizes[0]
    with pytest.raises(InputError, match="give 1000 or more"):
        avatar.export(tmp_path / "other.glb", triangles=10)


def test_the_viewer_gets_what_was_written(avatar: Avatar) -> None:
    """The figure's own triangles and colours; in all of its triangles it looks like the plain avatar."""
    shown = avatar.wearing(avatar.figure(triangles=2000))
    assert len(shown.model.faces) == len(shown.layout.faces) <= 2000 and len(avatar.model.faces) > 20000
    assert shown.renderer is None and shown.weights is None and shown.texture.rgb.shape[-1] == shown.painted.shape[-1]
    few, all_of_it, own = (
        one.view("front", (160, 120)).over(1.0) for one in (shown, avatar.wearing(avatar.figure()), avatar)
    )
    assert 1e-4 < (few - own).abs().mean() < 0.02
    assert (all_of_it - own).abs().mean() < 0.01
    assert not torch.equal(all_of_it, few)


def test_what_the_viewer_shows_can_be_saved(avatar: Avatar, tmp_path: Path) -> None:
    shown = avatar.wearing(avatar.figure(colours=torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))))
    shown.save(tmp_path / "shown")
    again = Avatar.load(tmp_path / "shown")
    assert again.painted.shape == (3, 128, 128) and torch.equal(again.shape, shown.shape)
