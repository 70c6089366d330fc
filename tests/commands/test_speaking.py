from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from commands.program import Run, refused
from export.glb_reader import Scene
from speech.sounds import silence, vowel, write

SIZE = ("--size", 64)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = [silence(0.2), vowel("aa", 0.4), silence(0.4)]
    return write(tmp_path_factory.mktemp("said") / "said.wav", np.concatenate(parts))


@pytest.mark.parametrize("suffix, codec", [(".mp4", "aac"), (".webm", "opus")])
def test_a_film_carries_its_sound(dinar: Callable[..., Run], made: Path, said: Path, suffix: str, codec: str) -> None:
    run = dinar("speak", made, said, "-o", f"talk{suffix}", *SIZE, "--fps", 10, "--json")
    assert run.code == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["frames"] == 10 and found["fps"] == 10 and os.listdir(".") == [f"talk{suffix}"]
    with av.open(f"talk{suffix}") as film:
        picture, sound = film.streams.video[0], film.streams.audio[0]
        assert sound.codec_context.name == codec and (picture.width, picture.height) == (64, 64)
        heard = np.concatenate([frame.to_ndarray() for frame in film.decode(sound)], axis=1)[0]
        rate = sound.codec_context.sample_rate
    assert len(heard) / rate == pytest.approx(1.0, abs=0.06)
    spans = ((0, 0.15), (0.3, 0.5), (0.8, 0.95))
    loud = [float(np.abs(heard[round(a * rate) : round(b * rate)]).mean()) for a, b in spans]
    assert loud[1] > 20 * max(loud[0], loud[2])


def test_frames_move_at_the_mouth_alone(dinar: Callable[..., Run], made: Path, said: Path) -> None:
    options = ("--shot", "face", "--angle", 20, "--fps", 10, "--still", "--size", 128)
    assert dinar("speak", made, said, "-o", "frames", *options).code == 0
    from dinar import images

    frames = [images.load(path) for path in sorted(Path("frames").glob("*.png"))]
    assert len(frames) == 10
    moved = (frames[4] - frames[0]).abs().amax(0) > 0.02
    rows = moved.any(1).nonzero()[:, 0]
    assert moved.any() and rows.min() > 50 and (frames[9] - frames[0]).abs().max() < 0.02


def test_a_glb_holds_what_the_face_does(dinar: Callable[..., Run], made: Path, said: Path) -> None:
    assert dinar("speak", made, said, "-o", "talk.glb", "--for", "talkinghead", "--fps", 20).code == 0
    glb = Scene.read(Path("talk.glb"))
    (animation,) = glb.tree["animations"]
    assert animation["name"] == "said"
    names = glb.tree["meshes"][0]["extras"]["targetNames"]
    moved = [channel for channel in animation["channels"] if channel["target"]["path"] == "weights"]
    assert {glb.tree["nodes"][channel["target"]["node"]]["name"] for channel in moved} == {
        "Body", "Eyes", "Tongue", "Teeth",
    }  # fmt: skip
    sampler = animation["samplers"][moved[0]["sampler"]]
    times = glb.numbers(sampler["input"]).ravel()
    jaw = glb.numbers(sampler["output"]).reshape(len(times), len(names))[:, names.index("jawOpen")]
    assert len(times) == 20 and jaw[8:11].min() > 0.4 and jaw[:3].max() < 0.05 and jaw[-4:].max() < 0.05


def test_visemes_of_a_file(dinar: Callable[..., Run], made: Path, said: Path, tmp_path: Path) -> None:
    cues = tmp_path / "cues.json"
    cues.write_text(json.dumps([{"viseme": "U", "start": 0.5, "end": 1.0}]))
    assert dinar("speak", made, said, "-o", "talk.glb", "--visemes", cues).code == 0
    glb = Scene.read(Path("talk.glb"))
    names = glb.tree["meshes"][0]["extras"]["targetNames"]
    weights = [c for c in glb.tree["animations"][0]["channels"] if c["target"]["path"] == "weights"]
    sampler = glb.tree["animations"][0]["samplers"][weights[0]["sampler"]]
    rows = glb.numbers(sampler["output"]).reshape(-1, len(names))
    assert rows[22, names.index("mouthPucker")] > 0.6 and rows[8, names.index("jawOpen")] < 0.05


def test_speak_refuses_in_one_sentence(dinar: Callable[..., Run], made: Path, said: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    refused(dinar("speak", made, "none.wav", "-o", "a.mp4"), "none.wav", "does not exist")
    refused(dinar("speak", made, text, "-o", "a.mp4"), "cannot be read as sound")
    refused(dinar("speak", made, said, "-o", "a.txt"), "a.txt")
    refused(dinar("speak", made, said, "-o", "a.mp4", "--for", "web"), "--for belongs to a .glb")
    refused(dinar("speak", made, said, "-o", "a.mp4", "--visemes", text), "no visemes with times")
    refused(dinar("speak", made, said, "-o", "a.mp4", "--fps", 0), "--fps 0")
    refused(dinar("speak", "nobody", said, "-o", "a.mp4"), "nobody")
