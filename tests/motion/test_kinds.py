"""The kinds of files that people bring: names, rest poses, axes, and what is no person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import motion_variants as variants
import pytest
import roma
import torch

from dinar.errors import InputError
from dinar.motion.joint_names import read_names
from dinar.motion.motion import Motion, parts_of
from dinar.motion.recording import Recording

BONES = ("Hips", "Spine", "Spine1", "Spine2", "Neck", "Head", "LeftShoulder", "LeftArm", "LeftForeArm", "LeftHand",
         "RightShoulder", "RightArm", "RightForeArm", "RightHand", "LeftUpLeg", "LeftLeg", "LeftFoot", "LeftToeBase",
         "RightUpLeg", "RightLeg", "RightFoot", "RightToeBase")  # fmt: skip
CUSTOMS = {
    "deepmotion": "hips_JNT spine_JNT spine1_JNT spine2_JNT neck_JNT head_JNT l_shoulder_JNT l_arm_JNT l_forearm_JNT "
                  "l_hand_JNT r_shoulder_JNT r_arm_JNT r_forearm_JNT r_hand_JNT l_upleg_JNT l_leg_JNT l_foot_JNT "
                  "l_toebase_JNT r_upleg_JNT r_leg_JNT r_foot_JNT r_toebase_JNT",
    "motive": "Hip Ab Chest Chest2 Neck Head LShoulder LUArm LFArm LHand RShoulder RUArm RFArm RHand LThigh LShin "
              "LFoot LToe RThigh RShin RFoot RToe",
    "kinect": "SpineBase SpineMid SpineChest SpineShoulder Neck Head ClavicleLeft ShoulderLeft ElbowLeft WristLeft "
              "ClavicleRight ShoulderRight ElbowRight WristRight HipLeft KneeLeft AnkleLeft FootLeft HipRight "
              "KneeRight AnkleRight FootRight",
    "cats": "Hips|Spine|Chest|Upper Chest|Neck|Head|Left shoulder|Left arm|Left elbow|Left wrist|Right shoulder|"
            "Right arm|Right elbow|Right wrist|Left leg|Left knee|Left ankle|Left toe|Right leg|Right knee|"
            "Right ankle|Right toe",
    "mmd": "センター 上半身 上半身2 上半身3 首 頭 左肩 左腕 左ひじ 左手首 右肩 右腕 右ひじ 右手首 左足 左ひざ 左足首 "
           "左つま先 右足 右ひざ 右足首 右つま先",
    "smpl": "m_avg_Pelvis m_avg_Spine1 m_avg_Spine2 m_avg_Spine3 m_avg_Neck m_avg_Head m_avg_L_Collar m_avg_L_Shoulder "
            "m_avg_L_Elbow m_avg_L_Wrist m_avg_R_Collar m_avg_R_Shoulder m_avg_R_Elbow m_avg_R_Wrist m_avg_L_Hip "
            "m_avg_L_Knee m_avg_L_Ankle m_avg_L_Foot m_avg_R_Hip m_avg_R_Knee m_avg_R_Ankle m_avg_R_Foot",
    "daz": "hip abdomenLower abdomenUpper chestLower neckLower head lCollar lShldrBend lForearmBend lHand rCollar "
           "rShldrBend rForearmBend rHand lThighBend lShin lFoot lToe rThighBend rShin rFoot rToe",
    "biovision": "Hips Chest Chest2 Chest3 Neck Head LeftCollar LeftUpArm LeftLowArm LeftHand RightCollar RightUpArm "
                 "RightLowArm RightHand LeftUpLeg LeftLowLeg LeftFoot LeftToe RightUpLeg RightLowLeg RightFoot "
                 "RightToe",
}  # fmt: skip


@pytest.fixture(scope="module")
def walk(tmp_path_factory) -> Recording:
    recording = variants.walk(tmp_path_factory.mktemp("walk"))
    assert sorted(recording.names) == sorted(BONES)
    return recording


@pytest.fixture(scope="module")
def right(walk, tmp_path_factory) -> Motion:
    return Motion.load(variants.write(tmp_path_factory.mktemp("right") / "a.bvh", walk))


def renamed(walk: Recording, names: list[str]) -> list[str]:
    return [names[BONES.index(name)] for name in walk.names]


@pytest.mark.parametrize(
    "names",
    [
        *(pytest.param(text.split("|" if "|" in text else None), id=custom) for custom, text in CUSTOMS.items()),
        pytest.param([f"Character1_{name}" for name in BONES], id="humanik"),
        pytest.param([f"CC_Base_{name}" for name in BONES], id="prefix"),
        pytest.param([f"mixamorig:{name}_{k:02d}" for k, name in enumerate(BONES)], id="sketchfab"),
        pytest.param([name.upper() for name in BONES], id="capitals"),
        pytest.param([f"a:b:{name}" for name in BONES], id="namespaces"),
        pytest.param([f"joint_{k}" for k in range(len(BONES))], id="numbers"),
        pytest.param(["x"] * len(BONES), id="none"),
    ],
)
def test_names_only_help(tmp_path, walk, right, names):
    path = variants.write(tmp_path / "a.bvh", walk, names=renamed(walk, list(names)))
    assert variants.angles(right, path).max() < 0.1


def test_names_in_shift_jis(tmp_path, walk, right):
    names = renamed(walk, CUSTOMS["mmd"].split())
    path = variants.write(tmp_path / "a.bvh", walk, names=names, encoding="cp932")
    assert variants.angles(right, path).max() < 0.1


def test_what_names_say():
    said = read_names(["lThighBend", "LEFTUPLEG", "LUArm", "upperleg01.L", "左ひざ", "Bip01 R UpperArm", "Head_M", "f"])
    assert [(name.side, name.core) for name in said] == [
        ("left", "thighbend"), ("left", "upleg"), ("left", "uarm"), ("left", "upperleg01"), ("left", "ひざ"),
        ("right", "bip01upperarm"), ("", "head"), ("", "f"),
    ]  # fmt: skip


def test_helpers_between_are_passed_over(tmp_path, walk, right):
    """A joint that never turns before each thigh, as in CMU's skeletons, and no names at all."""
    names, parents, offsets, rotations = list(walk.names), list(walk.parents), walk.offsets, walk.rotations
    for side in ("Left", "Right"):
        thigh = names.index(f"{side}UpLeg")
        names.insert(thigh, f"{side}Helper")
        parents = [p + (p >= thigh) for p in parents]
        parents.insert(thigh, parents[thigh])
        parents[thigh + 1] = thigh
        offsets = torch.cat([offsets[:thigh], offsets[thigh : thigh + 1] * 0.3, offsets[thigh:]])
        offsets[thigh + 1] = offsets[thigh + 1] * 0.7
        rotations = torch.cat([rotations[:, :thigh], torch.zeros_like(rotations[:, :1]), rotations[:, thigh:]], dim=1)
    ends = {names.index(walk.names[j]): end for j, end in walk.ends.items()}
    positions = offsets.expand(len(rotations), -1, -1).clone()
    positions[:, 0] = walk.positions[:, 0]
    helped = replace(walk, names=tuple(names), parents=tuple(parents), offsets=offsets, rotations=rotations,
                     positions=positions, ends=ends)  # fmt: skip
    path = variants.write(tmp_path / "a.bvh", helped, names=[f"n{k}" for k in range(len(names))])
    assert variants.angles(right, path).max() < 0.1


def test_four_legs_and_no_arms_are_no_person(tmp_path, walk):
    offsets = walk.offsets.clone()
    for j, (name, above) in enumerate(zip(walk.names, walk.parents, strict=True)):
        over = walk.names[above] if above >= 0 else ""
        if name.startswith(("Spine", "Neck", "Head")) or name.endswith("Shoulder"):
            offsets[j] = torch.tensor([offsets[j, 0], 0.0, offsets[j, 1]])          # a level spine
        elif "Arm" in over:
            offsets[j] = torch.tensor([0.0, -float(offsets[j].norm()), 0.0])        # forelegs
    positions = offsets.expand(len(walk.positions), -1, -1).clone()
    positions[:, 0] = walk.positions[:, 0]
    names = tuple(f"j{k}" for k in range(len(walk.names)))
    fox = replace(still(walk), offsets=offsets, positions=positions, names=names)
    with pytest.raises(InputError, match="joints that say nothing: j0, j1"):
        Motion.load(variants.write(tmp_path / "fox.bvh", fox))
    arms = ("Arm", "Hand", "Shoulder")
    legs = [j for j, name in enumerate(walk.names) if not any(part in name for part in arms)]
    kept = {j: k for k, j in enumerate(legs)}
    legged = replace(
        walk,
        names=tuple(walk.names[j] for j in legs),
        parents=tuple(kept.get(walk.parents[j], -1) for j in legs),
        offsets=walk.offsets[legs],
        ends={kept[j]: end for j, end in walk.ends.items() if j in kept},
        rotations=walk.rotations[:, legs],
        positions=walk.positions[:, legs],
    )
    with pytest.raises(InputError, match="leftUpperArm"):
        Motion.load(variants.write(tmp_path / "legs.bvh", legged))


def still(recording: Recording) -> Recording:
    return replace(recording, rotations=torch.zeros_like(recording.rotations))


def along_x(walk: Recording) -> torch.Tensor:
    """How joints rest whose way to their first child lies along their own x."""
    rest = torch.eye(3).repeat(len(walk.names), 1, 1)
    for j in range(len(walk.names)):
        below = next((k for k, parent in enumerate(walk.parents) if parent == j), None)
        way = walk.ends[j] if below is None else walk.offsets[below]
        first = torch.nn.functional.normalize(way, dim=0)
        second = torch.linalg.cross(torch.tensor([0.3, 0.5, 0.8]), first)
        second = torch.nn.functional.normalize(second, dim=0)
        rest[j] = torch.stack([first, second, torch.linalg.cross(first, second)])
    return rest


def test_a_heap_at_rest_is_told_from_the_movement(tmp_path, walk, right):
    path = variants.write(tmp_path / "a.bvh", walk, rest=along_x(walk))
    assert "no standing person" in " ".join(Motion.load(path).notes)
    off = variants.angles(right, path)
    assert off.mean() < 8
    shins = [right.names.index(f"{side}LowerLeg") for side in ("left", "right")]
    assert off[:, shins].max() < 3


def test_the_first_frame_as_rest_pose(tmp_path, walk, right):
    first = walk.global_pose()[0][0]
    path = variants.write(tmp_path / "a.bvh", walk, rest=first)
    off = variants.angles(right, path)
    assert off.mean() < 8
    assert "no standing person" in " ".join(Motion.load(path).notes)


def _is_number(word: str) -> bool:
    return word.lstrip("-").replace(".", "", 1).isdigit()


def turned_rest(walk: Recording, degrees: tuple[float, float, float], joint: str) -> torch.Tensor:
    """How joints rest when one of them, with all below it, is turned out of the T-pose."""
    turn = roma.rotvec_to_rotmat(torch.deg2rad(torch.tensor(degrees)))
    below = {walk.names.index(joint)}
    rest = torch.eye(3).repeat(len(walk.names), 1, 1)
    for j, parent in enumerate(walk.parents):
        below |= {j} if parent in below else set()
        if j in below:
            rest[j] = turn
    return rest


@pytest.mark.parametrize("joint", ["Spine", "Neck"])
def test_a_bent_rest_pose_bends_nobody(tmp_path, walk, right, joint):
    """Trunk or neck bent by more than people's skeletons rest."""
    path = variants.write(tmp_path / "a.bvh", walk, rest=turned_rest(walk, (60.0, 0.0, 0.0), joint))
    assert "no standing person" in " ".join(Motion.load(path).notes)
    off = variants.angles(right, path)
    assert off[:, [right.names.index(bone) for bone in ("hips", "spine", "chest", "neck", "head")]].max() < 20


@pytest.mark.parametrize(
    ("turn", "most"), [((0.0, 45.0, 0.0), 1.0), ((0.0, -130.0, 0.0), 1.0), ((30.0, 0.0, 0.0), 8.0)], ids=str
)
def test_a_rest_pose_that_is_turned_or_leans_leans_nobody(tmp_path, walk, right, turn, most):
    path = variants.write(tmp_path / "a.bvh", walk, rest=turned_rest(walk, turn, "Hips"))
    other = Motion.load(path)
    assert variants.angles(right, path).max() < most
    assert (other.hips[:, 1] - right.hips[:, 1]).abs().max() < 0.05


def test_two_walks_that_one_file_may_be(tmp_path, walk):
    """Why a first frame as rest pose is told and not right: the neck's own twist, all the time, is not in the file."""
    neck, head = walk.names.index("Neck"), walk.names.index("Head")
    offsets = walk.offsets.clone()
    offsets[head] = torch.tensor([0.0, float(offsets[head].norm()), 0.0])
    straight = replace(walk, offsets=offsets)
    turn = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.5, 0.0]))
    turns = roma.rotvec_to_rotmat(straight.rotations)
    turns[:, neck] = turns[:, neck] @ turn                     # the neck twists by half a radian ...
    turns[:, head] = turn.T @ turns[:, head]                   # ... and the head back again
    twisted = replace(straight, rotations=roma.rotmat_to_rotvec(turns))
    files = []
    for name, recording in (("a.bvh", straight), ("b.bvh", twisted)):
        rest = recording.global_pose()[0][0]
        files.append(variants.write(tmp_path / name, recording, rest=rest).read_text().splitlines())
    numbers = [torch.tensor([float(v) for line in file for v in line.split() if _is_number(v)]) for file in files]
    assert torch.allclose(numbers[0], numbers[1], atol=2e-3)
    assert variants.angles(Motion.load(variants.write(tmp_path / "c.bvh", straight)),
                           variants.write(tmp_path / "d.bvh", twisted)).max() > 28


@pytest.mark.parametrize("turn", [(90, 0, 0), (-90, 0, 0), (180, 0, 0), (0, 0, 90)], ids=str)
def test_up_is_what_feet_and_head_say(tmp_path, walk, right, turn):
    """The rest pose is y up, the movement is not."""
    world = roma.rotvec_to_rotmat(torch.deg2rad(torch.tensor(turn, dtype=torch.float32)))
    path = variants.write(tmp_path / "a.bvh", walk, world=world)
    other = Motion.load(path)
    hips = roma.rotvec_to_rotmat(other.rotations[:, other.names.index("hips")])
    assert hips[:, 1, 1].min() > 0.9
    assert torch.allclose(other.hips[:, 1], right.hips[:, 1], atol=1e-3)
    assert variants.angles(right, path).max() < 0.1


def test_who_lies_all_the_time_stays_lying(tmp_path, walk):
    lying = still(walk)
    lying.rotations[:, 0, 0] = -torch.pi / 2
    lying.positions[:, 0] = torch.tensor([0.0, 10.0, 0.0])
    motion = Motion.load(variants.write(tmp_path / "a.bvh", lying))
    hips = roma.rotvec_to_rotmat(motion.rotations[:, motion.names.index("hips")])
    assert hips[:, 1, 1].abs().max() < 0.01


def rows(path: Path, change) -> Path:
    lines = path.read_text().splitlines()
    start = lines.index("MOTION")
    path.write_text("\n".join(change(lines, start)) + "\n")
    return path


@pytest.mark.parametrize(
    ("change", "frames", "fps", "note"),
    [
        (lambda lines, k: [*lines[: k + 1], "Frames: 20", *lines[k + 2 :]], 24, 20, "announces 20 frames and holds 24"),
        (lambda lines, k: [*lines[: k + 1], "Frames: 90", *lines[k + 2 :]], 24, 20, "announces 90 frames and holds 24"),
        (lambda lines, k: [*lines[:-1], lines[-1][:40]], 23, 20, "the last row is cut"),
        (lambda lines, k: [*lines[: k + 2], "Frame Time: 50", *lines[k + 3 :]], 24, 50, "makes no sense"),
        (lambda lines, k: [*lines[: k + 2], "Frame Time: 33.3333", *lines[k + 3 :]], 24, 30, "milliseconds"),
        (lambda lines, k: lines[: k + 2] + lines[k + 3 :], 24, 30, "no frame time"),
        (lambda lines, k: [line.replace(".", ",") for line in lines], 24, 20, "decimal commas"),
        (lambda lines, k: [*lines[: k + 3], *(row.replace(" -", "-") for row in lines[k + 3 :])], 24, 20, "touch each"),
        (lambda lines, k: ["# by hand", *lines], 24, 20, ""),
    ],
)
def test_bvh_as_it_comes(tmp_path, walk, change, frames, fps, note):
    motion = Motion.load(rows(variants.write(tmp_path / "a.bvh", walk), change))
    assert (len(motion), motion.fps) == (frames, fps)
    assert note in " ".join(motion.notes) and bool(motion.notes) == bool(note)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_encodings(tmp_path, walk, right, encoding):
    path = variants.write(tmp_path / "a.bvh", walk, encoding=encoding)
    assert variants.angles(right, path).max() < 0.1


def test_two_people_in_a_file(tmp_path, walk):
    """The second one stands still."""
    one = variants.write(tmp_path / "one.bvh", walk).read_text().splitlines()
    other = variants.write(tmp_path / "other.bvh", still(walk)).read_text().splitlines()
    start = one.index("MOTION")
    both = [*one[:start], *other[1:start], *one[start : start + 3]]
    both += [f"{a} {b}" for a, b in zip(one[start + 3 :], other[start + 3 :], strict=True)]
    path = tmp_path / "two.bvh"
    path.write_text("\n".join(both))
    assert [part.name for part in parts_of(path)] == ["1", "2"]
    first, second = Motion.load(f"{path}#1"), Motion.load(f"{path}#2")
    assert torch.equal(Motion.load(path).rotations, first.rotations) and first.rotations.abs().max() > 0.3
    assert second.rotations.abs().max() < 1e-3
    with pytest.raises(InputError, match="no person 3; it has 2"):
        Motion.load(f"{path}#3")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.bvh", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        ("a.npz", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        ("a.glb", b"<!DOCTYPE html><html></html>", "web page"),
        ("a.glb", b"Kaydara FBX Binary  \x00", "is FBX"),
        ("a.fbx", b"", "Blender turns it into"),
        ("a.vmd", b"", "dinar reads .bvh"),
        ("a.npy", b"", "dinar reads .bvh"),
        ("a.pkl", b"", "never opened"),
        ("a.pt", b"", "never opened"),
        ("._a.npz", b"\x00\x05\x16\x07\x00", "macOS"),
        ("a.bvh#x", b"", "neither a motion file"),
    ],
)
def test_what_stands_in_a_files_place_is_named(tmp_path, name, content, words):
    if "#" not in name:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        Motion.load(tmp_path / name)
