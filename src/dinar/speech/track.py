"""What a mouth says when: strengths of the visemes over time, and files that hold them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dinar.errors import InputError
from dinar.files import refuse_stand_in
from dinar.speech.actions import VISEMES

RATE = 100              # moments a second
NAMES = tuple(VISEMES)
SILENCE = NAMES.index("viseme_sil")
MOST = 100_000          # cues of a file

_FLOW = 0.030           # seconds: mouths glide from sound to sound, so strengths are smoothed by this much
_RHUBARB = {"A": "PP", "B": "SS", "C": "E", "D": "aa", "E": "O", "F": "U", "G": "FF", "H": "nn", "X": "sil"}


@dataclass(frozen=True, eq=False)
class Track:
    """What a mouth says, `RATE` moments a second.

    strengths  float32 [T, 15]  of `NAMES`; rows sum to 1, what is not said is silence
    loudness   float32 [T]      in [0, 1]
    """

    strengths: np.ndarray
    loudness: np.ndarray

    def __len__(self) -> int:
        return len(self.strengths)

    @property
    def seconds(self) -> float:
        return len(self) / RATE

    def at(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Strengths [N, 15] and loudness [N] at some times [N], seconds; before and after it is as at the ends."""
        place = np.clip(times * RATE, 0, len(self) - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, len(self) - 1)
        part = (place - low)[:, None]
        strengths = self.strengths[low] * (1 - part) + self.strengths[high] * part
        return strengths, self.loudness[low] * (1 - part[:, 0]) + self.loudness[high] * part[:, 0]


@dataclass(frozen=True)
class Cue:
    """A viseme from `start` to `end`, seconds, of a strength in [0, 1]."""

    viseme: str
    start: float
    end: float
    strength: float = 1.0


def flowing(strengths: np.ndarray, loudness: np.ndarray) -> Track:
    """A track of strengths [T, 15], smoothed as mouths glide; what they lack to a sum of 1 becomes silence."""
    from scipy.ndimage import gaussian_filter1d

    said = strengths.copy()
    said[:, SILENCE] = 0
    said /= np.maximum(said.sum(1, keepdims=True), 1)
    said = gaussian_filter1d(said, _FLOW * RATE, axis=0, mode="constant")
    said[:, SILENCE] = 1 - said.sum(1)
    loudness = gaussian_filter1d(loudness, _FLOW * RATE, mode="constant")
    return Track(said.astype(np.float32), loudness.astype(np.float32).clip(0, 1))


def of_cues(cues: Iterable[Cue], seconds: float) -> Track:
    """The track of cues, so long; a later cue replaces what it overlaps."""
    count = max(1, math.ceil(seconds * RATE))
    strengths = np.zeros((count, len(NAMES)))
    for cue in cues:
        first, last = (round(min(time, seconds) * RATE) for time in (cue.start, cue.end))
        strengths[first:last] = 0
        strengths[first:last, NAMES.index(cue.viseme)] = cue.strength
    return flowing(strengths, np.delete(strengths, SILENCE, axis=1).sum(1))


def read(path: str | Path) -> list[Cue]:
    """The cues of a JSON file, in the order of time.

    A list of `{"viseme": "aa", "start": 0.1, "end": 0.25, "strength": 1}`, seconds, by itself or as "cues"; what
    Rhubarb writes ("mouthCues"); or TalkingHead's "visemes", "vtimes" and "vdurations", milliseconds.

    Raises InputError where it is missing, damaged, none of these, or names a viseme that there is not.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist; give a JSON file of visemes")
    try:
        refuse_stand_in(path)
        tree = json.loads(path.read_text(encoding="utf-8"))
        cues = sorted(_cues(tree), key=lambda cue: cue.start)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"{path} holds no visemes with times; docs/speech.md says how they are written") from error
    if not 0 < len(cues) <= MOST:
        raise InputError(f"{path} holds {len(cues)} visemes; 1 to {MOST} are possible")
    for cue in cues:
        if cue.viseme not in NAMES:
            known = ", ".join(name.removeprefix("viseme_") for name in NAMES)
            raise InputError(f"{path} has a viseme {cue.viseme.removeprefix('viseme_')}; there are {known}")
        if not (0 <= cue.start <= cue.end < math.inf and 0 <= cue.strength <= 1):
            raise InputError(f"{path} is damaged: a viseme from {cue.start} s to {cue.end} s, strength {cue.strength}")
    return cues


def _cues(tree: Any) -> list[Cue]:
    if isinstance(tree, dict) and "mouthCues" in tree:
        return [_cue(_RHUBARB[cue["value"]], cue["start"], cue["end"]) for cue in tree["mouthCues"]]
    if isinstance(tree, dict) and "vtimes" in tree:
        rows = zip(tree["visemes"], tree["vtimes"], tree["vdurations"], strict=True)
        return [_cue(name, start / 1000, (start + lasting) / 1000) for name, start, lasting in rows]
    rows = tree["cues"] if isinstance(tree, dict) else tree
    return [_cue(row["viseme"], row["start"], row["end"], row.get("strength", 1.0)) for row in rows]


def _cue(name: str, start: float, end: float, strength: float = 1.0) -> Cue:
    name = str(name)
    name = name if name.startswith("viseme_") else f"viseme_{name}"
    return Cue(name, float(start), float(end), float(strength))
