from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinar.errors import InputError
from dinar.speech import track
from dinar.speech.track import NAMES, SILENCE, Cue


def written(folder: Path, tree: Any) -> Path:
    path = folder / "visemes.json"
    path.write_text(json.dumps(tree))
    return path


def test_three_kinds_of_files_say_the_same(tmp_path: Path) -> None:
    own = [{"viseme": "aa", "start": 0.1, "end": 0.3}, {"viseme": "viseme_PP", "start": 0.3, "end": 0.5, "strength": 1}]
    rhubarb = {"mouthCues": [{"start": 0.1, "end": 0.3, "value": "D"}, {"start": 0.3, "end": 0.5, "value": "A"}]}
    talking = {"visemes": ["aa", "PP"], "vtimes": [100, 300], "vdurations": [200, 200]}
    wanted = [Cue("viseme_aa", 0.1, 0.3), Cue("viseme_PP", 0.3, 0.5)]
    for tree in (own, own[::-1], {"cues": own}, rhubarb, talking):
        found = track.read(written(tmp_path, tree))
        assert [cue.viseme for cue in found] == [cue.viseme for cue in wanted]
        assert np.allclose([(cue.start, cue.end) for cue in found], [(cue.start, cue.end) for cue in wanted])


def test_cues_become_strengths() -> None:
    found = track.of_cues([Cue("viseme_aa", 0.2, 0.6), Cue("viseme_O", 0.5, 0.9, 0.5)], 1.2)
    assert len(found) == 120 and np.allclose(found.strengths.sum(1), 1, atol=1e-5)
    aa, o = (found.strengths[:, NAMES.index(f"viseme_{name}")] for name in ("aa", "O"))
    assert aa[35] > 0.95 and aa[60] < 0.05 and o[70] == pytest.approx(0.5, abs=0.02)
    assert found.strengths[70, SILENCE] == pytest.approx(0.5, abs=0.02) and found.strengths[110, SILENCE] > 0.95
    assert np.abs(np.diff(aa)).max() < 0.2                       # mouths glide
    strengths, loudness = found.at(np.array([-1.0, 0.355, 5.0]))
    assert strengths.shape == (3, 15) and strengths[1, NAMES.index("viseme_aa")] > 0.95 and loudness[0] < 0.05


@pytest.mark.parametrize(
    "tree, words",
    [
        ([], "holds 0 visemes"),
        ({"no": 1}, "no visemes with times"),
        ("aa", "no visemes with times"),
        ([{"viseme": "aa"}], "no visemes with times"),
        ([{"viseme": "xx", "start": 0, "end": 1}], "a viseme xx; there are sil, PP"),
        ([{"viseme": "aa", "start": 1, "end": 0}], "from 1.0 s to 0.0 s"),
        ([{"viseme": "aa", "start": 0, "end": float("nan")}], "damaged"),
        ([{"viseme": "aa", "start": 0, "end": 1, "strength": 3}], "strength 3.0"),
        ({"mouthCues": [{"start": 0, "end": 1, "value": "Q"}]}, "no visemes with times"),
    ],
)
def test_bad_files_get_one_sentence(tmp_path: Path, tree: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        track.read(written(tmp_path, tree))


def test_what_is_no_json_gets_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        track.read(tmp_path / "none.json")
    for content in (b"", b"\xff\xfe", b"[" * 100_000):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(InputError, match="no visemes with times"):
            track.read(tmp_path / "a.json")
