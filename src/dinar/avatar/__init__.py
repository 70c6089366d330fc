"""An animatable person: texture, shape and body; saved, loaded, drawn."""

from dinar.avatar.avatar import Avatar, RendererName, Wear
from dinar.avatar.drawing import VIEWS, composed
from dinar.avatar.keeping import FORMAT, MARKER, PREVIEW, TEXTURE, check_output
from dinar.avatar.known import Shot, open_body

__all__ = [
    "FORMAT", "MARKER", "PREVIEW", "TEXTURE", "VIEWS", "Avatar", "RendererName", "Shot", "Wear", "check_output",
    "composed", "open_body",
]  # fmt: skip
