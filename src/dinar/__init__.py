"""One photo of a person in, an animatable full-body avatar out.

    avatar = dinar.create("me.jpg")
    avatar.save("me")
    avatar.animate("walk", "walk.mp4")
    avatar.export("me.glb")
    dinar.alive("me.jpg", "wave", "alive.mp4")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from dinar import threads as _threads  # noqa: F401 (first of all: it settles how threads wait)

if TYPE_CHECKING:
    from dinar.avatar import Avatar
    from dinar.body.model import BodyModel
    from dinar.errors import InputError
    from dinar.motion.motion import Motion
    from dinar.pipeline import create
    from dinar.scene.alive import alive

__all__ = ["Avatar", "BodyModel", "InputError", "Motion", "alive", "create"]

_HOME = {
    "Avatar": "dinar.avatar",
    "BodyModel": "dinar.body.model",
    "InputError": "dinar.errors",
    "Motion": "dinar.motion.motion",
    "alive": "dinar.scene.alive",
    "create": "dinar.pipeline",
}


def __getattr__(name: str) -> object:
    """The public names, imported on first use: torch alone takes longer to load than `import dinar` may."""
    if name not in _HOME:
        raise AttributeError(f"module 'dinar' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
