from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from speech.sounds import silence, vowel, write

from dinar.errors import InputError
from dinar.speech import sound


def test_a_wav_is_read_as_it_is(tmp_path: Path) -> None:
    samples = vowel("aa", 0.3)
    found = sound.read(write(tmp_path / "a.wav", samples))
    assert found.samples.shape == (1, len(samples)) and found.rate == 48_000 and found.seconds == pytest.approx(0.3)
    assert np.abs(found.samples[0] - samples).max() < 1e-4


@pytest.mark.parametrize("rate, channels", [(8000, 1), (22_050, 2), (44_100, 2), (96_000, 1)])
def test_other_rates_last_as_long(tmp_path: Path, rate: int, channels: int) -> None:
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(rate // 2) / rate)).astype(np.float32)
    found = sound.read(write(tmp_path / "a.wav", tone, rate=rate, channels=channels))
    assert len(found.samples) == channels and found.seconds == pytest.approx(0.5, abs=0.01)
    power = np.abs(np.fft.rfft(found.samples[0]))
    assert power.argmax() * found.rate / found.samples.shape[1] == pytest.approx(440, abs=3)
    heard = found.mono(16_000)
    assert len(heard) == pytest.approx(8000, abs=160) and 0.3 < heard.std() < 0.4


def test_bad_sounds_get_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        sound.read(tmp_path / "none.wav")
    (tmp_path / "text.wav").write_text("hello")
    with pytest.raises(InputError, match="cannot be read as sound"):
        sound.read(tmp_path / "text.wav")
    with pytest.raises(InputError, match="holds no sound"):
        sound.read(write(tmp_path / "empty.wav", silence(0)))
    whole = write(tmp_path / "whole.wav", vowel("aa")).read_bytes()
    (tmp_path / "head.wav").write_bytes(whole[:20])
    with pytest.raises(InputError):
        sound.read(tmp_path / "head.wav")
    with pytest.raises(InputError, match="longer than 300 s"):
        sound.read(write(tmp_path / "long.wav", np.zeros(301 * 8000, np.float32), rate=8000))
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "picture.png")
    with pytest.raises(InputError):
        sound.read(tmp_path / "picture.png")
