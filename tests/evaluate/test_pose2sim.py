from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from perceptual.pairs import at_hand

from dinar.errors import InputError
from dinar.evaluate import pose2sim
from dinar.evaluate.pose2sim import CAMERAS, Pose2Sim, frame, video_of
from dinar.evaluate.protocols import opened
from dinar.store import FILES


def clip(path: Path) -> Path:
    with av.open(str(path), "w") as video:
        stream = video.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 96, "yuv420p"
        for number in range(4):
            picture = np.full((96, 64, 3), 40 * number, np.uint8)
            video.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        video.mux(stream.encode())
    return path


def test_one_moment_from_four_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {video_of(camera): clip(tmp_path / f"{camera}.mp4") for camera in CAMERAS.values()}

    class Shelf:
        def paths(self, names: list[str]) -> dict[str, Path]:
            assert set(names) == set(paths)
            return {name: paths[name] for name in names}

    monkeypatch.setattr(pose2sim, "Store", Shelf)
    cases = opened("pose2sim", None, tmp_path / "made", people=5, views=1)
    assert cases.people == ("frame00",)
    shown = cases.pictures("frame00")
    assert [one.name for one in shown] == ["front", "left", "right-behind", "left-behind"]
    assert all(one.image.shape == (3, 96, 64) and one.mask is None for one in shown)
    assert float(frame(paths[video_of(1)], 2).mean()) == pytest.approx(80 / 255, abs=0.02)
    with pytest.raises(InputError, match="no frame 9"):
        frame(paths[video_of(1)], 9)
    with pytest.raises(InputError, match="takes no --data"):
        opened("pose2sim", tmp_path, tmp_path / "made", people=1, views=1)


def test_the_store_has_all_four() -> None:
    packages = {FILES[video_of(camera)].package.requirement for camera in CAMERAS.values()}
    assert packages == {"pose2sim==0.10.49"} and all(FILES[video_of(c)].optional for c in CAMERAS.values())


def test_the_real_videos_show_him(tmp_path: Path) -> None:
    at_hand(*(video_of(camera) for camera in CAMERAS.values()))
    shown = Pose2Sim().pictures("frame00")
    assert [max(one.image.shape) for one in shown] == [1920] * 4
    greens = [float((one.image[2] - one.image[0] > 0.25).float().mean()) for one in shown]
    assert min(greens) > 0.001 and not torch.equal(shown[0].image, shown[1].image)
