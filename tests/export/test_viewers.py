"""Babylon.js and model-viewer load what `--for web` writes, packed, and play its clip."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from export.engines import opened, packages, picture, until

from dinar.avatar import Avatar
from dinar.export import gltf, profiles
from dinar.motion import retarget
from dinar.motion.motion import Motion

if TYPE_CHECKING:
    from playwright.sync_api import Browser

KEY = 20
DECODER = "/meshopt/meshoptimizer/meshopt_decoder.cjs"

BABYLON = f"""<!doctype html><meta charset="utf-8"><style>html, body {{ margin: 0; background: #fff }}</style>
<canvas id="stage" width="300" height="400"></canvas>
<script src="/babylon/babylonjs/babylon.js"></script>
<script src="/loaders/babylonjs-loaders/babylonjs.loaders.min.js"></script>
<script>
// The loading screen would fade for a second over what is pictured.
BABYLON.SceneLoader.ShowLoadingScreen = false;
BABYLON.MeshoptCompression.Configuration = {{ decoder: {{ url: "{DECODER}" }} }};
(async () => {{
  const engine = new BABYLON.Engine(document.getElementById("stage"), true, {{ preserveDrawingBuffer: true }});
  const scene = new BABYLON.Scene(engine);
  scene.useRightHandedSystem = true;
  scene.clearColor = new BABYLON.Color4(1, 1, 1, 1);
  await BABYLON.SceneLoader.AppendAsync("/file/", "me.glb", scene);
  const camera = new BABYLON.ArcRotateCamera("camera", Math.PI / 2, Math.PI / 2, 3.6,
    new BABYLON.Vector3(0, 0.9, 0), scene);
  camera.fov = 0.6;
  scene.animationGroups.forEach((group) => group.stop());
  window.pose = (name, seconds) => {{
    const group = scene.getAnimationGroupByName(name);
    group.start();
    group.pause();
    group.goToFrame(seconds * 60);
    scene.render();
  }};
  window.place = (name) => {{
    const node = scene.getTransformNodeByName(name);
    node.computeWorldMatrix(true);
    return node.getAbsolutePosition().asArray();
  }};
  window.facts = () => ({{
    clips: scene.animationGroups.map((group) => group.name),
    targets: Math.max(...scene.meshes.map((mesh) => mesh.morphTargetManager?.numTargets ?? 0)),
    bones: scene.skeletons[0].bones.length,
  }});
  scene.render();
  await scene.whenReadyAsync();
  scene.render();
  window.ready = true;
}})().catch((error) => {{ window.failed = String(error); throw error; }});
</script>"""

VIEWER = f"""<!doctype html><meta charset="utf-8"><style>html, body {{ margin: 0 }}
model-viewer {{ width: 300px; height: 400px; background: #fff }}</style>
<script>self.ModelViewerElement = {{ meshoptDecoderLocation: "{DECODER}" }};</script>
<script type="module" src="/viewer/@google/model-viewer/dist/model-viewer.min.js"></script>
<model-viewer id="stage" src="/file/me.glb" camera-orbit="0deg 90deg 105%" interaction-prompt="none"></model-viewer>
<script>
const stage = document.getElementById("stage");
stage.addEventListener("load", () => {{ window.ready = true; }});
stage.addEventListener("error", (event) => {{ window.failed = JSON.stringify(event.detail); }});
window.pose = async (name, seconds) => {{
  stage.animationName = name;
  await stage.updateComplete;
  stage.play();
  stage.pause();
  stage.currentTime = seconds;
}};
</script>"""


@pytest.fixture(scope="module")
def folder(avatar: Avatar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where me.glb is."""
    pytest.importorskip("meshopt", reason="needs meshopt (dinar's extra 'meshopt')")
    path = tmp_path_factory.mktemp("viewers")
    figure = avatar.figure(texture="plain")
    gltf.write(path / "me.glb", figure, motions={"wave": Motion.load("wave")}, profile=profiles.profile("web"))
    return path


def test_babylon_plays_the_web_profile(browser: Browser, folder: Path, avatar: Avatar) -> None:
    folders = {"babylon": packages("babylonjs", folder), "loaders": packages("babylonjs-loaders", folder),
               "meshopt": packages("meshoptimizer", folder), "file": folder}  # fmt: skip
    page = opened(browser, BABYLON, folders, size=(300, 400))
    try:
        assert until(page, "window.ready || window.failed") is True, page.evaluate("window.failed")
        assert page.evaluate("facts()") == {"clips": ["wave"], "targets": 72, "bones": 104}
        looks_like_somebody_red(picture(page, "babylon"))
        motion = Motion.load("wave")
        page.evaluate(f"pose('wave', {KEY / motion.fps})")
        with torch.no_grad():
            joints = avatar.model(retarget.apply(motion, avatar.model, avatar.shape)).joints[KEY].numpy()
        for bone, name in (("rightHand", "RightHand"), ("head", "Head"), ("leftFoot", "LeftFoot")):
            apart = np.subtract(page.evaluate(f"place('{name}')"), joints[avatar.model.humanoid[bone]])
            assert np.linalg.norm(apart) < 0.003, (name, apart)
        assert not page.troubles, page.troubles
    finally:
        page.close()


def test_model_viewer_shows_the_web_profile(browser: Browser, folder: Path, avatar: Avatar) -> None:
    folders = {"viewer": packages("@google/model-viewer", folder), "meshopt": packages("meshoptimizer", folder),
               "file": folder}  # fmt: skip
    page = opened(browser, VIEWER, folders, size=(300, 400))
    try:
        assert until(page, "window.ready || window.failed") is True, page.evaluate("window.failed")
        assert page.evaluate("stage.availableAnimations") == ["wave"]
        tall = page.evaluate("stage.getDimensions().y")
        with torch.no_grad():
            height = avatar.model(avatar.standing()).vertices[0, :, 1]
        assert tall == pytest.approx(float(height.max() - height.min()), rel=0.05)
        page.wait_for_timeout(1500)
        still = picture(page, "model_viewer")
        looks_like_somebody_red(still)
        page.evaluate(f"pose('wave', {KEY / 30})")
        page.wait_for_timeout(1500)
        moved = picture(page, "model_viewer_wave")
        looks_like_somebody_red(moved)
        assert (np.abs(moved.astype(int) - still).max(2) > 60).mean() > 0.01
        assert not page.troubles, page.troubles
    finally:
        page.close()


def looks_like_somebody_red(shot: np.ndarray) -> None:
    """The person is red in front, on white, in the middle of the picture."""
    r, g, b = shot.astype(int).transpose(2, 0, 1)
    red = (r > g + 60) & (r > b + 60)
    assert 0.05 < red.mean() < 0.5
    rows, columns = np.nonzero(red)
    assert np.ptp(rows) > 0.5 * shot.shape[0] and abs(columns.mean() / shot.shape[1] - 0.5) < 0.1
