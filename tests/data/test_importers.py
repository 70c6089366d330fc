from __future__ import annotations

import pickle
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from dinar import images
from dinar.data import importers
from dinar.data.importers import read_obj, scans, snapshots
from dinar.errors import InputError

h5py = pytest.importorskip("h5py", reason="needs h5py (extra: datasets)")


def snapshot(folder: Path, frames: int = 6, side: int = 64) -> Path:
    """Somebody who turns round once, grey frames that grow lighter; as People-Snapshot lays it out."""
    folder.mkdir(parents=True)
    with av.open(str(folder / f"{folder.name}.mp4"), "w") as video:
        stream = video.add_stream("mpeg4", rate=30)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            picture = np.full((side, side, 3), 30 * number, np.uint8)
            video.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        video.mux(stream.encode())
    masks = np.zeros((frames, side, side), np.uint8)
    for number in range(frames):
        masks[number, : 10 + number] = 1
    with h5py.File(folder / "masks.hdf5", "w") as file:
        file["masks"] = masks
    pose = np.zeros((frames + 1, 72), np.float32)       # one more than there are frames, as in the published files
    for number in range(frames + 1):
        # upside down for a camera whose y points down, then a turn about the body's own axis
        over = np.pi * np.array([np.cos(np.pi * number / frames), 0, np.sin(np.pi * number / frames)])
        pose[number, :3] = over
    with h5py.File(folder / "reconstructed_poses.hdf5", "w") as file:
        file["pose"], file["betas"] = pose, np.zeros(10, np.float32)
        file["trans"] = np.tile(np.float32([0, 0.3, 2.5]), (frames + 1, 1))
    (folder / "camera.pkl").write_bytes(b"not to be read")
    return folder


def test_people_snapshot(tmp_path: Path) -> None:
    for name in ("male-3-casual", "female-1-casual"):
        snapshot(tmp_path / "people_snapshot_public" / name)
    for data in (tmp_path, tmp_path / "people_snapshot_public"):
        assert [s.name for s in snapshots(data)] == ["female-1-casual", "male-3-casual"]
    subject = snapshots(tmp_path)[0]
    assert int(np.argmax(subject.frontality)) == 0 and subject.frontality[0] == pytest.approx(0.99, abs=0.02)
    image, mask = subject.frame(4)
    assert image.shape == (3, 64, 64) and float(image.mean()) == pytest.approx(120 / 255, abs=0.02)
    assert mask.shape == (1, 64, 64) and int(mask.sum()) == 14 * 64
    with pytest.raises(InputError, match="no mask of frame 6"):
        subject.frame(6)


def test_people_snapshot_damaged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=importers.SNAPSHOT_PAGE):
        snapshots(tmp_path)
    folder = snapshot(tmp_path / "one")
    (folder / "one.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match="cannot be read"):
        snapshots(tmp_path)[0].frame(0)
    (folder / "reconstructed_poses.hdf5").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        _ = snapshots(tmp_path)[0].frontality


PANEL = """mtllib material0.mtl
v -0.5 0 0.01
v 0.5 0 0.01
v 0.5 2 0.01
v -0.5 2 0.01
vt 0 0
vt 1 0
vt 1 1
vt 0 1
usemtl material0
f 1/1 2/2 3/3 4/4
"""


def thuman(data: Path, facing: float) -> None:
    """A panel whose upper half is red, standing with its picture to +Z, of somebody said to face elsewhere."""
    folder = data / "THuman2.0_Release" / "0007"
    folder.mkdir(parents=True)
    (folder / "0007.obj").write_text(PANEL)
    picture = torch.zeros(3, 64, 64)
    picture[0, :32], picture[2, 32:] = 1, 1
    images.save(folder / "material0.jpg", picture)
    (folder / "material0.jpg").rename(folder / "material0.jpeg")
    fit = data / "THuman2.0_smplx" / "0007_smplx_param.pkl"
    fit.parent.mkdir()
    turn = np.float32([[0, np.radians(facing), 0]])
    fit.write_bytes(pickle.dumps({"global_orient": turn, "betas": np.zeros((1, 10), np.float32)}))


@pytest.mark.parametrize("facing", [0.0, 40.0])
def test_thuman2(tmp_path: Path, facing: float) -> None:
    thuman(tmp_path, facing)
    (scan,) = scans(tmp_path)
    assert scan.name == "0007" and scan.azimuth == pytest.approx(facing, abs=1e-3)
    drawn, camera = scan.view(-facing, 96)                  # from +Z
    ahead = camera.R[2]
    torch.testing.assert_close(ahead, torch.tensor([0.0, 0.0, -1.0]), atol=1e-4, rtol=0)
    rows = drawn.mask[0, 0, :, 48].nonzero().flatten()
    top, bottom = int(rows[0]), int(rows[-1])
    assert drawn.rgb[0, :, top + 4, 48].argmax() == 0 and drawn.rgb[0, :, bottom - 4, 48].argmax() == 2
    _, behind = scan.view(180.0 - facing, 96)
    torch.testing.assert_close(behind.R[2], -ahead, atol=1e-4, rtol=0)


def test_thuman2_missing_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=importers.THUMAN2_PAGE):
        scans(tmp_path)
    thuman(tmp_path, 0.0)
    fit = tmp_path / "THuman2.0_smplx" / "0007_smplx_param.pkl"

    class Worse:
        def __reduce__(self):
            return print, ("unpickled",)

    fit.write_bytes(pickle.dumps({"global_orient": Worse()}))
    with pytest.raises(InputError, match="damaged or no smplx_param"):
        _ = scans(tmp_path)[0].azimuth
    fit.unlink()
    with pytest.raises(InputError, match="smplx_param"):
        scans(tmp_path)


def test_read_obj(tmp_path: Path) -> None:
    path = tmp_path / "a.obj"
    path.write_text(PANEL + "f -4/-4/1 -3/-3/1 -2/-2/1\n")
    vertices, faces, uv, uv_faces = read_obj(path)
    assert vertices.shape == (4, 3) and faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 1, 2]]
    assert torch.equal(faces, uv_faces) and uv[0].tolist() == [0, 1]       # origin top left
    path.write_text("v 0 0 0\nf 1 1 1\n")
    with pytest.raises(InputError, match="no texture coordinates"):
        read_obj(path)
    path.write_text(PANEL + "f 1/1 2/2 9/9\n")
    with pytest.raises(InputError, match="damaged"):
        read_obj(path)
