"""What an assistant can ask for: tools over files below one folder."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal, ParamSpec

from dinar.errors import InputError
from dinar.export.profiles import ProfileName

View = Literal["front", "back", "left", "right", "photo"]
P = ParamSpec("P")


def one_at_a_time(tool: Callable[P, str]) -> Callable[P, str]:
    """A method that waits until no other one of the same workshop works."""

    @functools.wraps(tool)
    def waiting(self, *arguments, **options) -> str:
        with self._lock:
            return tool(self, *arguments, **options)

    return waiting


class Workshop:
    """Tools that read and write below a folder and nowhere else; each tells what it wrote in a sentence.

    Every tool raises InputError, whose sentence the assistant is told.
    """

    def __init__(self, folder: Path, *, device: str = "cpu") -> None:
        self._folder, self._device = folder.resolve(), device
        self._lock = threading.Lock()

    @property
    def tools(self) -> tuple[Callable[..., str], ...]:
        return self.create, self.animate, self.render, self.speak, self.export

    @one_at_a_time
    def create(self, photo: str, avatar: str) -> str:
        """Make an animatable full-body avatar from one photo of a person (some 20 seconds).

        photo: a .jpg, .png or .webp with the whole person in view. avatar: the name of the folder that is written.
        """
        import torch

        from dinar import pipeline

        place = self._below(avatar)
        torch.manual_seed(0)
        pipeline.create([self._below(photo)], device=self._device).save(place)
        return f"{avatar} is an avatar of the person in {photo}"

    @one_at_a_time
    def animate(self, avatar: str, motion: str, video: str, seconds: float | None = None) -> str:
        """Draw an avatar moving.

        motion: walk, turn, wave, dance, or a motion file (.bvh, .npz, .glb). video: the .mp4 or .webm that is written.
        seconds: repeat or cut the motion to last so long.
        """
        from dinar.motion.motion import Motion

        clip = Motion.load(motion if motion in Motion.shipped() else self._below(motion))
        if seconds is not None:
            if not 0 < seconds <= 600:
                raise InputError(f"{seconds:g} seconds are not possible; give a number above 0 and at most 600")
            clip = clip.looped(seconds)
        self._load(avatar).animate(clip, self._below(video))
        return f"{video} shows {avatar} for {clip.seconds:.1f} s"

    @one_at_a_time
    def render(self, avatar: str, picture: str, view: View = "front") -> str:
        """Draw an avatar from one side, or as in its photo.

        picture: the .png, .jpg or .webp that is written.
        """
        import torch

        from dinar import images

        images.save(self._below(picture), self._load(avatar).view(view).over(torch.tensor(1.0))[0])
        return f"{picture} shows {avatar}, view {view}"

    @one_at_a_time
    def speak(self, avatar: str, sound: str, video: str) -> str:
        """Let an avatar say what a sound file says: a video with the sound, the mouth moving with it.

        sound: a .wav, .mp3, .m4a, .ogg or .flac. video: the .mp4 or .webm that is written.
        """
        from dinar.avatar import speaking
        from dinar.speech import hearing
        from dinar.speech import sound as sounds
        from dinar.speech.acting import perform

        said = sounds.read(self._below(sound))
        person = self._load(avatar)
        performance = perform(hearing.heard(said), person.model.expression_names, 30.0)
        shown = person.wearing(person.figure(), parts=True)
        speaking.film(shown, performance, self._below(video), sound=said)
        return f"{video} shows {avatar} speaking for {said.seconds:.1f} s"

    @one_at_a_time
    def export(
        self, avatar: str, file: str, program: ProfileName | None = None, motions: tuple[str, ...] = ()
    ) -> str:
        """Write an avatar for other programs, rigged and with facial morph targets.

        file: the .glb, .html, .fbx, .blend, .usdz, .obj or .ply that is written. program: what it is for.
        motions: animations of the file, as for animate.
        """
        from dinar.motion.motion import Motion, name_of

        clips = {name_of(one): Motion.load(one if one in Motion.shipped() else self._below(one)) for one in motions}
        written = self._load(avatar).export(self._below(file), motions=clips or None, profile=program)
        return f"wrote {', '.join(path.name for path in written)}"

    def _load(self, name: str):
        from dinar.avatar import Avatar

        return Avatar.load(self._below(name)).to(self._device)

    def _below(self, name: str) -> Path:
        """A place in the folder. Raises InputError for one outside."""
        try:
            place = (self._folder / name).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"{name[:200]!r} is no name of a file") from error
        if place == self._folder or not place.is_relative_to(self._folder):
            raise InputError(f"{name[:200]} lies outside the folder that is open to assistants")
        return place
