"""Files of the SMPL family, made up in the layouts that are published."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from dinar.body.anatomy import SMPLX_JOINTS
from dinar.errors import InputError
from dinar.motion.motion import Motion

COUNT = 6
UP = math.pi / 2        # about X: from SMPL's own Y up to AMASS's Z up


def poses(joints: int, turned: dict[str, tuple[float, float, float]], root: tuple[float, float, float]) -> np.ndarray:
    """[COUNT, joints * 3] with some joints turned, radians."""
    names = SMPLX_JOINTS if joints == 55 else (*SMPLX_JOINTS[:22], *SMPLX_JOINTS[25:])
    out = np.zeros((COUNT, joints, 3))
    out[:, 0] = root
    for joint, turn in turned.items():
        out[:, names.index(joint)] = turn
    return out.reshape(COUNT, -1)


def way() -> np.ndarray:
    """Forward, which is -Y in AMASS's world, 5 cm a frame."""
    out = np.zeros((COUNT, 3))
    out[:, 1] = -0.05 * np.arange(COUNT)
    out[:, 2] = 1.2
    return out


ELBOW = {"left_elbow": (0.0, -UP, 0.0), "right_knee": (0.5, 0.0, 0.0), "left_index1": (0.0, 0.0, -0.6)}


def smplh(folder: Path) -> Path:
    """AMASS of 2019, SMPL-H."""
    shape = {"gender": "male", "betas": np.zeros(16), "dmpls": np.zeros((COUNT, 8))}
    pose = poses(52, ELBOW, (UP, 0, 0))
    np.savez(folder / "h_poses.npz", trans=way(), poses=pose, mocap_framerate=120.0, **shape)
    return folder / "h_poses.npz"


def smplx(folder: Path, *, whole: bool) -> Path:
    """AMASS of 2021, SMPL-X; its newest files have the parts beside the whole, some only them."""
    flat = poses(55, ELBOW, (UP, 0, 0))
    fields = {
        "gender": "neutral",
        "surface_model_type": "smplx",
        "mocap_frame_rate": 120.0,
        "mocap_time_length": COUNT / 120,
        "markers_latent": np.zeros((41, 3)),
        "trans": way(),
        "betas": np.zeros(16),
        "num_betas": 16,
        "root_orient": flat[:, :3],
        "pose_body": flat[:, 3:66],
        "pose_jaw": flat[:, 66:69],
        "pose_eye": flat[:, 69:75],
        "pose_hand": flat[:, 75:],
    }
    if whole:
        fields["poses"] = flat
    np.savez(folder / "x_stageii.npz", **fields)
    return folder / "x_stageii.npz"


def codec(folder: Path) -> Path:
    """A .smpl file: Y up, camel case, float32."""
    pose = poses(55, ELBOW, (0, 0, 0)).reshape(COUNT, 55, 3).astype(np.float32)
    place = (way() @ np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])).astype(np.float32)
    with (folder / "a.smpl").open("wb") as file:
        np.savez_compressed(
            file,
            codecVersion=np.int32(2),
            smplVersion=np.int32(2),
            gender=np.int32(0),
            frameCount=np.int32(COUNT),
            frameRate=np.float32(120),
            bodyTranslation=place,
            bodyPose=pose[:, :22],
            headPose=pose[:, 22:25],
            leftHandPose=pose[:, 25:40],
            rightHandPose=pose[:, 40:],
        )
    return folder / "a.smpl"


LAYOUTS = {
    "SMPL-H": smplh,
    "SMPL-X": lambda folder: smplx(folder, whole=True),
    "SMPL-X in parts": lambda folder: smplx(folder, whole=False),
    "codec": codec,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_who_bends_what_where(tmp_path, layout):
    motion = Motion.load(LAYOUTS[layout](tmp_path))
    assert len(motion) == COUNT and motion.fps == 120
    assert {"leftLittleDistal", "leftHand", "rightHand", "leftToes"} <= set(motion.names)
    assert "rightLittleDistal" not in motion.names                          # never turned: not recorded
    turn = dict(zip(motion.names, motion.rotations[2], strict=True))
    assert turn["hips"].norm() < 1e-5                                       # upright, looking along +Z
    assert roma.rotvec_geodesic_distance(turn["leftLowerArm"], torch.tensor([0, -UP, 0.0])) < math.radians(12)
    assert roma.rotvec_geodesic_distance(turn["rightLowerLeg"], torch.tensor([0.5, 0, 0])) < math.radians(12)
    assert roma.rotvec_geodesic_distance(turn["leftIndexProximal"], torch.tensor([0, 0, -0.6])) < math.radians(12)
    step = motion.hips[1:] - motion.hips[:-1]
    assert torch.allclose(step[:, [0, 1]], torch.zeros(COUNT - 1, 2), atol=1e-5)
    assert step[:, 2].min() > 0.045 and step[:, 2].max() < 0.06             # hips are about a metre high
    assert torch.allclose(motion.hips[0], torch.tensor([0.0, 1.0, 0.0]), atol=0.02)


def test_all_layouts_are_the_same_motion(tmp_path):
    first, *others = (Motion.load(make(tmp_path)) for make in LAYOUTS.values())
    for other in others:
        common = [(first.names.index(bone), other.names.index(bone)) for bone in first.names if bone in other.names]
        here, there = (list(rows) for rows in zip(*common, strict=True))
        a, b = first.rotations[:, here], other.rotations[:, there]
        assert roma.rotvec_geodesic_distance(a, b).max() < 1e-4
        assert torch.allclose(first.hips, other.hips, atol=1e-5)


def test_up_is_told_from_the_trunk(tmp_path):
    np.savez(tmp_path / "y.npz", poses=poses(52, ELBOW, (0, 0, 0)), trans=np.zeros((COUNT, 3)), mocap_framerate=30)
    upright = Motion.load(tmp_path / "y.npz")
    assert upright.rotations[:, upright.names.index("hips")].norm(dim=-1).max() < 1e-5
    np.savez(tmp_path / "side.npz", poses=poses(52, {}, (0, 0, UP)), trans=np.zeros((COUNT, 3)), mocap_framerate=30)
    side = Motion.load(tmp_path / "side.npz")                               # trunk along -X: AMASS means Z up
    root = roma.rotvec_to_rotmat(side.rotations[0, side.names.index("hips")])
    assert torch.allclose(root[:, 1], torch.tensor([-1.0, 0, 0]), atol=1e-5)
    assert torch.allclose(root[:, 2], torch.tensor([0.0, 1, 0]), atol=1e-5)


def test_smpl_of_24_joints(tmp_path):
    pose = np.zeros((COUNT, 72))
    pose[:, 0] = UP
    np.savez(tmp_path / "a.npz", poses=pose, trans=way(), mocap_framerate=60)
    assert Motion.load(tmp_path / "a.npz").names[0] == "hips"


@pytest.mark.parametrize("suffix", [".amass.npz", ".smpl"])
@pytest.mark.parametrize("clip", Motion.shipped())
def test_round_trip(tmp_path, suffix, clip):
    motion = Motion.load(clip).clipped(0, 1)
    motion.save(tmp_path / f"a{suffix}")
    again = Motion.load(tmp_path / f"a{suffix}")
    assert again.fps == motion.fps and set(motion.names) <= set(again.names)
    rows = [again.names.index(bone) for bone in motion.names]
    assert roma.rotvec_geodesic_distance(again.rotations[:, rows], motion.rotations).max() < 1e-4
    way = again.hips - motion.hips
    assert (way - way[0]).abs().max() < 1e-5 and way[0, 1].abs() < 0.03     # the ground is told from the feet


def test_written_files_have_the_published_fields(tmp_path):
    Motion.load("walk").clipped(0, 0.5).save(tmp_path / "a.amass.npz")
    with np.load(tmp_path / "a.amass.npz", allow_pickle=False) as file:
        assert file["poses"].shape == (15, 165) and file["trans"].shape == (15, 3) and file["betas"].shape == (16,)
        assert file["mocap_frame_rate"] == file["mocap_framerate"] == 30 and file["surface_model_type"] == "smplx"
        parts = ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand")
        assert np.array_equal(np.concatenate([file[part] for part in parts], axis=1), file["poses"])
        up = roma.rotvec_to_rotmat(torch.from_numpy(file["root_orient"]))[:, :, 1]
        assert (up[:, 2] > 0.9).all()                                       # Z up
    Motion.load("walk").clipped(0, 0.5).save(tmp_path / "a.smpl")
    with np.load(tmp_path / "a.smpl", allow_pickle=False) as file:
        assert all(file[key].dtype in (np.int32, np.float32) for key in file)
        assert file["bodyPose"].shape == (15, 22, 3) and (int(file["frameCount"]), int(file["codecVersion"])) == (15, 2)


def test_what_is_no_motion_is_refused(tmp_path):
    good = {"poses": poses(52, {}, (UP, 0, 0)), "trans": way(), "mocap_framerate": 120.0}
    pickled = np.array([{"a": 1}], dtype=object)
    for name, change, word in (
        ("shape", {"poses": None, "betas": np.zeros(16)}, "no movement"),
        ("zero", {"mocap_framerate": 0.0}, "frame rate"),
        ("text", {"mocap_framerate": "fast"}, "frame rate"),
        ("short", {"trans": way()[:3]}, "do not fit"),
        ("joints", {"poses": np.zeros((COUNT, 90))}, "30 joints"),
        ("odd", {"poses": np.zeros((COUNT, 100))}, "100"),
        ("nan", {"trans": way() * np.nan}, "finite"),
        ("pickle", {"poses": pickled}, "unpickled"),
        ("none", {"poses": np.zeros((0, 156))}, "frames"),
    ):
        fields = {key: value for key, value in (good | change).items() if value is not None}
        np.savez(tmp_path / f"{name}.npz", **fields)
        with pytest.raises(InputError, match=word) as refused:
            Motion.load(tmp_path / f"{name}.npz")
        assert f"{name}.npz" in str(refused.value)
    whole = codec(tmp_path).read_bytes()
    (tmp_path / "cut.smpl").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.smpl"):
        Motion.load(tmp_path / "cut.smpl")
    np.savez(tmp_path / "skel.npz", smplVersion=np.int32(5), bodyPose=np.zeros((COUNT, 46)), frameRate=30.0)
    with pytest.raises(InputError, match="SKEL"):
        Motion.load(tmp_path / "skel.npz")


def smplh_fields() -> dict[str, np.ndarray]:
    return {"poses": poses(52, ELBOW, (UP, 0, 0)), "trans": way(), "mocap_framerate": np.array(120.0)}


def loaded(folder: Path, **fields) -> Motion:
    np.savez(folder / "a.npz", **{name: value for name, value in fields.items() if value is not None})
    return Motion.load(folder / "a.npz")


def off(a: Motion, b: Motion) -> float:
    """Degrees between two motions at most, bone by bone."""
    names = [bone for bone in a.names if bone in b.names]
    turns = [roma.rotvec_to_rotmat(m.rotations[:, [m.names.index(bone) for bone in names]]) for m in (a, b)]
    return float(torch.rad2deg(roma.rotmat_geodesic_distance(*turns)).max())


@pytest.mark.parametrize(
    ("change", "fps", "note"),
    [
        ({"mocap_framerate": None}, 30, "frame rate"),
        ({"mocap_framerate": None, "fps": 60}, 60, ""),
        ({"mocap_framerate": np.array([120.0])}, 120, ""),
        ({"mocap_framerate": np.array("120")}, 120, ""),
        ({"mocap_framerate": np.array(b"120.0")}, 120, ""),
        ({"trans": way()[:-1]}, 120, "places"),
        ({"trans": None}, 120, "on the spot"),
        ({"trans": way() * 1000}, 120, "millimetres"),
        ({"poses": smplh_fields()["poses"].reshape(COUNT, 52, 3)}, 120, ""),
        ({"poses": smplh_fields()["poses"].astype(">f8")}, 120, ""),
        ({"gender": np.array({"a": 1}, dtype=object)}, 120, ""),
    ],
)
def test_amass_as_it_comes(tmp_path, change, fps, note):
    usual, motion = loaded(tmp_path, **smplh_fields()), loaded(tmp_path, **(smplh_fields() | change))
    assert motion.fps == fps and off(usual, motion) < 0.01
    assert note in " ".join(motion.notes) and bool(motion.notes) == bool(note)
    if "on the spot" not in note:
        assert torch.allclose(motion.hips[:-1], usual.hips[:-1], atol=1e-3)


def test_a_rate_that_is_asked_for(tmp_path):
    np.savez(tmp_path / "a.npz", **{k: v for k, v in smplh_fields().items() if k != "mocap_framerate"})
    motion = Motion.load(tmp_path / "a.npz", fps=25)
    assert motion.fps == 25 and len(motion) == COUNT and not motion.notes


@pytest.mark.parametrize("matrices", [False, True])
@pytest.mark.parametrize("joints", [21, 23])
def test_what_looks_at_videos_calls_the_fields(tmp_path, matrices, joints):
    """GVHMR, WHAM, TRAM, LHM, 4D-Humans: y up, or y down in the camera's axes."""
    turned = {joint: turn for joint, turn in ELBOW.items() if "index" not in joint}
    usual = loaded(tmp_path, **(smplh_fields() | {"poses": poses(52, turned, (UP, 0, 0))}))
    body = poses(52, turned, (0, 0, 0)).reshape(COUNT, 52, 3)[:, 1 : 1 + joints].copy()
    body[:, 21:] = 0                                                # SMPL's hands
    root = np.zeros((COUNT, 1, 3))
    places = way()[:, [0, 2, 1]] * [1, 1, -1]                       # y up

    def shaped(vectors):
        return roma.rotvec_to_rotmat(torch.from_numpy(vectors)).numpy() if matrices else vectors

    for turn in (0.0, math.pi):                                     # in the camera's axes, y down
        root[..., 0] = turn
        down = np.array([1, 1, 1]) if turn == 0 else np.array([1, -1, -1])
        motion = loaded(
            tmp_path, global_orient=shaped(root), body_pose=shaped(body), transl=(places * down)[:, None], fps=120
        )
        assert off(usual, motion) < 0.01 and torch.allclose(motion.hips, usual.hips, atol=1e-3)


def test_lists_in_json(tmp_path):
    fields = {"global_orient": np.zeros((COUNT, 3)), "body_pose": np.zeros((COUNT, 63)), "transl": np.zeros((COUNT, 3))}
    (tmp_path / "a.json").write_text(json.dumps({name: value.tolist() for name, value in fields.items()}))
    assert off(Motion.load(tmp_path / "a.json"), loaded(tmp_path, **fields)) < 1e-3


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"poses": np.zeros((COUNT, 322)), "trans": way(), "fps": 30}, "Motion-X"),
        ({"results": np.array({"a": 1}, dtype=object)}, "it has results"),
        ({"global_orient": np.zeros((COUNT, 3)), "transl": way()}, "the file has global_orient, transl"),
        ({"betas": np.zeros(16), "gender": np.array("male")}, "no movement"),
        ({**smplh_fields(), "trans": way() * 1e5}, "metres"),
        ({**smplh_fields(), "mocap_framerate": np.array(0.0)}, "frame rate"),
    ],
)
def test_what_is_told_of_strange_fields(tmp_path, fields, words):
    with pytest.raises(InputError, match=words):
        loaded(tmp_path, **fields)


def test_a_frame_rate_that_is_none_and_a_damaged_member(tmp_path: Path) -> None:
    path = tmp_path / "walk.amass.npz"
    Motion.load("walk").clipped(0, 0.2).save(path)
    with np.load(path) as file:
        arrays = dict(file)
    rate = next(name for name in arrays if "rate" in name)
    for odd in (np.zeros(0), np.array([30.0, 60.0])):
        np.savez(tmp_path / "odd.npz", **arrays | {rate: odd})
        with pytest.raises(InputError, match="a frame rate that is none"):
            Motion.load(tmp_path / "odd.npz")
    np.savez_compressed(path, **arrays)
    data = bytearray(path.read_bytes())
    for start in range(60, len(data) - 400, 40):
        (tmp_path / "bad.npz").write_bytes(data[:start] + bytes(8 * [255]) + data[start + 8 :])
        try:
            Motion.load(tmp_path / "bad.npz")
        except InputError as error:
            assert "bad.npz" in str(error)
