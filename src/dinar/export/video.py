"""Frames -> a video file or a folder of pictures, whole or not at all."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from PIL import Image
from torch import Tensor

from dinar.errors import InputError
from dinar.files import atomic_file, atomic_folder
from dinar.speech.sound import Sound

MARKER = "frames.txt"
"""Stands in a folder of frames, so that the next export knows that it may replace it."""

CRF = {".mp4": "18", ".webm": "24"}
SPOKEN = {".mp4": "aac", ".webm": "libopus"}
_BITS = 128_000         # a second of sound
_PIECE = 960            # samples that are handed to an encoder at once: 20 ms
LOOKAHEAD = 64 << 20    # bytes of frames that an encoder keeps to decide how to spend its bits


def write(
    path: str | Path,
    frames: Iterable[Tensor | np.ndarray],
    fps: float,
    *,
    progress: Callable[[int], None] | None = None,     # called with the number of frames written so far
    sound: Sound | None = None,                        # of a video, begins with the first frame and ends with the last
) -> None:
    """Write frames as a video or as pictures; the suffix of `path` says which.

    frames  float [C, H, W] tensors in [0, 1] or uint8 [H, W, C] arrays, all of one size; C is 3, or 4 with alpha (not
            premultiplied)

    .mp4        H.264, 4:2:0, BT.709; frames of odd size are padded by a pixel's copy; players know no alpha here, so
                frames with alpha are laid on white
    .webm       VP9, 4:2:0, BT.709; keeps alpha
    a%04d.png   PNG files beside each other, counted from 0
    a folder    (no suffix) 00000.png, 00001.png, ... in it

    Raises InputError for another suffix, for sound where pictures are written, for no frames, and where nothing can be
    written; an interrupted export leaves nothing behind.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if sound is not None and suffix not in CRF:
        raise InputError(f"{path} has no place for sound; write a .mp4 or .webm")
    images = _checked(frames, path, progress)
    if suffix in CRF:
        if not fps > 0:
            raise InputError(f"a frame rate of {fps} is not possible; give a positive number")
        with atomic_file(path) as temporary:
            _encode(temporary, images, fps, suffix, sound)
    elif suffix == ".png" and re.search(r"%0?\d*d", path.name):
        _write_pattern(path, images)
    elif suffix == "":
        with atomic_folder(path, marker=MARKER) as folder:
            for k, image in enumerate(images):
                Image.fromarray(image).save(folder / f"{k:05d}.png")
            (folder / MARKER).write_text(f"{k + 1} frames, {fps:g} frames a second\n", encoding="utf-8")
    else:
        raise InputError(f"{path} is no kind of video that dinar writes: .mp4, .webm, a folder, or frame%04d.png")


def to_bytes(frame: Tensor | np.ndarray) -> np.ndarray:
    """A frame as uint8 [H, W, C]: rounded to the nearest step and clipped, so that white stays white."""
    if isinstance(frame, Tensor):
        frame = frame.detach().float().clamp(0, 1).mul_(255).round_().byte().permute(1, 2, 0).cpu().numpy()
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] not in (3, 4):
        raise ValueError(f"a frame is float [C, H, W] or uint8 [H, W, C] with 3 or 4 channels, not {frame.shape}")
    return np.ascontiguousarray(frame)


def _checked(frames: Iterable, path: Path, progress: Callable[[int], None] | None) -> Iterator[np.ndarray]:
    """The frames as bytes, one size for all; counts them to `progress`."""
    shape = None
    for count, frame in enumerate(frames, start=1):
        image = to_bytes(frame)
        shape = shape or image.shape
        if image.shape != shape:
            raise ValueError(f"frame {count} has shape {image.shape}, the first one {shape}")
        yield image
        if progress is not None:
            progress(count)
    if shape is None:
        raise InputError(f"there are no frames to write to {path}")


def _write_pattern(path: Path, images: Iterator[np.ndarray]) -> None:
    """Numbered files: all are written in a hidden folder beside their places first, then moved."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=".frames.", dir=path.parent)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror})") from error
    with scratch as folder:
        files = []
        for k, image in enumerate(images):
            files.append(Path(folder) / (path.name % k))
            Image.fromarray(image).save(files[-1])
        for file in files:
            file.replace(path.parent / file.name)


def _encode(path: Path, images: Iterator[np.ndarray], fps: float, suffix: str, sound: Sound | None) -> None:
    rate = Fraction(fps).limit_denominator(1001)
    first = next(images)
    alpha = suffix == ".webm" and first.shape[2] == 4
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264" if suffix == ".mp4" else "libvpx-vp9", rate=rate)
        stream.height, stream.width = (side + side % 2 for side in first.shape[:2])
        stream.pix_fmt = "yuva420p" if alpha else "yuv420p"
        ahead = 2 * LOOKAHEAD // (3 * stream.height * stream.width)              # frames
        options = {"rc-lookahead": min(max(ahead, 8), 40), "preset": "veryfast"}  # at most the encoders' own
        if suffix == ".webm":
            options = {"b": 0, "auto-alt-ref": 0, "lag-in-frames": min(max(ahead, 8), 25)}
        stream.options = {"crf": CRF[suffix]} | {name: str(value) for name, value in options.items()}
        context = stream.codec_context
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        voice = None if sound is None else _Voice(container, SPOKEN[suffix], sound)
        for count, image in enumerate(_chain(first, images), start=1):
            container.mux(stream.encode(_frame(image, alpha)))
            if voice is not None:
                container.mux(voice.until(count / rate))
        container.mux(stream.encode())
        if voice is not None:
            container.mux(voice.end())


class _Voice:
    """Sound that is encoded beside pictures, no further than these are."""

    def __init__(self, container: av.container.OutputContainer, codec: str, sound: Sound) -> None:
        self._layout = "mono" if len(sound.samples) == 1 else "stereo"
        self._stream = container.add_stream(codec, rate=sound.rate, layout=self._layout, bit_rate=_BITS)
        self._sound, self._done = sound, 0

    def until(self, seconds: Fraction) -> Sequence[av.Packet]:
        """The packets of what is heard up to a time."""
        packets: list[av.Packet] = []
        end = min(round(seconds * self._sound.rate), self._sound.samples.shape[1])
        while self._done + _PIECE <= end or self._done < end == self._sound.samples.shape[1]:
            piece = np.ascontiguousarray(self._sound.samples[:, self._done : min(self._done + _PIECE, end)])
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=self._layout)
            frame.sample_rate, frame.pts, frame.time_base = self._sound.rate, self._done, Fraction(1, self._sound.rate)
            self._done += piece.shape[1]
            packets += self._stream.encode(frame)
        return packets

    def end(self) -> Sequence[av.Packet]:
        return self._stream.encode()


def _chain(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from rest


def _frame(image: np.ndarray, alpha: bool) -> av.VideoFrame:
    """A frame of even size in the stream's pixel format, BT.709 limited range."""
    if image.shape[2] == 4 and not alpha:
        cover = image[..., 3:].astype(np.float32) / 255
        image = np.round(image[..., :3] * cover + 255 * (1 - cover)).astype(np.uint8)
    image = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(image, format="rgba" if alpha else "rgb24")
    return frame.reformat(
        format="yuva420p" if alpha else "yuv420p",
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
    )
