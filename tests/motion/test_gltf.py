"""glTF animations: files built by hand, and those that dinar itself exports."""

from __future__ import annotations

import base64
import copy
import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.motion.motion import Motion, parts_of
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


def squat(builder: Builder) -> Builder:
    builder.clip("squat", [knee(builder)])
    return builder


def test_a_rest_pose_that_is_none_gives_way_to_the_skins(tmp_path):
    """The nodes stand as in a frame; the skin was bound to the standing skeleton, in axes and a measure of its own."""
    right = Motion.load(squat(Builder()).glb(tmp_path / "right.glb"))
    builder = squat(Builder())
    own = roma.rotvec_to_rotmat(torch.tensor([math.pi / 2, 0, 0], dtype=torch.float64))
    points, binding = {}, []
    for name, (above, offset) in LIMBS.items():
        points[name] = torch.tensor(offset).double() + (points[above] if above else 0)
        bound = torch.eye(4, dtype=torch.float64)
        bound[:3, :3], bound[:3, 3] = 3 * own @ builder.axes[name], 3 * own @ points[name]
        binding.append(torch.linalg.inv(bound).T.flatten().tolist())
    number = builder.accessor(binding)
    builder.tree["accessors"][number]["type"] = "MAT4"
    builder.tree["skins"] = [{"joints": list(range(len(LIMBS))), "inverseBindMatrices": number}]
    for name, turn in (("LeftUpLeg", (-0.9, 0, 0)), ("RightArm", (0, 0.4, 1.0)), ("Spine", (0.8, 0, 0))):
        builder.tree["nodes"][builder.names.index(name)]["rotation"] = builder.turned(name, turn)
    bent = ("LeftUpLeg", "RightArm", "Spine")
    still = [[name, "rotation", "STEP", [0.0], [builder.turned(name, (0, 0, 0))]] for name in bent]
    builder.clip("squat", [knee(builder), *still])
    builder.tree["animations"] = builder.tree["animations"][1:]
    motion = Motion.load(builder.glb(tmp_path / "a.glb"))
    assert torch.allclose(motion.rotations, right.rotations, atol=1e-3) and not motion.notes
    assert torch.allclose(motion.hips, right.hips, atol=1e-3)


@pytest.mark.parametrize("names", [True, False])
def test_a_mirrored_root_is_the_mirrored_motion(tmp_path, names):
    right = Motion.load(squat(Builder()).glb(tmp_path / "right.glb"))
    builder = squat(Builder())
    builder.tree["nodes"][-1]["scale"] = [-0.01, 0.01, 0.01]
    if not names:
        for node in builder.tree["nodes"]:
            del node["name"]
    motion = Motion.load(builder.glb(tmp_path / "a.glb"))
    other = motion.rotations[:, motion.names.index("rightLowerLeg")]
    assert torch.allclose(other, bend(right) * torch.tensor([1.0, -1, -1]), atol=1e-3)
    assert bend(motion).abs().max() < 1e-3
    assert torch.allclose(motion.hips, right.hips, atol=1e-3)


def test_of_two_skeletons_the_one_that_moves(tmp_path):
    right = Motion.load(squat(Builder()).glb(tmp_path / "right.glb"))
    builder = Builder()
    count = len(builder.tree["nodes"])
    again = copy.deepcopy(builder.tree["nodes"])
    for node in again:
        node["children"] = [child + count for child in node["children"]]
    builder.tree["nodes"] = [*again, *builder.tree["nodes"]]
    for node in builder.tree["nodes"]:
        node["children"] = [(child + count) % (2 * count) for child in node["children"]]
    builder.clip("squat", [knee(builder)])
    target = builder.tree["animations"][0]["channels"][0]["target"]
    target["node"] += count
    motion = Motion.load(builder.glb(tmp_path / "a.glb"))
    assert torch.allclose(motion.rotations, right.rotations, atol=1e-4)


def test_meshes_named_like_bones_are_passed_over(tmp_path):
    right = Motion.load(squat(Builder()).glb(tmp_path / "right.glb"))
    builder = squat(Builder())
    nodes = len(builder.tree["nodes"])
    builder.tree["nodes"] += [{"name": f"mixamorig:{name}", "mesh": 0} for name in ("LeftArm", "Head", "RightLeg")]
    builder.tree["nodes"][nodes - 1]["children"] += [nodes, nodes + 1, nodes + 2]
    assert torch.equal(Motion.load(builder.glb(tmp_path / "a.glb")).rotations, right.rotations)


def test_sparse_numbers(tmp_path):
    right = Motion.load(squat(Builder()).glb(tmp_path / "right.glb"))
    builder = squat(Builder())
    number = builder.tree["animations"][0]["samplers"][0]["output"]
    accessor = builder.tree["accessors"][number]
    whole = accessor.pop("bufferView")
    places = builder.accessor([0.0])
    view = builder.tree["accessors"][places]["bufferView"]
    start = len(builder.bytes)
    builder.bytes += np.arange(accessor["count"], dtype="<u2").tobytes() + b"\0\0"
    builder.tree["bufferViews"][view] = {"buffer": 0, "byteOffset": start, "byteLength": 2 * accessor["count"]}
    accessor["sparse"] = {
        "count": accessor["count"],
        "indices": {"bufferView": view, "componentType": 5123},
        "values": {"bufferView": whole},
    }
    assert torch.equal(Motion.load(builder.glb(tmp_path / "a.glb")).rotations, right.rotations)
    accessor["count"] -= 1
    with pytest.raises(InputError, match=r"b\.glb"):
        Motion.load(builder.glb(tmp_path / "b.glb"))


def test_zeros_after_the_tree_and_unknown_chunks(tmp_path):
    builder = squat(Builder())
    right = Motion.load(builder.glb(tmp_path / "a.glb"))
    content = (tmp_path / "a.glb").read_bytes()
    length = struct.unpack_from("<I", content, 12)[0]
    tree = content[20 : 20 + length].rstrip(b" ")
    tree += b"\0" * (8 - len(tree) % 4)
    strange = struct.pack("<II", 4, 0x12345678) + b"abcd"
    chunks = struct.pack("<II", len(tree), 0x4E4F534A) + tree + strange + content[20 + length :]
    (tmp_path / "b.glb").write_bytes(struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks)
    assert torch.equal(Motion.load(tmp_path / "b.glb").rotations, right.rotations)


@pytest.mark.parametrize("uri", ["./a%20b.bin", "a b.bin", "sub/../a b.bin", "/etc/hostname", "https://a.b/c.bin"])
def test_names_of_buffers(tmp_path, uri):
    builder = squat(Builder())
    right = Motion.load(builder.glb(tmp_path / "a.glb"))
    (tmp_path / "a b.bin").write_bytes(builder.bytes)
    tree = builder.tree | {"buffers": [{"uri": uri, "byteLength": len(builder.bytes)}]}
    (tmp_path / "a.gltf").write_text(json.dumps(tree))
    if uri in ("./a%20b.bin", "a b.bin"):
        assert torch.equal(Motion.load(tmp_path / "a.gltf").rotations, right.rotations)
    else:
        with pytest.raises(InputError, match="does not lie beside it"):
            Motion.load(tmp_path / "a.gltf")


def test_clips_by_number_and_odd_names(tmp_path):
    builder = Builder()
    for angle, name in ((0.1, "a|b"), (0.2, "take #2"), (0.3, "a|b"), (0.4, None)):
        builder.clip(name, [["LeftLeg", "rotation", "STEP", [0.0], [builder.turned("LeftLeg", (angle, 0, 0))]]])
    builder.tree["animations"][3].pop("name")
    path = builder.glb(tmp_path / "me #1.glb")
    assert [part.name for part in parts_of(path)] == ["1", "take #2", "3", "4"]
    for part, angle in (("a|b", 0.1), ("1", 0.1), ("take #2", 0.2), ("3", 0.3), ("4", 0.4)):
        assert bend(Motion.load(f"{path}#{part}"))[0, 0] == pytest.approx(angle, abs=1e-4)
    with pytest.raises(InputError, match="no animation 5"):
        Motion.load(f"{path}#5")


def test_what_is_packed_or_old_is_named(tmp_path, monkeypatch):
    builder = squat(Builder())
    old = builder.tree | {"asset": {"version": "1.0"}}
    (tmp_path / "old.gltf").write_text(json.dumps(old))
    with pytest.raises(InputError, match="is glTF 1"):
        Motion.load(tmp_path / "old.gltf")
    for view in builder.tree["bufferViews"]:
        packed = {"buffer": 0, "byteOffset": 0, "byteLength": 8, "byteStride": 4, "count": 1, "mode": "ATTRIBUTES"}
        view |= {"buffer": 1, "extensions": {"EXT_meshopt_compression": packed}}
    tree = builder.tree | {"buffers": [{"uri": "data:;base64,AAAAAAAAAAA=", "byteLength": 8}, {"byteLength": 8}]}
    (tmp_path / "packed.gltf").write_text(json.dumps(tree))
    monkeypatch.setitem(sys.modules, "meshopt", None)
    with pytest.raises(InputError, match="EXT_meshopt_compression"):
        Motion.load(tmp_path / "packed.gltf")


def test_packed_numbers(tmp_path):
    meshopt = pytest.importorskip("meshopt", reason="meshopt is not installed")
    builder = squat(Builder())
    right = Motion.load(builder.glb(tmp_path / "a.glb"))
    packed, places = b"", builder.tree["accessors"]
    for accessor in places:
        view = builder.tree["bufferViews"][accessor["bufferView"]]
        stride = 4 * {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        rows = np.frombuffer(builder.bytes, np.uint8, view["byteLength"], view["byteOffset"]).reshape(-1, stride)
        content = bytes(meshopt.encode_gltf_buffer(np.ascontiguousarray(rows), "ATTRIBUTES"))
        where = {"buffer": 0, "byteOffset": len(packed), "byteLength": len(content)}
        how = {"byteStride": stride, "count": len(rows), "mode": "ATTRIBUTES"}
        view |= {"buffer": 1, "extensions": {"EXT_meshopt_compression": where | how}}
        packed += content
    uri = "data:application/octet-stream;base64," + base64.b64encode(packed).decode()
    tree = builder.tree | {"buffers": [{"uri": uri, "byteLength": len(packed)}, {"byteLength": len(builder.bytes)}]}
    (tmp_path / "b.gltf").write_text(json.dumps(tree))
    assert torch.equal(Motion.load(tmp_path / "b.gltf").rotations, right.rotations)
