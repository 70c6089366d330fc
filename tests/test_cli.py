from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dinar import cli, images
from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.store import Store

PROGRAM = (sys.executable, "-c", "from dinar.cli import main; main()")


@dataclass(frozen=True)
class Run:
    code: int
    stdout: str
    stderr: str


@pytest.fixture
def dinar(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Run]:
    """The program, run in this process with a fresh folder as the current one."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def run(*arguments: object) -> Run:
        monkeypatch.setattr(sys, "argv", ["dinar", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return Run(end.value.code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def made(avatar: Avatar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An avatar on disk."""
    path = tmp_path_factory.mktemp("made") / "me"
    avatar.save(path)
    return path


def refused(run: Run, *words: str) -> None:
    """One sentence on stderr, exit code 2, no traceback, nothing on stdout and nothing written."""
    assert run.code == 2, run
    assert run.stdout == ""
    assert run.stderr.startswith("dinar: ") and run.stderr.count("\n") == 1 and run.stderr.endswith("\n"), run.stderr
    for word in words:
        assert word in run.stderr
    assert os.listdir(".") == []


# What works


def test_help_is_quick_and_names_every_command() -> None:
    run = subprocess.run([*PROGRAM, "--help"], capture_output=True, text=True)
    assert run.returncode == 0
    for command in cli.COMMANDS:
        assert command in run.stdout


@pytest.mark.parametrize("view", ["front", "back", "left", "right"])
def test_render_a_side(dinar: Callable[..., Run], made: Path, view: str) -> None:
    run = dinar("render", made, "--view", view, "--size", "70x90", "-o", "a.png", "--background", "#00ff00")
    assert run.code == 0 and run.stdout.startswith("a.png")
    found = images.load(Path("a.png"))
    assert found.shape == (3, 90, 70) and torch.equal(found[:, 0, 0], torch.tensor([0.0, 1.0, 0.0]))
    assert os.listdir(".") == ["a.png"]


def test_render_as_in_the_photo(dinar: Callable[..., Run], made: Path) -> None:
    assert dinar("render", made, "--view", "photo", "-o", "a.png", "--background", "transparent").code == 0
    with Image.open("a.png") as picture:
        assert picture.size == (61, 97) and picture.mode == "RGBA"


def test_a_turntable_as_frames(dinar: Callable[..., Run], made: Path) -> None:
    run = dinar("render", made, "--view", "turntable", "--fps", "3", "--seconds", "2", "--size", "48", "-o", "turn")
    assert run.code == 0
    assert sorted(path.name for path in Path("turn").glob("*.png")) == [f"{k:05d}.png" for k in range(6)]


def test_export_writes_every_kind_of_file(dinar: Callable[..., Run], made: Path) -> None:
    run = dinar("export", made, "-o", "a.glb", "--motion", "walk", "--motion", "wave", "--texture-size", "64", "--json")
    assert run.code == 0 and json.loads(run.stdout)["files"] == ["a.glb"]
    content = Path("a.glb").read_bytes()
    tree = json.loads(content[20 : 20 + int.from_bytes(content[12:16], "little")])
    assert [animation["name"] for animation in tree["animations"]] == ["walk", "wave"]
    assert dinar("export", made, "-o", "a.vrm", "--author", "Ann", "--commerce", "personal").code == 0
    assert b'"commercialUsage":"personalProfit"' in Path("a.vrm").read_bytes()
    run = dinar("export", made, "-o", "a.obj", "--json")
    assert json.loads(run.stdout)["files"] == ["a.obj", "a.mtl", "a.png"]
    run = dinar("export", made, "-o", "a.obj", "--picture", "jpeg", "--no-outline", "--texture", "plain", "--json")
    assert json.loads(run.stdout)["files"] == ["a.obj", "a.mtl", "a.jpg"]
    Path("a.jpg").unlink()
    assert dinar("export", made, "-o", "b.glb", "--motion", "a.glb#walk", "--motion", "a.glb#wave").code == 0
    content = Path("b.glb").read_bytes()
    tree = json.loads(content[20 : 20 + int.from_bytes(content[12:16], "little")])
    assert [animation["name"] for animation in tree["animations"]] == ["walk", "wave"]
    Path("b.glb").unlink()
    assert dinar("export", made, "-o", "a.ply").code == 0
    assert sorted(os.listdir(".")) == ["a.glb", "a.mtl", "a.obj", "a.ply", "a.png", "a.vrm"]


def test_exports_that_make_no_sense(dinar: Callable[..., Run], made: Path) -> None:
    refused(dinar("export", made, "-o", "a.dae"), ".glb, .vrm, .fbx, .usdz, .obj, .ply")
    refused(dinar("export", made, "-o", "a.glb", "--triangles", "999"), "give 1000 or more")
    refused(dinar("export", made, "-o", "a.vrm"), "--author")
    refused(dinar("export", made, "-o", "a.vrm", "--author", "Ann", "--motion", "walk"), "no place for motions")
    refused(dinar("export", made, "-o", "a.glb", "--author", "Ann"), "no place for an author")
    refused(dinar("export", made, "-o", "a.glb", "--motion", "walk", "--motion", "x/walk.bvh"), "two motions")
    refused(dinar("export", made, "-o", "a.glb", "--motion", "walk", "--motion", "x/me.glb#walk"), "two motions")
    refused(dinar("export", made, "-o", "a.glb", "--texture", "baked"), "nothing to bake")
    refused(dinar("export", made, "-o", "a.glb", "--texture-size", "9000"), "64 to 8192")


def test_what_an_export_lacks_is_told_before_the_work(
    dinar: Callable[..., Run], made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINAR_BLENDER", "absent/blender")
    refused(dinar("export", made, "-o", "a.fbx"), "DINAR_BLENDER names absent/blender, which is no program")
    monkeypatch.setitem(sys.modules, "pxr", None)
    monkeypatch.delitem(sys.modules, "dinar.export.usd", raising=False)
    monkeypatch.delattr("dinar.export.usd", raising=False)
    refused(dinar("export", made, "-o", "a.usdz"), "pip install 'dinar[usd]'")


def test_a_motion_goes_through_every_kind_of_file(dinar: Callable[..., Run], made: Path) -> None:
    kinds = ["walk", "a.bvh", "a.amass.npz", "a.smpl", "a.json", "a.npz"]
    for motion, out in pairwise(kinds):
        run = dinar("motion", motion, "-o", out, "--seconds", "0.5", "--fps", "8", "--json")
        assert run.code == 0 and json.loads(run.stdout)["files"] == [out] and json.loads(run.stdout)["frames"] == 4
    for motion in kinds[1:]:
        assert dinar("animate", made, motion, "-o", f"{motion}.mp4", "--size", "64").code == 0


def test_animate_prints_one_json_object(dinar: Callable[..., Run], made: Path) -> None:
    options = ("--size", "64", "--seconds", "0.5", "--fps", "8", "--json")
    run = dinar("animate", made, "walk", "-o", "deep/walk.mp4", *options)
    assert run.code == 0
    found = json.loads(run.stdout)
    assert found["files"] == ["deep/walk.mp4"] and found["frames"] == 4 and found["fps"] == 8
    assert set(found["seconds"]) == {"load", "draw"}
    assert Path("deep/walk.mp4").stat().st_size > 500 and os.listdir("deep") == ["walk.mp4"]


def test_alive_hands_over_what_was_asked_for(
    dinar: Callable[..., Run], made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dinar.scene import alive as module

    asked: dict[str, Any] = {}

    def alive(source, motion, path, **options):
        asked.update(options, source=source, motion=motion)
        path.write_bytes(b"film")
        return SimpleNamespace(frames=len(motion), fps=motion.fps)

    monkeypatch.setattr(module, "alive", alive)
    options = ("--avatar", made, "--person", 2, "--fps", 10, "--seconds", 2, "--in-place", "no", "--no-refine")
    run = dinar("alive", "me.jpg", "walk", "-o", "out.mp4", *options, "--size", 320, "--json")
    found = json.loads(run.stdout)
    assert run.code == 0 and found["files"] == ["out.mp4"] and found["frames"] == 20 and found["fps"] == 10
    assert asked["source"].person == 2 and asked["source"].photo == Path("me.jpg")
    assert asked["longest"] == 320 and asked["in_place"] is False and asked["refine"] is False
    assert isinstance(asked["avatar"], Avatar)
    assert dinar("alive", "me.jpg", "walk", "-o", "out.mp4").code == 0
    assert asked["avatar"] is None and asked["in_place"] is None and asked["longest"] == 1280


def test_alive_refuses_in_one_sentence(dinar: Callable[..., Run], made: Path) -> None:
    refused(dinar("alive", "none.jpg", "walk", "-o", "a.mp4"), "none.jpg", "does not exist")
    refused(dinar("alive", "none.jpg", "moonwalk", "-o", "a.mp4"), "moonwalk")
    refused(dinar("alive", "none.jpg", "walk", "-o", "a.txt"), "a.txt")
    refused(dinar("alive", "none.jpg", "walk", "-o", "a.mp4", "--size", "7"), "--size 7")
    refused(dinar("alive", "none.jpg", "walk", "-o", "a.mp4", "--avatar", "nobody"), "nobody")


def test_merge(dinar: Callable[..., Run], made: Path) -> None:
    run = dinar("merge", made, made, "-o", "both.zip", "--json")
    assert run.code == 0
    found = json.loads(run.stdout)
    assert found["files"] == ["both.zip"] and found["photos"] == 2
    one, both = Avatar.load(made), Avatar.load(Path("both.zip"))
    assert torch.allclose(both.texture.rgb, one.texture.rgb, atol=1e-3) and torch.allclose(both.shape, one.shape)
    assert os.listdir(".") == ["both.zip"]


def test_the_renderer_can_be_chosen(
    dinar: Callable[..., Run], made: Path, avatar: Avatar, appearance: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels = torch.randn(1, 16, 32, 32, generator=torch.Generator().manual_seed(1))
    neural = replace(avatar, texture=replace(avatar.texture, generated=channels), weights=appearance.name)
    monkeypatch.setattr("dinar.avatar.shipped", lambda: appearance)
    neural.save(Path("me"))
    pictures = {}
    for options in ((), ("--renderer", "neural"), ("--renderer", "texture")):
        run = dinar("render", "me", "-o", "a.png", "--size", "96", *options)
        assert run.code == 0 and run.stderr == ""
        pictures[options[-1:]] = images.load(Path("a.png"))
    assert torch.equal(pictures[()], pictures["neural",]) and not torch.equal(pictures[()], pictures["texture",])
    options = ("--size", "32", "--seconds", "0.2", "-o", "walk")
    assert dinar("animate", "me", "walk", "--renderer", "texture", *options).code == 0
    run = dinar("render", made, "-o", "b.png", "--renderer", "neural")
    assert run.code == 2 and "make it again" in run.stderr and not Path("b.png").exists()
    monkeypatch.setattr("dinar.avatar.shipped", lambda: replace(appearance, name="small-00000000"))
    run = dinar("render", "me", "-o", "b.png", "--size", "32")
    assert run.code == 0 and appearance.name in run.stderr and run.stderr.count("\n") == 1


def test_version(dinar: Callable[..., Run]) -> None:
    found = dinar("--version")
    assert found.code == 0 and found.stdout == f"dinar {version('dinar')}\n"


def test_doctor(dinar: Callable[..., Run]) -> None:
    found = json.loads(dinar("doctor", "--json").stdout)
    assert found["versions"]["torch"] == torch.__version__
    assert "pose_detection.tflite" in dinar("doctor").stdout


def test_fit_and_create_of_a_known_person(
    dinar: Callable[..., Run], avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dinar import pipeline

    asked = []

    def create(sources: list, seeds: range, **options: Any) -> list[Avatar]:
        asked.extend([options | {"seeds": [*seeds]}, *sources])
        progress = options["progress"]
        with progress.stage("look"):
            return [avatar] * len(seeds)

    def overlay_of(source: object, *, model: object, progress: object) -> tuple:
        asked.append(source)
        return torch.zeros(3, 8, 8), avatar.shots[0]

    monkeypatch.setattr(pipeline, "create_several", create)
    monkeypatch.setattr(pipeline, "overlay_of", overlay_of)
    run = dinar("create", "me.jpg", "-o", "me", "--person", "2", "--json")
    found = json.loads(run.stdout)
    assert run.code == 0 and found["files"] == ["me", "me/preview.png"]
    assert list(found["seconds"]) == ["look", "save"]
    residuals = {"photo": "me.jpg", "reprojection": 0.5, "mask_iou": 0.875, "unseen": ["left foot"]}
    assert found["fits"] == [residuals]
    assert asked[-1] == pipeline.Source(Path("me.jpg"), person=2)
    assert (asked[0]["renderer"], asked[0]["refine"], asked[0]["inpaint"]) == ("neural", True, True)
    assert asked[0]["seeds"] == [0]
    asked.clear()
    options = ("--renderer", "texture", "--no-refine", "--no-inpaint", "--seed", "3")
    run = dinar("create", "me.jpg", "-o", "me.zip", *options)
    assert (asked[0]["renderer"], asked[0]["refine"], asked[0]["inpaint"]) == ("texture", False, False)
    assert asked[0]["seeds"] == [3]
    assert run.code == 0 and "not seen: left foot" in run.stdout and "me.zip" in run.stdout
    run = dinar("fit", "me.jpg", "-o", "fit.png", "--mask", "mask.png", "--json")
    assert json.loads(run.stdout)["fits"] == [residuals] and asked[-1].mask == Path("mask.png")
    assert sorted(os.listdir(".")) == ["fit.png", "me", "me.zip"]


def test_several_backs(dinar: Callable[..., Run], avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    from dinar import pipeline

    refused(dinar("create", "me.jpg", "-o", "me.zip", "--seeds", "0"), "--seeds 0")
    monkeypatch.setattr(pipeline, "create_several", lambda _, seeds, **options: [avatar] * len(seeds))
    run = dinar("create", "me.jpg", "-o", "me.zip", "--seeds", "3", "--json")
    assert json.loads(run.stdout)["files"] == ["me.zip", "me-2.zip", "me-3.zip", "me-backs.png"]
    assert sorted(os.listdir(".")) == ["me-2.zip", "me-3.zip", "me-backs.png", "me.zip"]
    sheet = np.asarray(Image.open("me-backs.png"))
    assert sheet.shape == (512, 3 * 320, 3) and np.array_equal(sheet[:, :320], sheet[:, 640:])


def test_an_avatar_is_painted_anew(dinar: Callable[..., Run], made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dinar import pipeline
    from dinar.inpainting import inpainter

    asked = []

    class Painter:
        def to(self, _: str) -> Painter:
            return self

    def inpainted(avatar: Avatar, painter: object, **options: Any) -> Avatar:
        asked.append(options)
        return avatar

    monkeypatch.setattr(inpainter, "shipped", Painter)
    monkeypatch.setattr(pipeline, "inpainted", inpainted)
    run = dinar("inpaint", made, "-o", "new", "--repaint", "head", "--seed", "5", "--seeds", "2")
    assert run.code == 0 and sorted(os.listdir(".")) == ["new", "new-2", "new-backs.png"]
    assert asked == [{"parts": ("head",), "seed": 5}, {"parts": ("head",), "seed": 6}]


def test_a_slash_makes_an_avatar_of_each_photo(
    dinar: Callable[..., Run], avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dinar import batch

    asked = []

    def create(source: Any, **options: Any) -> Avatar:
        asked.append((source, options))
        if "bad" in source.photo.name:
            raise InputError(f"{source.photo} shows no person")
        return avatar

    monkeypatch.setattr(batch, "create", create)
    run = dinar("create", "a.jpg", "bad.jpg", "b.jpg", "-o", "people/", "--seed", "4", "--person", "2")
    assert run.code == 2 and run.stderr == "dinar: bad.jpg shows no person\n"
    lines = run.stdout.splitlines()
    assert len(lines) == 3 and lines[0].startswith("a.jpg -> people/a (landmarks 0.50 % off, mask overlap 0.88")
    assert lines[2].startswith("people: 2 of 3 photos became avatars in ")
    assert sorted(os.listdir("people")) == ["a", "b"]
    assert all(source.person == 2 and options["seed"] == 4 for source, options in asked)
    run = dinar("create", "a.jpg", "bad.jpg", "-o", "people/", "--json")
    found = json.loads(run.stdout)
    assert run.code == 2 and found["files"] == ["people/a"] and found["failures"][0]["photo"] == "bad.jpg"
    assert found["avatars"][0]["mask_iou"] == 0.875 and found["avatars"][0]["avatar"] == "people/a"
    assert dinar("create", "a.jpg", "-o", "more/").code == 0 and Avatar.load("more/a").weights is None


def test_what_batches_refuse(dinar: Callable[..., Run]) -> None:
    refused(dinar("create", "a.jpg", "-o", "people", "--jobs", "2"), "slash")
    refused(dinar("create", "a.jpg", "-o", "people", "--ray", "local"), "slash")
    refused(dinar("create", "a.jpg", "-o", "people/", "--jobs", "0"), "--jobs")
    refused(dinar("create", "a.jpg", "-o", "people/", "--seeds", "3"), "--seeds")
    refused(dinar("create", "-o", "people/"), "needs a photo")


def test_view_opens_a_page(dinar: Callable[..., Run], made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("viser", reason="needs viser (dinar's extra 'view')")
    from dinar.viewer import viewer

    opened = []
    monkeypatch.setattr(viewer, "serve", lambda page, **options: (opened.append((page.puppet, options)), page.close()))
    run = dinar("view", made, "--port", "0", "--json")
    assert run.code == 0 and json.loads(run.stdout)["url"].startswith("http://127.0.0.1:") and run.stderr == ""
    assert opened[0][0].avatar.shots and opened[0][1] == {"browser": False}
    run = dinar("view", "--port", "0", "--host", "0.0.0.0")
    assert run.code == 0 and "http://localhost:" in run.stdout and "everybody" in run.stderr
    assert opened[1] == (None, {"browser": True})
    run = dinar("export", made, "-o", "a.glb", "--motion", "walk", "--triangles", "2000", "--preview", "--json")
    assert run.code == 0 and json.loads(run.stdout)["files"] == ["a.glb"] and "://127.0.0.1:" in run.stdout
    shown = opened[2][0]
    assert shown.playing and len(shown.avatar.model.faces) == len(shown.avatar.layout.faces) == 2000
    assert shown.avatar.renderer is None and opened[2][1] == {"browser": False}
    Path("a.glb").unlink()
    refused(dinar("view", "absent"), "absent")
    refused(dinar("view", "--port", "70000"), "--port")
    refused(dinar("view", "--port", "0", "--host", "no.such.host.invalid"), "--host")


def test_photos_and_what_belongs_to_them() -> None:
    photos, masks = [Path("a"), Path("b")], [Path("m"), Path("n")]
    found = cli._sources(photos, [3], masks, [])
    assert [(s.photo, s.person, s.mask, s.keypoints) for s in found] == [
        (Path("a"), 3, Path("m"), None),
        (Path("b"), 3, Path("n"), None),
    ]


def test_synth_says_what_it_made(
    dinar: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from dinar.synth import shards

    asked = []

    def write_shards(
        assets: Path, out: Path, plan: shards.Plan, *, rigged: Path | None, workers: int, progress: object
    ) -> list[Path]:
        asked.append((assets, out, plan, rigged, workers))
        return [out / "people-00000.tar"]

    monkeypatch.setattr(shards, "write_shards", write_shards)
    options = ("--people", "3", "--views", "4", "-o", "set", "--seed", "5", "--size", "96", "--workers", "2", "--json")
    found = json.loads(dinar("synth", "--assets", "a", *options).stdout)
    assert asked == [(Path("a"), Path("set"), shards.Plan(3, 4, 5, 96), None, 2)]
    assert found["files"] == ["set", "set/people-00000.tar", "set/sheet.jpg"]
    assert found["people"] == 3 and found["views"] == 12

    for name in ("a.glb", "b.glb"):
        (tmp_path / name).write_bytes(b"")
    options = ("--rigged", tmp_path, "--views", "2", "-o", "set", "--json")
    found = json.loads(dinar("synth", "--assets", "a", *options).stdout)
    assert asked[1][2:4] == (shards.Plan(2, 2), tmp_path) and found["views"] == 4


# What is refused


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures that are none, or no good."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "text.jpg").write_text("hello")
    (folder / "empty.jpg").write_bytes(b"")
    noise = np.random.default_rng(0).integers(0, 255, (200, 150, 3)).astype(np.uint8)
    Image.fromarray(noise).save(folder / "noise.jpg")
    (folder / "cut.jpg").write_bytes((folder / "noise.jpg").read_bytes()[:3000])
    Image.new("1", (30_000, 30_000)).save(folder / "huge.png")
    Image.new("L", (64, 64)).save(folder / "small.png")
    return folder


@pytest.mark.parametrize("command", ["create", "fit"])
@pytest.mark.parametrize(
    ("name", "reason"),
    {
        "absent.jpg": "absent.jpg", "": "folder", "text.jpg": "text.jpg", "empty.jpg": "empty.jpg",
        "cut.jpg": "damaged", "huge.png": "megapixels",
    }.items(),
)  # fmt: skip
def test_bad_photos(dinar: Callable[..., Run], bad: Path, command: str, name: str, reason: str) -> None:
    refused(dinar(command, bad / name, "-o", "a.png" if command == "fit" else "a"), reason)


def test_nobody_in_the_photo(dinar: Callable[..., Run], bad: Path) -> None:
    if any(status.path is None and not status.file.optional for status in Store().table()):
        pytest.skip("needs the models that `dinar doctor --fetch needed` downloads")
    refused(dinar("create", bad / "noise.jpg", "-o", "a"), "shows no person")
    refused(dinar("create", bad / "noise.jpg", "-o", "a", "--mask", bad / "small.png"), "64 x 64", "150 x 200")


def test_no_models_and_no_network(
    dinar: Callable[..., Run], bad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINAR_MODELS", str(bad))
    monkeypatch.setenv("DINAR_CACHE", str(tmp_path / "cache"))
    refused(dinar("create", bad / "noise.jpg", "-o", "a"), "DINAR_MODELS")


def test_outputs_that_cannot_be_written(dinar: Callable[..., Run], bad: Path, made: Path) -> None:
    inside = bad / "text.jpg" / "x"          # a file as a folder: refused for every user, root too
    photo = bad / "absent.jpg"               # the output is looked at first
    refused(dinar("create", photo, "-o", inside), "cannot be written")
    refused(dinar("create", photo, "-o", bad), "holds other files")
    refused(dinar("create", photo, "-o", bad / "text.jpg"), "is a file")
    refused(dinar("fit", photo, "-o", inside.with_suffix(".png")), "cannot be written")
    refused(dinar("fit", photo, "-o", "a.txt"), "a.txt", ".png")
    refused(dinar("animate", made, "walk", "-o", inside.with_suffix(".mp4")), "cannot be written")
    refused(dinar("animate", made, "walk", "-o", "a.txt"), "a.txt")
    refused(dinar("animate", made, "walk", "-o", bad), "holds other files")
    refused(dinar("render", made, "-o", inside.with_suffix(".png")), "cannot be written")
    refused(dinar("render", made, "--view", "turntable", "-o", inside.with_suffix(".mp4")), "cannot be written")
    refused(dinar("render", made, "-o", "a.gif"), "a.gif")
    refused(dinar("merge", made, made, "-o", inside), "cannot be written")


def test_bad_options(dinar: Callable[..., Run], bad: Path, made: Path) -> None:
    photo = bad / "noise.jpg"
    refused(dinar("animate", made, "moonwalk", "-o", "a.mp4"), "moonwalk", "walk")
    refused(dinar("animate", made, bad / "text.jpg", "-o", "a.mp4"), "text.jpg")
    refused(dinar("motion", "moonwalk", "-o", "a.bvh"), "moonwalk", "walk")
    refused(dinar("motion", "walk", "-o", "a.fbx"), "a.fbx", ".bvh")
    refused(dinar("motion", "walk", "-o", bad / "text.jpg" / "a.bvh"), "cannot be written")
    refused(dinar("motion", "walk#fast", "-o", "a.bvh"), "walk#fast")
    for option in ("--fps", "--seconds"):
        for value in ("0", "-1", "nan", "1e9"):
            refused(dinar("animate", made, "walk", "-o", "a.mp4", option, value), option)
            refused(dinar("render", made, "-o", "a.png", option, value), option)
    for size in ("0", "10x", "axb", "1x2x3", "100000", "-5"):
        refused(dinar("render", made, "-o", "a.png", f"--size={size}"), "--size")
    refused(dinar("render", made, "-o", "a.png", "--background", "reddish"), "reddish")
    refused(dinar("render", made, "-o", "a.jpg", "--background", "transparent"), "a.jpg")
    refused(dinar("animate", made, "walk", "-o", "a.mp4", "--background", "transparent"), "a.mp4")
    refused(dinar("render", made, "-o", "a.png", "--device", "abacus"), "abacus")
    refused(dinar("fit", photo, "-o", "a.png", "--smplx", bad / "absent.npz"), "absent.npz")
    refused(dinar("create", photo, photo, "-o", "a", "--mask", bad / "small.png"), "--mask", "2 photos")
    refused(dinar("create", "-o", "a"), "needs a photo")


def test_synth_without_assets_or_sense(dinar: Callable[..., Run], bad: Path) -> None:
    refused(dinar("synth", "--assets", bad, "--people", "1", "--views", "1", "-o", "a"), "makehuman_cc0")
    for option in ("--people", "--views", "--size", "--workers", "--seed"):
        options = {"--people": "1", "--views": "1"} | {option: "-1"}
        arguments = [f"{name}={value}" for name, value in options.items()]
        refused(dinar("synth", "--assets", bad, "-o", "a", *arguments), option)
    refused(dinar("synth", "--assets", bad, "--views", "1", "-o", "a"), "--people")
    refused(dinar("synth", "--assets", bad, "--rigged", bad / "absent", "--views", "1", "-o", "a"), "no rigged people")


def test_damaged_avatars(dinar: Callable[..., Run], bad: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 no more")
    for path in (tmp_path / "a.zip", bad, tmp_path / "absent"):
        refused(dinar("render", path, "-o", "a.png"), str(path))
        refused(dinar("animate", path, "walk", "-o", "a.mp4"), str(path))


def test_unknown_words_are_refused(dinar: Callable[..., Run], made: Path) -> None:
    for arguments in (["sing"], ["render", made, "--view", "above", "-o", "a.png"], ["render", made]):
        run = dinar(*arguments)
        assert run.code == 2 and run.stdout == "" and "Traceback" not in run.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_nothing(made: Path, tmp_path: Path, number: int, code: int) -> None:
    out = tmp_path / "here" / "walk"
    out.parent.mkdir()
    arguments = ("animate", made, "walk", "-o", out, "--seconds", "300", "--size", "64")
    program = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),     # a shell's background jobs ignore it
    )  # fmt: skip
    try:
        while program.poll() is None and not any(out.parent.glob(".walk.*/new/00003.png")):
            time.sleep(0.05)
        program.send_signal(number)
        stdout, stderr = program.communicate(timeout=60)
    finally:
        program.kill()
    assert program.returncode == code and stdout == "" and "Traceback" not in stderr
    assert os.listdir(out.parent) == []
