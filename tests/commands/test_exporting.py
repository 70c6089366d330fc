from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands.program import Run, refused


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
    refused(dinar("export", made, "-o", "a.dae"), ".glb, .html, .vrm, .fbx, .blend, .usdz, .obj, .ply")
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
