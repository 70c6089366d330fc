"""What a command says when it is done."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dinar.avatar import Shot
    from dinar.progress import Progress


def report_files(files: Sequence[Path], progress: Progress, as_json: bool, **facts: Any) -> None:
    """What was made, on stdout: one JSON object, or lines for people."""
    seconds = {name: round(value, 3) for name, value in progress.seconds.items()}
    if as_json:
        print(json.dumps({"files": [str(file) for file in files], "seconds": seconds, **facts}))
        return
    for found in facts.get("fits", ()):
        print(f"{found['photo']}: {fit_in_words(found)}")
    print(f"{files[0]} ({', '.join(f'{name} {value:.1f} s' for name, value in seconds.items())})")


def report_notes(notes: Iterable[str]) -> None:
    """How files were read where that is not plain, on stderr."""
    for note in notes:
        print(f"dinar: {note}", file=sys.stderr)


def fit_in_words(found: dict[str, Any]) -> str:
    """How well a body fits, for people."""
    unseen = f", not seen: {', '.join(found['unseen'])}" if found["unseen"] else ""
    return f"landmarks {found['reprojection']:.2f} % off, mask overlap {found['mask_iou']:.2f}{unseen}"


def residuals(photo: Path, shot: Shot) -> dict[str, Any]:
    return {
        "photo": str(photo),
        "reprojection": round(shot.reprojection, 4),
        "mask_iou": round(shot.mask_iou, 4),
        "unseen": list(shot.unseen),
    }
