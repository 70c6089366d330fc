"""Written videos read back."""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch
from PIL import Image

from dinar.errors import InputError
from dinar.export.video import to_bytes, write

COLOURS = ((1, 1, 1), (0, 0, 0), (1, 0, 0), (0.2, 0.6, 0.4), (0.9, 0.7, 0.55))


def stripes(size=(64, 160), channels=3):
    """Five stripes of 32 pixels; alpha is 1 on the left half."""
    image = torch.zeros(channels, *size)
    for k, colour in enumerate(COLOURS):
        image[:3, :, 32 * k : 32 * (k + 1)] = torch.tensor(colour)[:, None, None]
    if channels == 4:
        image[3, :, : size[1] // 2] = 1
    return image


def decoded(path, codec=None):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = av.CodecContext.create(codec, "r") if codec else None
        frames = []
        for packet in container.demux(stream):
            frames += decoder.decode(packet) if decoder else packet.decode()
        return stream.average_rate, frames


def assert_stripes(image: np.ndarray, tolerance: int) -> None:
    for k, colour in enumerate(COLOURS):
        seen = image[20, 32 * k + 16, :3].astype(int)
        assert np.abs(seen - np.round(255 * np.array(colour))).max() <= tolerance


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_video(tmp_path, suffix):
    counts = []
    write(tmp_path / f"a{suffix}", (stripes() for _ in range(12)), 25, progress=counts.append)
    rate, frames = decoded(tmp_path / f"a{suffix}")
    assert rate == 25 and len(frames) == 12 and counts == list(range(1, 13))
    assert (frames[0].width, frames[0].height) == (160, 64)
    assert_stripes(frames[0].to_ndarray(format="rgb24"), 4)
    assert (frames[5].to_ndarray(format="rgb24")[20, 10] >= 254).all()          # white stays white
    assert list(tmp_path.iterdir()) == [tmp_path / f"a{suffix}"]


def test_colours_are_tagged(tmp_path):
    write(tmp_path / "a.mp4", [stripes()], 30)
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert context.name == "h264" and context.pix_fmt == "yuv420p"
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)


def test_odd_sizes_are_padded_and_arrays_taken(tmp_path):
    write(tmp_path / "a.mp4", [to_bytes(stripes((63, 159)))] * 3, 29.97)
    rate, frames = decoded(tmp_path / "a.mp4")
    assert (frames[0].width, frames[0].height) == (160, 64) and float(rate) == pytest.approx(29.97)
    assert_stripes(frames[0].to_ndarray(format="rgb24"), 4)


def test_webm_keeps_alpha(tmp_path):
    write(tmp_path / "a.webm", [stripes(channels=4)] * 3, 30)
    _, frames = decoded(tmp_path / "a.webm", "libvpx-vp9")
    alpha = frames[0].to_ndarray(format="rgba")[..., 3]
    assert (alpha[:, :76] > 250).all() and (alpha[:, 84:] < 5).all()


def test_mp4_lays_alpha_on_white(tmp_path):
    write(tmp_path / "a.mp4", [stripes(channels=4)] * 2, 30)
    image = decoded(tmp_path / "a.mp4")[1][0].to_ndarray(format="rgb24")
    assert image[20, 140].min() >= 252 and image[20, 48].max() <= 3


def test_folder_of_frames_is_exact_and_replaced(tmp_path):
    write(tmp_path / "frames", [stripes()] * 3, 30)
    write(tmp_path / "frames", [stripes()] * 2, 30)
    files = sorted(p.name for p in (tmp_path / "frames").glob("*.png"))
    assert files == ["00000.png", "00001.png"]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "frames" / "00001.png")), to_bytes(stripes()))


def test_pattern(tmp_path):
    write(tmp_path / "new" / "x%03d.png", [stripes(channels=4)] * 2, 30)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["x000.png", "x001.png"]
    assert Image.open(tmp_path / "new" / "x001.png").mode == "RGBA"


def test_bytes_are_rounded_not_wrapped():
    values = torch.tensor([-0.1, 0.0, 0.5, 0.999, 1.0, 1.2]).expand(3, 1, 6)
    assert to_bytes(values)[0, :, 0].tolist() == [0, 0, 128, 255, 255, 255]


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "frames", "x%d.png"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_nothing_is_left_of_an_interrupted_export(tmp_path, name, error):
    def frames():
        yield stripes()
        raise error

    with pytest.raises(error):
        write(tmp_path / name, frames(), 30)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.mp4/b.mp4", "missing.txt"])
def test_bad_places(tmp_path, name):
    if "/" in name:
        (tmp_path / "a.mp4").write_text("a file where a folder should be")
    with pytest.raises(InputError):
        write(tmp_path / name, [stripes()], 30)


def test_no_frames(tmp_path):
    with pytest.raises(InputError, match="no frames"):
        write(tmp_path / "a.mp4", [], 30)
    assert not list(tmp_path.iterdir())


def test_foreign_folder_is_kept(tmp_path):
    (tmp_path / "holiday.jpg").write_text("")
    with pytest.raises(InputError):
        write(tmp_path, [stripes()], 30)
    assert [p.name for p in tmp_path.iterdir()] == ["holiday.jpg"]
