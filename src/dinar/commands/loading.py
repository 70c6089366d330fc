"""Avatars, motions and body models as the options ask for them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dinar.commands.reporting import report_notes
from dinar.commands.values import positive

if TYPE_CHECKING:
    from dinar.avatar import Avatar
    from dinar.body.model import BodyModel
    from dinar.motion.motion import Motion


def load_avatar(path: Path, renderer: Literal["neural", "texture"] | None) -> Avatar:
    """An avatar, to be drawn by that renderer; says so where its weights are missing and nobody asked for another."""
    from dinar.avatar import Avatar

    avatar = Avatar.load(path)
    if renderer is not None:
        return avatar.drawn_by(renderer)
    if avatar.weights is not None and avatar.renderer is None:
        note = f"{path} was made with the weights {avatar.weights}, which this version does not have"
        print(f"dinar: {note}; the plain renderer draws it", file=sys.stderr)
    return avatar


def load_clip(motion: str, fps: float | None, seconds: float | None) -> Motion:
    """A motion, repeated or cut and resampled where asked for."""
    from dinar.motion.motion import Motion

    clip = Motion.load(motion, fps=None if fps is None else positive("--fps", fps))
    report_notes(clip.notes)
    if seconds is not None:
        clip = clip.looped(positive("--seconds", seconds))
    if fps is not None:
        clip = clip.resampled(positive("--fps", fps))
    return clip


def load_body(smplx: Path | None) -> BodyModel | None:
    """The user's own body model, None for the open body."""
    if smplx is None:
        return None
    from dinar.body.model import BodyModel

    return BodyModel.smplx(smplx)
