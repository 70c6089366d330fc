"""A clip in Mixamo's own frames, applied by the names of joints in three.js, moves a person as `dinar` retargets it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from export.engines import opened, packages, until
from scipy.spatial.transform import Rotation

from dinar.avatar import Avatar
from dinar.export import gltf, profiles
from dinar.motion.motion import Motion

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CLIP = Path(__file__).parents[3] / "shared" / "cases" / "files" / "motion" / "bvhpython_test_freebvh.bvh"
TIMES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.25)
MOST = 5.0      # degrees between the directions of a bone,
ROLL = 10.0     # and between all of it: hands roll by what palms are laid flat by

# A .bvh has the world's axes at every joint, a Mixamo rig y along each bone of a T-pose; `frames` turns one into the
# other: hips, neck and head as the world, arms and legs with x and y as listed, each by the shortest arc to where its
# bone points.
HTML = """<!doctype html><meta charset="utf-8">
<script type="importmap">{"imports": {"three": "/npm/three/build/three.module.js",
  "three/addons/": "/npm/three/examples/jsm/"}}</script>
<script type="module">
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { BVHLoader } from "three/addons/loaders/BVHLoader.js";

const gltf = await new GLTFLoader().loadAsync("/file/me.glb");
const bvh = new BVHLoader().parse(await (await fetch("/file/clip.bvh")).text());
const short = (name) => name.replace(/^mixamorig:?/, "");
const BASES = { Left: [[0, 0, -1], [1, 0, 0]], Right: [[0, 0, 1], [-1, 0, 0]], Leg: [[-1, 0, 0], [0, -1, 0]] };
const vector = (numbers) => new THREE.Vector3(...numbers);

function frame(bone) {
  const name = short(bone.name);
  const side = name.startsWith("Left") ? "Left" : name.startsWith("Right") ? "Right" : null;
  if (["Hips", "Neck", "Head"].includes(name) || name.endsWith("Eye")) return new THREE.Quaternion();
  const basis = BASES[/Leg|Foot|Toe/.test(name) ? "Leg" : side];
  const matrix = new THREE.Matrix4();
  if (basis) matrix.makeBasis(vector(basis[0]), vector(basis[1]), vector(basis[0]).cross(vector(basis[1])));
  const base = new THREE.Quaternion().setFromRotationMatrix(matrix);
  const tips = { Spine2: "Neck", LeftHand: "LeftHandMiddle1", RightHand: "RightHandMiddle1", Head: "HeadTop_End" };
  const tip = bone.children.find((one) => short(one.name) === tips[name]) ?? bone.children.find((one) => one.isBone);
  const way = name.endsWith("ToeBase") ? vector([0, 0, 1]) : tip?.position.clone();
  if (!way || way.length() === 0) return frames.get(bone.parent.name).clone();
  const along = vector([0, 1, 0]).applyQuaternion(base);
  return new THREE.Quaternion().setFromUnitVectors(along, way.normalize()).multiply(base);
}

const frames = new Map();
for (const bone of bvh.skeleton.bones) frames.set(bone.name, frame(bone));
const tracks = [];
for (const bone of bvh.skeleton.bones) {
  const name = "mixamorig" + short(bone.name);
  const track = bvh.clip.tracks.find((one) => one.name === bone.name + ".quaternion");
  if (!track || !gltf.scene.getObjectByName(name)) continue;
  const above = bone.parent?.isBone ? frames.get(bone.parent.name) : new THREE.Quaternion();
  const values = [];
  for (let i = 0; i < track.values.length; i += 4) {
    const turn = new THREE.Quaternion().fromArray(track.values, i);
    above.clone().invert().multiply(turn).multiply(frames.get(bone.name)).toArray(values, i);
  }
  tracks.push(new THREE.QuaternionKeyframeTrack(name + ".quaternion", track.times, values));
}
const clips = { ours: gltf.animations[0], named: new THREE.AnimationClip("named", -1, tracks) };
const bones = [];
gltf.scene.traverse((node) => { if (node.isBone) bones.push(node); });
window.tracks = tracks.map((track) => short(track.name.split(".")[0]));
window.turns = (clip, time) => {
  const mixer = new THREE.AnimationMixer(gltf.scene);
  mixer.clipAction(clips[clip]).play();
  mixer.setTime(time);
  gltf.scene.updateMatrixWorld(true);
  const turns = Object.fromEntries(bones.map((bone) =>
    [short(bone.name), bone.getWorldQuaternion(new THREE.Quaternion()).toArray()]));
  mixer.stopAllAction();
  return turns;
};
window.ready = true;
</script>"""


def test_a_mixamo_clip_fits_by_name(browser: Browser, avatar: Avatar, tmp_path: Path) -> None:
    if not CLIP.is_file():
        pytest.skip("needs ../shared/cases")
    motion = Motion.load(str(CLIP))
    gltf.write(
        tmp_path / "me.glb", avatar.figure(texture="plain"), motions={"ours": motion},
        profile=profiles.profile("mixamo"),
    )  # fmt: skip
    (tmp_path / "clip.bvh").write_bytes(CLIP.read_bytes())
    page = opened(browser, HTML, {"npm": packages("three", tmp_path), "file": tmp_path})
    try:
        until(page, "window.ready")
        moved = page.evaluate("tracks")
        assert {"Hips", "Spine", "Head", "LeftArm", "RightForeArm", "LeftHand", "LeftUpLeg", "RightFoot"} <= set(moved)
        first, most = None, 0.0
        for time in TIMES:
            ours, named = (
                {bone: Rotation.from_quat(turn) for bone, turn in page.evaluate(f"turns('{clip}', {time})").items()}
                for clip in ("ours", "named")
            )
            for bone in moved:
                if "Thumb" in bone or bone.endswith("3"):
                    continue                              # thumbs stand otherwise at rest, and the tips of fingers
                along = ours[bone].apply((0, 1, 0)) @ named[bone].apply((0, 1, 0))
                assert np.degrees(np.arccos(min(1.0, along))) < MOST, (bone, time)
                assert np.degrees((ours[bone].inv() * named[bone]).magnitude()) < ROLL, (bone, time)
            first = first or ours
            most = max(most, np.degrees((first["LeftArm"].inv() * ours["LeftArm"]).magnitude()))
        assert most > 20                                  # the arm did move
        assert not page.troubles
    finally:
        page.close()

