from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from commands.program import Run, refused
from export.glb_reader import Scene
from export.khronos import problems

from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.export import lods
from dinar.export.figure import Figure
from dinar.export.mouth import with_mouth
from dinar.export.profiles import PLAIN
from dinar.export.simplify import simplified
from dinar.motion.motion import Motion


@pytest.fixture(scope="module")
def figure(avatar: Avatar) -> Figure:
    colours = torch.nn.functional.interpolate(avatar.painted[None], 256)[0]
    plain = Figure(avatar.model, avatar.layout, avatar.shape, colours)
    return with_mouth(plain, torch.ones_like(avatar.texture.filled))


@pytest.fixture(scope="module")
def levels(figure: Figure, tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    path = tmp_path_factory.mktemp("lods") / "me.glb"
    motions = {"wave": Motion.load("wave").clipped(0, 0.2)}
    files = lods.write(path, simplified(figure, 16_000), 4, motions=motions, profile=PLAIN)
    assert [file.name for file in files] == ["me.glb", "me.lod1.glb", "me.lod2.glb", "me.lod3.glb"]
    return [Scene.read(file) for file in files]


def test_each_level_has_half_of_the_one_before(levels: list[Scene]) -> None:
    counts = [len(level.faces) for level in levels]
    assert counts[0] in (15_999, 16_000)
    for k, level in enumerate(levels):
        assert counts[0] // 2**k - 2 <= counts[k] <= 16_000 // 2**k
        assert level.picture.shape[0] == max(256 >> k, 64)


def test_what_a_program_asks_for_by_name_is_the_same(levels: list[Scene]) -> None:
    def names(level: Scene) -> list[object]:
        animations = [(a["name"], [(c["target"]["node"], c["target"]["path"]) for c in a["channels"]])
                      for a in level.tree["animations"]]  # fmt: skip
        meshes = [(mesh["name"], mesh["extras"]["targetNames"]) for mesh in level.tree["meshes"]]
        return [[node["name"] for node in level.tree["nodes"]], meshes, animations]

    assert all(names(level) == names(levels[0]) for level in levels[1:])


def test_khronos_finds_nothing_in_any_level(figure: Figure, tmp_path: Path) -> None:
    for file in lods.write(tmp_path / "me.glb", figure, 3, profile=PLAIN):
        assert problems(file) == []


def test_levels_that_cannot_be(figure: Figure, tmp_path: Path) -> None:
    for path, number, words in (
        (tmp_path / "me.glb", 0, "0 levels"),
        (tmp_path / "me.glb", 6, "6 levels"),
        (tmp_path / "me.vrm", 2, "no levels of detail"),
    ):
        with pytest.raises(InputError, match=words):
            lods.check(path, number)
    with pytest.raises(InputError, match="would end below 1000"):
        lods.write(tmp_path / "me.glb", simplified(figure, 4000), 4, profile=PLAIN)
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_them(dinar: Callable[..., Run], made: Path) -> None:
    run = dinar("export", made, "-o", "me.glb", "--lods", 2, "--triangles", 4000, "--json")
    assert run.code == 0 and '"files": ["me.glb", "me.lod1.glb"]' in run.stdout
    assert len(Scene.read(Path("me.lod1.glb")).faces) in (1999, 2000)


def test_the_command_refuses(dinar: Callable[..., Run], made: Path) -> None:
    refused(dinar("export", made, "-o", "me.obj", "--lods", 2), "no levels of detail")
