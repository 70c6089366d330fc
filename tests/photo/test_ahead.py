from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from dinar.photo.ahead import looking
from dinar.photo.source import Source

ASK = """
import sys
from pathlib import Path
from dinar.errors import InputError
from dinar.photo.ahead import looking
from dinar.photo.source import Source
with looking([Source(Path(name)) for name in sys.argv[1:]]) as seen:
    for name in sys.argv[1:]:
        try:
            print(type(next(seen)).__name__)
        except InputError as error:
            print(error)
print("torch" in sys.modules)
"""


def asked(*names: str) -> list[str]:
    run = subprocess.run([sys.executable, "-c", ASK, *names], capture_output=True, text=True, timeout=600, check=True)
    return run.stdout.splitlines()


def test_this_process_looks_itself_where_torch_is_loaded_or_points_are_given(tmp_path: Path) -> None:
    import torch  # noqa: F401

    with looking([Source(tmp_path / "me.jpg"), Source(tmp_path / "you.jpg")]) as seen:
        assert next(seen) is None and next(seen) is None


def test_what_is_no_photo_is_told_as_ever(tmp_path: Path) -> None:
    assert asked(str(tmp_path / "absent.jpg")) == [f"{tmp_path / 'absent.jpg'} does not exist", "False"]


def test_the_other_process_sees_the_same(store, photos: Path, tmp_path: Path) -> None:
    from dinar.photo.sighting import sight

    path = next(iter(sorted(photos.glob("*.jpg"))))
    code = """
import sys
from pathlib import Path
import numpy as np
from dinar.photo.ahead import looking
from dinar.photo.source import Source
if __name__ == "__main__":
    with looking([Source(Path(sys.argv[1]))]) as seen:
        found = next(seen)
    np.savez(sys.argv[2], xy=found.landmarks.xy, coarse=found.looks.coarse, fine=found.looks.fine, at=found.square)
"""
    subprocess.run([sys.executable, "-c", code, str(path), str(tmp_path / "seen.npz")], check=True, timeout=600)
    there, here = np.load(tmp_path / "seen.npz"), sight(path, store)
    pairs = {"xy": here.landmarks.xy, "coarse": here.looks.coarse, "fine": here.looks.fine, "at": here.square}
    for name, values in pairs.items():
        assert np.array_equal(there[name], values), name
