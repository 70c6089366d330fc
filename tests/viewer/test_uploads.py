from __future__ import annotations

import pytest

from dinar.errors import InputError
from dinar.viewer.uploads import KINDS, checked, label


@pytest.mark.parametrize(
    ("name", "what"),
    {
        "me.jpg": "photo", "ME.JPEG": "photo", "a.b.png": "photo", "IMG_1.HEIC": "photo", "a.avif": "photo",
        "walk.bvh": "motion", "me.zip": "avatar",
    }.items(),
)  # fmt: skip
def test_kinds_by_name(name: str, what: str) -> None:
    kind = checked(name, 1000)
    assert kind.what == what and kind.suffix in KINDS


@pytest.mark.parametrize(
    "name", ["", "me", "me.exe", ".jpg/", "me.jpg\n.sh", "me.py", "a.jpg.svg", "..", "me.jpg/../../x", "me.\u00e4"]
)
def test_other_kinds_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot be opened here"):
        checked(name, 1000)


def test_sizes() -> None:
    for name in ("a.jpg", "a.bvh", "a.zip"):
        most = checked(name, 1).most_bytes
        assert checked(name, most).most_bytes == most
        with pytest.raises(InputError, match=r"MB; the most for a \w+ is"):
            checked(name, most + 1)
        for length in (0, -1):
            with pytest.raises(InputError, match="empty"):
                checked(name, length)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.png", "..\\..\\boot.png", "/abs/o lute.jpg", "a\0b.jpg", "\u202eexe.jpg"]
)
def test_labels_hold_no_path(name: str) -> None:
    found = label(name)
    assert found and not set(found) & set("/\\.\0\u202e:\n")


def test_labels_say_what_people_called_it() -> None:
    assert label("Grandma at the sea.jpg") == "Grandma at the sea"
    assert label("\u00c9lodie-2.webp") == "\u00c9lodie-2"
    assert label("<b>x</b>.png") == "b" and label("...") == "avatar" and label("") == "avatar"
    assert len(label("x" * 500 + ".jpg")) == 40
