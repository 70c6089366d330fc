"""BVH files, written by hand and real ones."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import roma
import torch

from dinar.errors import InputError
from dinar.motion.bvh import read_bvh
from dinar.motion.motion import Motion
from dinar.motion.person import humanoid_chains

ASSETS = Path(__file__).parents[3] / "shared" / "assets" / "motion"
needs_assets = pytest.mark.skipif(not ASSETS.is_dir(), reason="../shared/assets/motion is not here")

ARM = """HIERARCHY
ROOT a {
  OFFSET 1 2e0 3
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT b b
  {
    OFFSET\t0 10.0 0
    CHANNELS 3 yrotation XROTATION Zrotation
    End Site { OFFSET 0 +5 -1.5E-1 }
  }
}
MOTION
Frames:2
Frame Time:   .05
0 0 0 0 0 0 0 0 0

1 2 3   90 0 0   30 20
10
"""

LIMBS = [("LeftUpLeg", "Hips", (1, 0, 0)), ("LeftLeg", "LeftUpLeg", (0, -4, 0)), ("LeftFoot", "LeftLeg", (0, -4, 0)),
         ("RightUpLeg", "Hips", (-1, 0, 0)), ("RightLeg", "RightUpLeg", (0, -4, 0)),
         ("RightFoot", "RightLeg", (0, -4, 0)),
         ("Spine", "Hips", (0, 3, 0)), ("Head", "Spine", (0, 3, 0)),
         ("LeftArm", "Spine", (2, 2, 0)), ("LeftForeArm", "LeftArm", (0, -3, 0)),
         ("LeftHand", "LeftForeArm", (0, -3, 0)),
         ("RightArm", "Spine", (-2, 2, 0)), ("RightForeArm", "RightArm", (0, -3, 0)),
         ("RightHand", "RightForeArm", (0, -3, 0))]  # fmt: skip


def person(turned: dict[str, str] | None = None, *, z_up: bool = False) -> str:
    """A BVH of one frame whose rest pose has hanging arms; `turned`: joint -> its Z, X and Y angles, degrees."""
    turned, numbers = turned or {}, []

    def offset(v):
        x, y, z = v
        return f"{x} {-z} {y}" if z_up else f"{x} {y} {z}"

    def block(name, v, depth):
        numbers.append(turned.get(name, "0 0 0"))
        kids = "".join(block(n, o, depth + 1) for n, parent, o in LIMBS if parent == name)
        kids = kids or f"End Site\n{{\nOFFSET {offset((0, -0.2, 1))}\n}}\n"
        head = "JOINT" if depth else "ROOT"
        channels = ("" if depth else "Xposition Yposition Zposition ") + "Zrotation Xrotation Yrotation"
        return f"{head} {name}\n{{\nOFFSET {offset(v)}\nCHANNELS {len(channels.split())} {channels}\n{kids}}}\n"

    tree = block("Hips", (0, 0, 0), 0)
    return f"HIERARCHY\n{tree}MOTION\nFrames: 1\nFrame Time: 0.1\n{offset((7, 8.2, 9))} {' '.join(numbers)}\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "some.bvh"
    path.write_text(text)
    return path


def test_reads_channels_in_their_own_order(tmp_path):
    bvh = read_bvh(write(tmp_path, ARM))
    assert bvh.names == ("a", "b b") and bvh.parents == (-1, 0) and bvh.fps == pytest.approx(20)
    assert torch.allclose(bvh.ends[1], torch.tensor([0, 5, -0.15]))
    rotations, positions = bvh.global_pose()
    assert torch.allclose(positions[1], torch.tensor([[1.0, 2, 3], [-9, 2, 3]]), atol=1e-5)     # up turned to -X
    angles = torch.deg2rad(torch.tensor([30.0, 20, 10]))
    expected = roma.euler_to_rotmat("YXZ", angles)
    assert torch.allclose(rotations[1, 0].T @ rotations[1, 1], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda t: t.replace("10\n", "nine\n"), 18),
        (lambda t: t.replace("0 0 0 0 0 0 0 0 0", "0 0 0 0 0 0 0 0"), 15),
        (lambda t: t.replace("0 0 0 0 0 0 0 0 0", "0 0 0 0 0 0 0 0 nan"), 15),
        (lambda t: t.replace("yrotation", "wrotation"), 8),
        (lambda t: t.replace(".05", "0"), 14),
        (lambda t: t.replace("2e0", "two"), 3),
        (lambda t: t.replace("HIERARCHY", "HIERARCHIE"), 1),
        (lambda t: t[: t.index("End")], 9),
    ],
)
def test_names_the_line_of_a_fault(tmp_path, change, line):
    with pytest.raises(InputError, match=rf"line {line}\b"):
        read_bvh(write(tmp_path, change(ARM)))


def test_hanging_arms_are_no_t_pose(tmp_path):
    motion = Motion.load(write(tmp_path, person()))
    arms = dict(zip(motion.names, motion.rotations[0], strict=True))
    assert torch.allclose(arms["leftUpperArm"], torch.tensor([0, 0, -math.pi / 2]), atol=1e-5)
    assert torch.allclose(arms["rightUpperArm"], torch.tensor([0, 0, math.pi / 2]), atol=1e-5)
    others = [v for k, v in arms.items() if not k.endswith("UpperArm")]
    assert torch.stack(others).abs().max() < 1e-5
    assert torch.allclose(motion.hips, torch.tensor([[0.0, 1.0, 0.0]]), atol=1e-5)


def test_z_up_files_mean_the_same(tmp_path):
    # the knee bends backwards about the person's X axis, whatever the file calls the axes
    plain = Motion.load(write(tmp_path, person({"LeftLeg": "0 40 0"})))
    turned = Motion.load(write(tmp_path, person({"LeftLeg": "0 40 0"}, z_up=True)))
    assert torch.allclose(plain.rotations, turned.rotations, atol=1e-5)
    knee = plain.rotations[0, plain.names.index("leftLowerLeg")]
    assert torch.allclose(knee, torch.tensor([math.radians(40), 0, 0]), atol=1e-5)


def test_refuses_what_is_no_person(tmp_path):
    with pytest.raises(InputError, match="leftUpperLeg"):
        Motion.load(write(tmp_path, ARM))


def test_strange_names_are_known_by_their_place(tmp_path):
    plain = Motion.load(write(tmp_path, person({"LeftLeg": "0 40 0"})))
    text = person({"LeftLeg": "0 40 0"}).replace("LeftForeArm", "Ulna").replace("RightLeg", "Shank")
    strange = Motion.load(write(tmp_path, text))
    assert strange.names == plain.names and torch.equal(strange.rotations, plain.rotations)


def test_names_every_bone_that_is_missing_and_every_joint_that_is_strange(tmp_path):
    text = person().replace("OFFSET 0 -4 0", "OFFSET 0 -0.1 0").replace("LeftForeArm", "Ulna")     # legs too short
    with pytest.raises(InputError, match=r"rightLowerLeg, leftLowerArm.*: .*Shank.*Ulna"):
        Motion.load(write(tmp_path, text.replace("RightLeg", "Shank")))


def test_names_of_engines():
    parents = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 10, 9, 12, 13, 14, 9, 16, 17, 18)
    vroid = [f"J_Bip_{name}" for name in (
        "C_Hips", "L_UpperLeg", "L_LowerLeg", "L_Foot", "R_UpperLeg", "R_LowerLeg", "R_Foot", "C_Spine", "C_Chest",
        "C_UpperChest", "C_Neck", "C_Head", "L_Shoulder", "L_UpperArm", "L_LowerArm", "L_Hand", "R_Shoulder",
        "R_UpperArm", "R_LowerArm", "R_Hand")]  # fmt: skip
    unreal = ["pelvis", "thigh_l", "calf_l", "foot_l", "thigh_r", "calf_r", "foot_r", "spine_01", "spine_02",
              "spine_03", "neck_01", "head", "clavicle_l", "upperarm_l", "lowerarm_l", "hand_l", "clavicle_r",
              "upperarm_r", "lowerarm_r", "hand_r"]  # fmt: skip
    rigify = ["DEF-spine", "DEF-thigh.L", "DEF-shin.L", "DEF-foot.L", "DEF-thigh.R", "DEF-shin.R", "DEF-foot.R",
              "DEF-spine.001", "DEF-spine.002", "DEF-spine.003", "DEF-neck", "DEF-head", "DEF-shoulder.L",
              "DEF-upper_arm.L", "DEF-forearm.L", "DEF-hand.L", "DEF-shoulder.R", "DEF-upper_arm.R", "DEF-forearm.R",
              "DEF-hand.R"]  # fmt: skip
    vrm = ["hips", "leftUpperLeg", "leftLowerLeg", "leftFoot", "rightUpperLeg", "rightLowerLeg", "rightFoot", "spine",
           "chest", "upperChest", "neck", "head", "leftShoulder", "leftUpperArm", "leftLowerArm", "leftHand",
           "rightShoulder", "rightUpperArm", "rightLowerArm", "rightHand"]  # fmt: skip
    a, *others = (humanoid_chains(tuple(names), parents, "a") for names in (vrm, vroid, unreal, rigify))
    assert all(a[bone] == (vrm.index(bone),) for bone in vrm)
    assert all(other == a for other in others)


@pytest.mark.parametrize("clip", Motion.shipped())
def test_round_trip(tmp_path, clip):
    motion = Motion.load(clip).clipped(0, 1)
    motion.save(tmp_path / "a.bvh")
    again = Motion.load(tmp_path / "a.bvh")
    assert again.fps == motion.fps and set(motion.names) <= set(again.names)
    rows = [again.names.index(bone) for bone in motion.names]
    assert roma.rotvec_geodesic_distance(again.rotations[:, rows], motion.rotations).max() < 1e-3
    way = again.hips - motion.hips
    assert (way - way[0]).abs().max() < 1e-4 and way[0, 1].abs() < 0.03     # the ground is told from the feet


def test_a_motion_of_few_bones_is_a_whole_skeleton(tmp_path):
    head = torch.zeros(4, 1, 3)
    head[:, 0, 0] = torch.tensor([0, 0.2, 0.3, 0.1])
    Motion(("head",), head, torch.tensor([[0.0, 1, 0]]).expand(4, 3), 24).save(tmp_path / "nod.bvh")
    bvh = read_bvh(tmp_path / "nod.bvh")
    assert {"Hips", "Head", "LeftForeArm", "RightToeBase"} <= set(bvh.names) and "LeftHandIndex1" not in bvh.names
    again = Motion.load(tmp_path / "nod.bvh")
    assert torch.allclose(again.rotations[:, again.names.index("head")], head[:, 0], atol=1e-5)
    assert again.rotations.abs().sum() == pytest.approx(0.6, abs=1e-4)
    assert torch.allclose(again.hips, torch.tensor([0.0, 1, 0]), atol=1e-5)


def test_written_angles_do_not_jump(tmp_path):
    turn = torch.zeros(40, 1, 3)
    turn[:, 0, 1] = torch.linspace(0, 6, 40)                                # nearly once around
    Motion(("hips",), turn, torch.tensor([[0.0, 1, 0]]).expand(40, 3), 30).save(tmp_path / "a.bvh")
    lines = (tmp_path / "a.bvh").read_text().splitlines()
    angle = torch.tensor([float(line.split()[5]) for line in lines[lines.index("Frames: 40") + 2 :]])
    assert (angle[1:] - angle[:-1]).abs().max() < 10


def test_names_of_several_customs():
    mixamo = ["Hips", "LeftUpLeg", "LeftLeg", "LeftFoot", "RightUpLeg", "RightLeg", "RightFoot", "Spine", "Spine1",
              "Spine2", "Neck", "Head", "LeftShoulder", "LeftArm", "LeftForeArm", "LeftHand", "RightShoulder",
              "RightArm", "RightForeArm", "RightHand"]  # fmt: skip
    smpl = ["pelvis", "left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle", "spine1",
            "spine2", "spine3", "neck", "head", "left_collar", "left_shoulder", "left_elbow", "left_wrist",
            "right_collar", "right_shoulder", "right_elbow", "right_wrist"]  # fmt: skip
    parents = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 10, 9, 12, 13, 14, 9, 16, 17, 18)
    a = humanoid_chains(tuple(f"mixamorig:{name}" for name in mixamo), parents, "a")
    b = humanoid_chains(tuple(smpl), parents, "b")
    assert a == b
    assert a["leftShoulder"] == (12,) and a["leftUpperArm"] == (13,) and a["upperChest"] == (9,) and a["hips"] == (0,)


RECORDED = ["cmu_bvh/cmu_02_01_walk", "cmu_bvh/cmu_02_02", "cmu_bvh/cmu_10_01", "makehuman_cc0/walk1"]


@needs_assets
@pytest.mark.parametrize("file", RECORDED)
def test_recorded_people_stand_and_bend_their_knees_forward(file):
    motion = Motion.load(ASSETS / f"{file}.bvh")
    assert 0.8 < motion.hips[:, 1].median() < 1.1
    for side in ("left", "right"):
        knee = motion.rotations[:, motion.names.index(f"{side}LowerLeg"), 0]
        assert knee.max() > 0.5 and knee.min() > -0.35


@needs_assets
def test_makehuman_t_pose_is_the_t_pose():
    motion = Motion.load(ASSETS / "makehuman_cc0" / "tpose.bvh")
    turn = dict(zip(motion.names, roma.rotvec_to_rotmat(motion.rotations[0]), strict=True))
    for side in ("left", "right"):
        arm = turn[f"{side}Shoulder"] @ turn[f"{side}UpperArm"] @ turn[f"{side}LowerArm"]       # shrugged, arms level
        assert roma.rotmat_to_rotvec(arm).norm() < math.radians(8)


@needs_assets
@pytest.mark.parametrize("path", sorted(ASSETS.rglob("*.bvh")), ids=lambda path: path.stem)
def test_every_skeleton_at_hand_is_known(path):
    """CMU's own, MotionBuilder's and MakeHuman's."""
    motion = Motion.load(path)
    limbs = [f"{side}{part}" for side in ("left", "right") for part in ("UpperArm", "LowerArm", "UpperLeg", "LowerLeg")]
    assert {"hips", "spine", "chest", "head", "leftFoot", "rightFoot", *limbs} <= set(motion.names)
    assert motion.rotations.isfinite().all() and motion.fps in (24, 30, 120)


@needs_assets
def test_calibration_frame_is_dropped():
    path = ASSETS / "cmu_bvh" / "cmu_07_01_walk.bvh"
    assert len(Motion.load(path)) == len(read_bvh(path).rotations) - 1
