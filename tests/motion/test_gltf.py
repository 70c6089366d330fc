"""glTF animations: files built by hand, and those that dinar itself exports."""

from __future__ import annotations

import base64
import copy
import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.motion.motion import Motion
from dinar.motion.retarget import apply

LIMBS = {
    "Hips": (None, (0, 8.2, 0)),
    "Spine": ("Hips", (0, 3, 0)),
    "Head": ("Spine", (0, 3, 0)),
    "LeftArm": ("Spine", (2, 2, 0)),
    "LeftForeArm": ("LeftArm", (0, -3, 0)),
    "LeftHand": ("LeftForeArm", (0, -3, 0)),
    "RightArm": ("Spine", (-2, 2, 0)),
    "RightForeArm": ("RightArm", (0, -3, 0)),
    "RightHand": ("RightForeArm", (0, -3, 0)),
    "LeftUpLeg": ("Hips", (1, 0, 0)),
    "LeftLeg": ("LeftUpLeg", (0, -4, 0)),
    "LeftFoot": ("LeftLeg", (0, -4, 0)),
    "LeftToeBase": ("LeftFoot", (0, -0.2, 1)),
    "RightUpLeg": ("Hips", (-1, 0, 0)),
    "RightLeg": ("RightUpLeg", (0, -4, 0)),
    "RightFoot": ("RightLeg", (0, -4, 0)),
    "RightToeBase": ("RightFoot", (0, -0.2, 1)),
}
TIMES = [0.0, 0.25, 0.5]
KNEE = [0.0, 0.6, 0.2]          # about the person's X


class Builder:
    """Somebody with hanging arms whose joints' own axes lie anyhow, in an armature of centimetres with Z up."""

    def __init__(self, prefix: str = "mixamorig:") -> None:
        generator = torch.Generator().manual_seed(0)
        self.names = list(LIMBS)
        self.axes = {name: roma.rotvec_to_rotmat(torch.randn(3, generator=generator)).double() for name in LIMBS}
        self.armature = roma.rotvec_to_rotmat(torch.tensor([-math.pi / 2, 0, 0], dtype=torch.float64))
        self.bytes = b""
        self.tree = {"asset": {"version": "2.0"}, "accessors": [], "bufferViews": [], "nodes": [], "animations": []}
        for name, (_, offset) in LIMBS.items():
            above = self.above(name)
            self.tree["nodes"].append({
                "name": prefix + name,
                "translation": (100 * above.T @ torch.tensor(offset, dtype=torch.float64)).tolist(),
                "rotation": self.quaternion(above.T @ self.axes[name]),
                "children": [k for k, other in enumerate(LIMBS) if LIMBS[other][0] == name],
            })  # fmt: skip
        turn = self.quaternion(self.armature)
        self.tree["nodes"].append({"name": "Armature", "rotation": turn, "scale": [0.01] * 3, "children": [0]})

    def above(self, name: str) -> torch.Tensor:
        parent = LIMBS[name][0]
        return self.armature if parent is None else self.axes[parent]

    @staticmethod
    def quaternion(matrix: torch.Tensor) -> list[float]:
        return roma.rotmat_to_unitquat(matrix).tolist()

    def turned(self, name: str, vector: tuple[float, float, float]) -> list[float]:
        """The node's rotation that turns a joint in the world's axes, its parent at rest."""
        turn = roma.rotvec_to_rotmat(torch.tensor(vector, dtype=torch.float64))
        return self.quaternion(self.above(name).T @ turn @ self.axes[name])

    def accessor(self, numbers) -> int:
        array = np.atleast_1d(np.asarray(numbers, np.float32))
        kind = "SCALAR" if array.ndim == 1 else f"VEC{array.shape[1]}"
        number = len(self.tree["accessors"])
        self.tree["bufferViews"].append({"buffer": 0, "byteOffset": len(self.bytes), "byteLength": array.nbytes})
        self.bytes += array.tobytes()
        found = {"bufferView": number, "componentType": 5126, "count": len(array), "type": kind}
        self.tree["accessors"].append(found)
        return number

    def clip(self, name: str, channels: list[tuple[str, str, str, list, list]]) -> None:
        """channels: joint, path, interpolation, times, values."""
        animation = {"name": name, "channels": [], "samplers": []}
        for joint, path, kind, times, values in channels:
            sampler = {"input": self.accessor(times), "output": self.accessor(values), "interpolation": kind}
            animation["samplers"].append(sampler)
            target = {"node": self.names.index(joint), "path": path}
            animation["channels"].append({"sampler": len(animation["samplers"]) - 1, "target": target})
        self.tree["animations"].append(animation)

    def gltf(self, path: Path) -> Path:
        uri = "data:application/octet-stream;base64," + base64.b64encode(self.bytes).decode()
        path.write_text(json.dumps(self.tree | {"buffers": [{"uri": uri, "byteLength": len(self.bytes)}]}))
        return path

    def glb(self, path: Path) -> Path:
        text = json.dumps(self.tree | {"buffers": [{"byteLength": len(self.bytes)}]}).encode()
        text += b" " * (-len(text) % 4)
        binary = self.bytes + b"\0" * (-len(self.bytes) % 4)
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), 0x004E4942) + binary
        path.write_bytes(struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks)
        return path


def knee(builder: Builder, kind: str = "LINEAR") -> list:
    values = [builder.turned("LeftLeg", (angle, 0, 0)) for angle in KNEE]
    if kind == "CUBICSPLINE":
        values = [row for value in values for row in ([0.0] * 4, value, [0.0] * 4)]
    return ["LeftLeg", "rotation", kind, TIMES, values]


def bend(motion: Motion) -> torch.Tensor:
    return motion.rotations[:, motion.names.index("leftLowerLeg")]


@pytest.mark.parametrize("kind", ["LINEAR", "STEP", "CUBICSPLINE"])
def test_a_knee_bends_about_the_persons_axis(tmp_path, kind):
    builder = Builder()
    builder.clip("squat", [knee(builder, kind)])
    motion = Motion.load(builder.gltf(tmp_path / "a.gltf"))
    assert motion.fps == 30 and len(motion) == 16                           # few keys: sampled as usual
    x = bend(motion)[:, 0]
    assert bend(motion)[:, 1:].abs().max() < 1e-4
    time = torch.arange(16) / 30
    if kind == "LINEAR":
        expected = torch.from_numpy(np.interp(time.numpy(), TIMES, KNEE)).float()
    elif kind == "STEP":
        expected = torch.tensor([KNEE[0] if t < 0.25 else KNEE[1] if t < 0.5 else KNEE[2] for t in time.tolist()])
    else:
        w = (time / 0.25 % 1) * (time < 0.5)
        w = w * w * (3 - 2 * w)
        low = (time >= 0.25).long() + (time >= 0.5).long()
        a, b = (torch.tensor([*KNEE, KNEE[-1]])[low + k] for k in (0, 1))
        # tangents of 0: quaternions mix along a smoothstep, which for small turns is the angle's own
        assert torch.allclose(x, a + (b - a) * w, atol=0.02)
        expected = torch.where(w == 0, a, x)
    assert torch.allclose(x, expected, atol=1e-4)
    others = [k for k, bone in enumerate(motion.names) if "Leg" not in bone and "UpperArm" not in bone]
    assert motion.rotations[:, others].abs().max() < 1e-4
    arm = motion.rotations[0, motion.names.index("leftUpperArm")]           # hangs: no T-pose
    assert torch.allclose(arm, torch.tensor([0, 0, -math.pi / 2]), atol=1e-4)


def test_hips_travel_in_the_skeletons_own_measure(tmp_path):
    builder = Builder()
    places = torch.tensor([[0, 8.2, z] for z in (0, 4.1, 8.2)], dtype=torch.float64)
    way = (100 * places @ builder.armature).tolist()
    head = ["Head", "rotation", "STEP", [0.0], [builder.turned("Head", (0.1, 0, 0))]]
    builder.clip("walk", [["Hips", "translation", "LINEAR", TIMES, way], head])
    motion = Motion.load(builder.glb(tmp_path / "a.glb"))
    assert torch.allclose(motion.hips[0], torch.tensor([0.0, 1, 0]), atol=1e-4)
    assert torch.allclose(motion.hips[-1], torch.tensor([0.0, 1, 1]), atol=1e-4)


def test_a_clip_by_its_name(tmp_path):
    builder = Builder()
    builder.clip("squat", [knee(builder)])
    builder.clip("still", [["LeftLeg", "rotation", "STEP", [0.0], [builder.turned("LeftLeg", (0.3, 0, 0))]]])
    path = builder.glb(tmp_path / "a.glb")
    assert len(Motion.load(path)) == 16
    still = Motion.load(f"{path}#still")
    assert len(still) == 1 and bend(still)[0, 0] == pytest.approx(0.3, abs=1e-4)
    with pytest.raises(InputError, match="no animation run; it has squat, still"):
        Motion.load(f"{path}#run")


def test_dense_keys_give_the_rate(tmp_path):
    builder = Builder()
    times = [k / 24 for k in range(49)]
    values = [builder.turned("LeftLeg", (0.3 * math.sin(t), 0, 0)) for t in times]
    builder.clip("a", [["LeftLeg", "rotation", "LINEAR", times, values]])
    motion = Motion.load(builder.glb(tmp_path / "a.glb"))
    assert motion.fps == 24 and len(motion) == 49
    assert torch.allclose(bend(motion)[:, 0], 0.3 * torch.tensor(times).sin(), atol=1e-4)


MIXAMO = {"Hips": "hips", "Spine": "spine", "Head": "head", "LeftArm": "leftUpperArm", "LeftForeArm": "leftLowerArm",
          "LeftHand": "leftHand", "RightArm": "rightUpperArm", "RightForeArm": "rightLowerArm",
          "RightHand": "rightHand", "LeftUpLeg": "leftUpperLeg", "LeftLeg": "leftLowerLeg", "LeftFoot": "leftFoot",
          "LeftToeBase": "leftToes", "RightUpLeg": "rightUpperLeg", "RightLeg": "rightLowerLeg",
          "RightFoot": "rightFoot", "RightToeBase": "rightToes"}  # fmt: skip


@pytest.mark.parametrize("version", ["VRMC_vrm", "VRMC_vrm_animation", "VRM"])
def test_a_vrm_humanoid_says_which_joint_is_what(tmp_path, version):
    builder = Builder()
    builder.clip("squat", [knee(builder)])
    named = Motion.load(builder.glb(tmp_path / "named.glb"))
    for node in builder.tree["nodes"]:
        node["name"] = "?"
    nameless = Motion.load(builder.glb(tmp_path / "nameless.glb"))                      # known by its shape
    assert torch.equal(bend(nameless), bend(named))
    nodes = {bone: {"node": builder.names.index(joint)} for joint, bone in MIXAMO.items()}
    bones = [{"bone": bone, **entry} for bone, entry in nodes.items()] if version == "VRM" else nodes
    builder.tree["extensions"] = {version: {"humanoid": {"humanBones": bones}}}
    motion = Motion.load(builder.glb(tmp_path / "a.vrma"))
    assert torch.equal(bend(motion), bend(named)) and torch.equal(motion.hips, named.hips)
    builder.tree["extensions"] = {version: {"humanoid": {"humanBones": bones[1:] if version == "VRM" else {}}}}
    with pytest.raises(InputError, match="humanoid without hips"):
        Motion.load(builder.glb(tmp_path / "b.vrm"))


def test_an_exported_avatar_moves_as_before(avatar: Avatar, tmp_path):
    clip = Motion.load("walk").clipped(0, 0.5)
    avatar.export(tmp_path / "me.glb", motions={"walk": clip})
    again = Motion.load(tmp_path / "me.glb")
    assert again.fps == clip.fps and len(again) == len(clip)
    with torch.no_grad():
        a, b = (avatar.model(apply(motion, avatar.model, avatar.shape)).joints for motion in (clip, again))
    gap = b - a
    gap = gap - gap[:1, :1] * torch.tensor([1.0, 0, 1])
    assert gap.norm(dim=-1).mean() < 0.002 and gap.norm(dim=-1).max() < 0.01


def test_damaged_files_are_refused(tmp_path):
    builder = Builder()
    path = builder.glb(tmp_path / "none.glb")
    with pytest.raises(InputError, match="no animation"):
        Motion.load(path)
    builder.clip("squat", [knee(builder)])
    whole = builder.glb(tmp_path / "good.glb").read_bytes()
    tree = builder.tree

    def broken(name, change):
        builder.tree = copy.deepcopy(tree)
        change(builder.tree)
        builder.glb(tmp_path / name)
        builder.tree = tree

    broken("far.glb", lambda t: t["bufferViews"][1].update(byteOffset=10**6))
    broken("ring.glb", lambda t: t["nodes"][3].update(children=[0]))
    broken("type.glb", lambda t: t["accessors"][1].update(type="MAT4"))
    broken("count.glb", lambda t: t["accessors"][0].update(count=2))
    broken("node.glb", lambda t: t["animations"][0]["channels"][0].update(target=7))
    broken("sparse.glb", lambda t: t["accessors"][0].update(sparse={}))
    broken("nan.glb", lambda t: t["nodes"][2].update(translation=[0, math.nan, 0]))
    broken("list.glb", lambda t: t.update(nodes={}))
    (tmp_path / "cut.glb").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.glb").write_text("person")
    (tmp_path / "away.gltf").write_text(json.dumps(tree | {"buffers": [{"uri": "../a.bin", "byteLength": 1}]}))
    for name in ("far", "ring", "type", "count", "node", "sparse", "nan", "list", "cut", "text"):
        with pytest.raises(InputError, match=rf"{name}\.glb"):
            Motion.load(tmp_path / f"{name}.glb")
    with pytest.raises(InputError, match=r"\.\./a\.bin"):
        Motion.load(tmp_path / "away.gltf")
