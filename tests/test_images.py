from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from dinar import images
from dinar.errors import InputError

HEIGHT, WIDTH = 70, 100
GENERATOR = np.random.default_rng(0)


def colours(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return GENERATOR.integers(0, 256, (height, width, 3), dtype=np.uint8)


def write(path: Path, pixels: np.ndarray, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_white_stays_white_and_black_black(tmp_path: Path, suffix: str) -> None:
    """The published code scales by 256 before it rounds: white wraps to 0."""
    for value in (0.0, 1.0):
        path = tmp_path / f"flat{suffix}"
        images.save(path, torch.full((3, 64, 64), value))
        assert set(np.unique(np.asarray(Image.open(path)))) == {int(value * 255)}


def test_values_are_rounded_and_clamped() -> None:
    image = torch.tensor([-1.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.0, 1.0 + 1e-6, 7.0, float("nan")])[None, None]
    assert images.to_bytes(image)[0, :, 0].tolist() == [0, 0, 1, 255, 255, 255, 255, 0]


def test_png_keeps_every_byte(tmp_path: Path) -> None:
    pixels = colours()
    images.save(tmp_path / "a.png", images.from_bytes(pixels))
    assert np.array_equal(images.read(tmp_path / "a.png").pixels, pixels)
    assert images.load(tmp_path / "a.png").shape == (3, HEIGHT, WIDTH)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_honoured(tmp_path: Path, orientation: int) -> None:
    upright = colours()
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = write(tmp_path / "a.png", np.ascontiguousarray(stored), exif=exif)
    assert np.array_equal(images.read(path).pixels, upright)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    grey = np.full((HEIGHT, WIDTH), 255, np.uint8)
    grey[:, : WIDTH // 2] = 0
    if mode == "I;16":
        source = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        source = Image.fromarray(np.repeat(grey[..., None], 3, axis=2)).convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    source.save(path)
    assert np.array_equal(images.read(path).pixels, np.repeat(grey[..., None], 3, axis=2))


def test_transparency_lies_over_white_and_is_kept(tmp_path: Path) -> None:
    pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    pixels[:35, :, 3] = 255
    picture = images.read(write(tmp_path / "a.png", pixels))
    assert picture.pixels[0, 0].tolist() == [0, 0, 0]
    assert picture.pixels[-1, 0].tolist() == [255, 255, 255]
    assert picture.alpha is not None and np.array_equal(picture.alpha, pixels[..., 3])
    pixels[..., 3] = 255
    assert images.read(write(tmp_path / "b.png", pixels)).alpha is None


def test_embedded_profile_is_converted(tmp_path: Path) -> None:
    pixels = np.full((HEIGHT, WIDTH, 3), (200, 60, 60), np.uint8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    assert np.array_equal(
        images.read(write(tmp_path / "odd.png", pixels, icc_profile=profile.tobytes())).pixels, pixels
    ), "a profile that does not fit is ignored"
    got = images.read(write(tmp_path / "linear.png", pixels, icc_profile=_linear_profile())).pixels[0, 0]
    assert np.abs(got - np.array([227.0, 132.0, 132.0])).max() <= 2, "linear light is brighter in sRGB"


def _linear_profile() -> bytes:
    """sRGB's profile with its tone curves replaced by straight lines."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", data[128:132])[0]
    for i in range(count):
        name, offset, size = struct.unpack(">4sII", data[132 + 12 * i : 144 + 12 * i])
        if name in (b"rTRC", b"gTRC", b"bTRC") and size >= 12:
            data[offset : offset + 12] = b"curv" + bytes(8)
    return bytes(data)


def test_animation_gives_its_first_frame(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (80, 80), name) for name in ("red", "blue"))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert images.read(tmp_path / "a.gif").pixels[0, 0].tolist() == [255, 0, 0]


def test_heic_and_avif_are_read(tmp_path: Path) -> None:
    """What iPhones write, under another name too; whoever decodes HEIC turns it, so its EXIF does not."""
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False)
    upright = np.repeat(np.repeat(colours(HEIGHT // 10, WIDTH // 10), 10, axis=0), 10, axis=1)
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, kind in {"a.heic": "HEIF", "a.jpg": "HEIF", "a.avif": "AVIF"}.items():
        stored = np.rot90(upright) if kind == "AVIF" else upright
        Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / name, kind, quality=100, exif=exif)
        found = images.read(tmp_path / name).pixels
        assert found.shape == upright.shape and np.abs(found.astype(int) - upright).mean() < 12, name
    (tmp_path / "b.heic").write_bytes((tmp_path / "a.heic").read_bytes()[:700])
    with pytest.raises(InputError, match=r"b\.heic"):
        images.read(tmp_path / "b.heic")


@pytest.mark.parametrize(
    ("start", "message"),
    {
        "version https://git-lfs.github.com/spec/v1\n": "Git LFS pointer", "<!DOCTYPE html><html>": "a web page",
        "<svg>": "no[t ].*picture",
    }.items(),
)  # fmt: skip
def test_what_came_in_a_pictures_place(tmp_path: Path, start: str, message: str) -> None:
    (tmp_path / "a.jpg").write_text(start)
    with pytest.raises(InputError, match=message):
        images.read(tmp_path / "a.jpg")


def test_focal_length_from_exif(tmp_path: Path) -> None:
    def focal(tags: dict[int, object], size: tuple[int, int] = (360, 240)) -> float | None:
        exif = Image.Exif()
        exif.get_ifd(0x8769).update(tags)
        Image.new("RGB", size).save(tmp_path / "a.jpg", exif=exif)
        return images.read(tmp_path / "a.jpg").focal

    assert focal({}) is None
    assert focal({0xA405: 50}) == pytest.approx(500)
    assert focal({0xA405: 50}, (240, 360)) == pytest.approx(500)
    assert focal({0xA405: 50, 0xA002: 3600, 0xA003: 2400}) == pytest.approx(500)
    assert focal({0xA405: 50, 0xA002: 2400, 0xA003: 2400}) is None, "cropped since"
    sensor = {0x920A: 50.0, 0xA20E: 1000.0, 0xA210: 3, 0xA002: 3600, 0xA003: 2400}
    assert focal(sensor) == pytest.approx(50 * 100 / 10)
    assert focal({0xA405: 65535}) is None
    assert focal({0xA405: 0}) is None


def bad_file(path: Path, kind: str) -> Path:
    if kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("no picture")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut":
        data = io.BytesIO()
        Image.fromarray(colours()).save(data, "PNG")
        path.write_bytes(data.getvalue()[:-3000])
    elif kind == "cut jpeg":
        data = io.BytesIO()
        Image.fromarray(colours()).save(data, "JPEG")
        path.write_bytes(data.getvalue()[: len(data.getvalue()) // 2])
    elif kind in ("huge", "large"):
        side = 30_000 if kind == "huge" else 10_000
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        chunks = b"".join(
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
            for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
        )
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    elif kind == "tiny":
        Image.new("RGB", (200, 63)).save(path)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "does not exist"),
        ("folder", "is a folder"),
        ("text", "not a picture in a known format"),
        ("empty", "not a picture in a known format"),
        ("cut", "damaged or cut short"),
        ("cut jpeg", "damaged or cut short"),
        ("huge", "80 megapixels"),
        ("large", "10000 x 10000 pixels; the most is 80 megapixels"),
        ("tiny", "200 x 63 pixels; the shorter side needs at least 64"),
    ],
)
def test_bad_files_get_one_sentence(tmp_path: Path, kind: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        images.read(bad_file(tmp_path / "bad.png", kind))
    assert "bad.png" in str(caught.value) and "\n" not in str(caught.value)


def test_saving_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    image = torch.zeros(3, 8, 8)
    with pytest.raises(InputError, match="suffix"):
        images.save(tmp_path / "a.bmp", image)
    with pytest.raises(InputError, match="transparency"):
        images.save(tmp_path / "a.jpg", torch.zeros(4, 8, 8))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        images.save(tmp_path / "file" / "a.png", image)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_crop_repeats_edges_or_fills() -> None:
    image = torch.arange(12.0).reshape(1, 3, 4)
    assert torch.equal(images.crop(image, 1, 1, (2, 2)), image[:, 1:3, 1:3])
    wide = images.crop(image, -1, -2, (6, 7))
    assert torch.equal(wide, torch.nn.functional.pad(image[None], (1, 2, 2, 1), mode="replicate")[0])
    filled = images.crop(image, -1, -2, (6, 7), outside=9.0)
    assert torch.equal(filled, torch.nn.functional.pad(image, (1, 2, 2, 1), value=9.0))
    assert images.crop(image, 50, 50, (2, 2), outside=0).eq(0).all()


def test_resize_is_antialiased_and_keeps_leading_axes() -> None:
    stripes = (torch.arange(64) % 2).float().expand(2, 5, 3, 64, 64)
    small = images.resize(stripes, (16, 16))
    assert small.shape == (2, 5, 3, 16, 16)
    assert small[..., 2:-2].sub(0.5).abs().max() < 0.05
    ramp = (torch.arange(8.0) + 0.5).expand(1, 8, 8)
    inner = images.resize(ramp, (16, 16))[0, 0, 1:-1]
    assert torch.allclose(inner, (torch.arange(16.0)[1:-1] + 0.5) / 2), "pixel centres stay at half-integers"


def test_mask_is_grey_or_transparency(tmp_path: Path) -> None:
    grey = np.zeros((HEIGHT, WIDTH), np.uint8)
    grey[:, :50] = 128
    assert images.read_mask(write(tmp_path / "grey.png", grey))[0, 0, 0] == pytest.approx(128 / 255)
    both = np.dstack([np.full_like(grey, 255)] * 3 + [grey])
    mask = images.read_mask(write(tmp_path / "alpha.png", both))
    assert mask.shape == (1, HEIGHT, WIDTH)
    assert mask[0, 0, 0] == pytest.approx(128 / 255) and mask[0, 0, -1] == 0
