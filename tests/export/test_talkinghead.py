"""TalkingHead loads what `--for talkinghead` writes, takes poses by name and speaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from export.engines import opened, packages, picture, until

from dinar.avatar import Avatar
from dinar.export import gltf, profiles

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PACKAGE = "@met4citizen/talkinghead"
LINE = {"visemes": ["aa", "PP", "O", "sil"], "vtimes": [1000, 4000, 6000, 9000], "vdurations": [2500, 1500, 2500, 200]}

HTML = """<!doctype html><meta charset="utf-8"><style>html, body, #stage { margin: 0; height: 100% }</style>
<div id="stage"></div>
<script type="importmap">{"imports": {"three": "/npm/three/build/three.module.js",
  "three/addons/": "/npm/three/examples/jsm/"}}</script>
<script type="module">
import { TalkingHead } from "/npm/@met4citizen/talkinghead/modules/talkinghead.mjs";
import * as THREE from "three";
const head = new TalkingHead(document.getElementById("stage"), { lipsyncModules: [], cameraView: "full",
  cameraRotateEnable: false, avatarIdleEyeContact: 0, avatarIdleHeadMove: 0, avatarSpeakingHeadMove: 0 });
await head.showAvatar({ url: "/file/me.glb", body: "M", avatarMood: "neutral" });
window.head = head;
window.place = (name) => head.armature.getObjectByName(name).getWorldPosition(new THREE.Vector3()).toArray();
window.mouth = (name) => Math.max(...head.mtAvatar[name].ms.map((row, i) => row[head.mtAvatar[name].is[i]]));
window.most = {};
window.speak = (line) => {
  const silence = head.audioCtx.createBuffer(1, 22050 * 10, 22050);
  head.speakAudio({ ...line, audio: silence, words: [], wtimes: [], wdurations: [] });
};
setInterval(() => { for (const name of ["viseme_aa", "viseme_PP", "viseme_O"])
  window.most[name] = Math.max(window.most[name] ?? 0, window.mouth(name)); }, 20);
window.ready = true;
</script>"""


@pytest.fixture(scope="module")
def folder(avatar: Avatar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where me.glb is."""
    path = tmp_path_factory.mktemp("talkinghead")
    gltf.write(path / "me.glb", avatar.figure(texture="plain"), profile=profiles.profile("talkinghead"))
    return path


def test_it_stands_upright_takes_a_pose_and_speaks(browser: Browser, folder: Path) -> None:
    page = opened(browser, HTML, {"npm": packages(PACKAGE, folder), "file": folder}, size=(270, 360))
    try:
        until(page, "window.ready")
        page.wait_for_timeout(1500)
        picture(page, "talkinghead_stand")
        place = {name: np.array(page.evaluate(f"place('{name}')")) for name in (
            "Hips", "Head", "LeftArm", "LeftHand", "RightArm", "RightHand", "LeftFoot", "RightFoot")}  # fmt: skip
        assert place["Head"][1] - place["LeftFoot"][1] > 1.2                                # upright
        assert np.abs(place["Head"] - place["Hips"])[[0, 2]].max() < 0.2
        for side, sign in (("Left", 1), ("Right", -1)):
            arm, hand = place[f"{side}Arm"], place[f"{side}Hand"]
            assert 0.25 < arm[1] - hand[1] < 0.75                                           # arms hang,
            assert sign * hand[0] > 0.05 and abs(hand[2] - place["Hips"][2]) < 0.45         # each on its side
        page.evaluate("head.playPose('hip', null, 60)")                                     # by its template's name
        until(page, "place('LeftHand')[1] > 0 && head.poseName === 'hip'")
        page.wait_for_timeout(2500)
        picture(page, "talkinghead_hip")
        hips, *hands = (page.evaluate(f"place('{name}')") for name in ("Hips", "LeftHand", "RightHand"))
        assert min(np.linalg.norm(np.subtract(hand, hips)) for hand in hands) < 0.35        # one lies on the hip
        page.mouse.click(100, 100)                                                          # who clicks may hear sounds
        far = page.evaluate("head.camera.position.distanceTo(head.controls.target)")
        page.evaluate("head.setView('head')")
        until(page, f"head.camera.position.distanceTo(head.controls.target) < {0.4 * far}")
        page.wait_for_timeout(1500)
        picture(page, "talkinghead_shut")
        page.evaluate("(line) => speak(line)", LINE)
        until(page, "mouth('viseme_aa') > 0.3")
        picture(page, "talkinghead_aa")
        until(page, "most.viseme_O > 0.3")
        picture(page, "talkinghead_o")
        assert page.evaluate("most.viseme_PP") > 0.3
        assert not page.troubles
    finally:
        page.close()
