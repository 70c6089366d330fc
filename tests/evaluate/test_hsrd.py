"""HSRD-100's layout in made-up files: nobody here has the real ones."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dinar.avatar import open_body
from dinar.camera import framing
from dinar.data.hsrd import posed_scans
from dinar.errors import InputError
from dinar.evaluate import hsrd
from dinar.evaluate.cases import azimuth_of, turn_of
from dinar.evaluate.protocols import opened
from dinar.synth.view import View


def block(colour: tuple[int, int, int]) -> dict[str, bytes]:
    """A box 0.6 x 1.8 x 0.3 m in one colour, as a scan's archive holds it."""
    corners = [(x, y, z) for x in (-0.3, 0.3) for y in (0, 1.8) for z in (-0.15, 0.15)]
    sides = [(1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4)]
    lines = ["mtllib scan.mtl", *(f"v {x} {y} {z}" for x, y, z in corners), "vt 0 0", "vt 1 0", "vt 1 1", "vt 0 1"]
    lines += ["f " + " ".join(f"{v}/{t}" for t, v in enumerate(side, start=1)) for side in sides]
    picture = Path("scan.png")
    return {
        "inner/scan.obj": "\n".join(lines).encode(),
        "inner/scan.mtl": b"newmtl one\nmap_Kd scan.png\n",
        f"inner/{picture}": _png(colour),
        "inner/normal.png": _png((128, 128, 255)),
        "../outside.txt": b"not to be written",
    }


def _png(colour: tuple[int, int, int]) -> bytes:
    import io

    out = io.BytesIO()
    Image.fromarray(np.full((64, 64, 3), colour, np.uint8)).save(out, "PNG")
    return out.getvalue()


def packed(path: Path, content: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for person in ("HSR0002", "HSR0001"):
        for k in range(3):
            pose = f"{person}-Body-{k:03d}"
            where = tmp_path / "data" / person / pose / "scans"
            packed(where / f"{pose}-Scan-LOD2.zip", block((9, 9, 9)))
            packed(where / f"{pose}-Scan-LOD1.zip", block((200, 40 * k, 0)))
        packed(tmp_path / "data" / person / f"{person}-Head-000" / "scans" / "x-Scan-LOD1.zip", block((1, 1, 1)))
    (tmp_path / "data" / "HSR0003").mkdir()
    return tmp_path


def test_one_pose_in_and_the_others_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(hsrd, "facing", lambda scan: 30.0)
    view = hsrd.PosedScan.view
    monkeypatch.setattr(hsrd.PosedScan, "view", lambda self, a, side: asked.append(a) or view(self, a, side))
    cases = opened("hsrd", folder, folder / "made", people=9, views=1)
    assert cases.people == ("HSR0001", "HSR0002") and cases.moving
    shown = cases.pictures("HSR0001")
    assert [one.name for one in shown] == [f"HSR0001-Body-{k:03d}" for k in range(3)] and asked == [30, 30, 210]
    for k, one in enumerate(shown):
        inside = one.mask[0] > 0.99
        assert one.image.shape == (3, 1024, 1024) and 0.1 < float(one.mask.mean()) < 0.6
        mean = one.image[:, inside].mean(1)
        torch.testing.assert_close(mean, torch.tensor([200.0, 40.0 * k, 0.0]) / 255, atol=0.02, rtol=0)
    assert not (folder.parent / "outside.txt").exists()


def test_where_a_body_faces_is_told_with_its_sign() -> None:
    model = open_body()
    for azimuth in (-100.0, -20.0, 0.0, 45.0, 170.0):
        camera = framing(model.template, azimuth, 0.0, (64, 64))
        view = View(torch.empty(0), torch.empty(0), camera, model.neutral())
        # a camera at this azimuth sees somebody who faces azimuth 0: it adds up to the front
        assert azimuth + turn_of(view, model) == pytest.approx(0, abs=6)
        assert azimuth_of(view, model) == pytest.approx(abs(azimuth), abs=6)


def test_other_spellings_and_unpacked_scans_are_read(tmp_path: Path) -> None:
    top = tmp_path / "HSR0009" / "HSR0009-Body-001"
    packed(top / "source" / "HSR0009-Body-001-Scan-Lod0.zip", block((0, 0, 250)))
    pose = tmp_path / "HSR0009" / "HSR0009-Body-002"
    pose.mkdir(parents=True)
    for name, data in block((0, 250, 0)).items():
        if name.startswith("inner/") and "normal" not in name:
            (pose / name.removeprefix("inner/").replace("scan.obj", "me-Scan.obj")).write_bytes(data)
    poses = posed_scans(tmp_path)["HSR0009"]
    assert [scan.file.name for scan in poses] == ["HSR0009-Body-001-Scan-Lod0.zip", "me-Scan.obj"]
    means = [scan.view(0.0, 64)[0].rgb.amax((0, 2, 3)) for scan in poses]
    assert int(means[0].argmax()) == 2 and int(means[1].argmax()) == 1


def test_what_is_wrong_is_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=r"holds no HSRD-100 .* to be had at https://"):
        _ = opened("hsrd", tmp_path / "none", folder, people=1, views=1).people
    with pytest.raises(InputError, match="hsrd needs --data"):
        opened("hsrd", None, folder, people=1, views=1)
    pose = folder / "data" / "HSR0001" / "HSR0001-Body-000"
    (pose / "scans" / "HSR0001-Body-000-Scan-LOD1.zip").write_bytes(b"PK nonsense")
    with pytest.raises(InputError, match="is damaged"):
        posed_scans(folder)["HSR0001"][0].view(0.0, 64)
    two = {**block((1, 2, 3)), "b.obj": b"v 0 0 0"}
    packed(pose / "scans" / "HSR0001-Body-000-Scan-LOD1.zip", two)
    with pytest.raises(InputError, match="holds 2 meshes"):
        posed_scans(folder)["HSR0001"][0].view(0.0, 64)
