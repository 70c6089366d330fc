from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures that are none, or no good."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "text.jpg").write_text("hello")
    (folder / "empty.jpg").write_bytes(b"")
    noise = np.random.default_rng(0).integers(0, 255, (200, 150, 3)).astype(np.uint8)
    Image.fromarray(noise).save(folder / "noise.jpg")
    (folder / "cut.jpg").write_bytes((folder / "noise.jpg").read_bytes()[:3000])
    Image.new("1", (30_000, 30_000)).save(folder / "huge.png")
    Image.new("L", (64, 64)).save(folder / "small.png")
    return folder
