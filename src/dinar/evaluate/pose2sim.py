"""One real man before four calibrated cameras: the demo videos of the package pose2sim (BSD-3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
from torch import Tensor

from dinar.errors import InputError
from dinar.evaluate.published import Pictured, Shown
from dinar.images import from_bytes
from dinar.store import FILES, Store

CAMERAS = {"front": 2, "left": 1, "right-behind": 3, "left-behind": 4}   # names by where they stand about him
FRAMES = (0,)                                                            # of the 100, he is whole in all four


@dataclass(frozen=True)
class Pose2Sim(Pictured):
    """A bare-chested man in shorts, seen by four cameras at once, his face pixelated.

    most  1: there is nobody else
    """

    most: int = 1
    name = "pose2sim"
    faceless = True

    @property
    def people(self) -> tuple[str, ...]:
        return tuple(f"frame{number:02d}" for number in FRAMES[: self.most])

    @property
    def facts(self) -> dict[str, str]:
        return {"data": FILES[video_of(1)].package.requirement}

    def digest(self, person: str) -> str:
        if person not in self.people:
            raise InputError(f"{self.name} has nobody called {person}")
        return "".join(FILES[video_of(camera)].sha256[:4] for camera in CAMERAS.values())

    @property
    def says(self) -> tuple[str, ...]:
        return (
            "Input: a real man from the front; the others: the same moment from three cameras about him, two of them "
            "behind. One shape and four poses and cameras are found in the four pictures; masks are the program's own, "
            "so outlines tell how the drawing agrees with what it takes for the person. His face is pixelated, which "
            "the mask in front takes for background: nothing of the head counts. Each camera has an exposure and a "
            "white balance of its own, which columns of colours count as well.",
        )

    def pictures(self, person: str) -> list[Shown]:
        number = int(person.removeprefix("frame"))
        paths = Store().paths([video_of(camera) for camera in CAMERAS.values()])
        return [Shown(name, frame(paths[video_of(camera)], number), None) for name, camera in CAMERAS.items()]


def video_of(camera: int) -> str:
    """A camera's video as the store calls it."""
    return f"pose2sim_cam{camera:02d}.mp4"


def frame(path: Path, number: int) -> Tensor:
    """One frame of a video, [3, H, W]. Raises InputError where it has none of that number."""
    try:
        with av.open(str(path)) as video:
            for k, picture in enumerate(video.decode(video=0)):
                if k == number:
                    return from_bytes(picture.to_ndarray(format="rgb24"))
    except (OSError, av.FFmpegError) as error:
        raise InputError(f"{path} cannot be read") from error
    raise InputError(f"{path} has no frame {number}")
