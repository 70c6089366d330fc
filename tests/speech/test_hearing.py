from __future__ import annotations

import numpy as np
import pytest
from speech.sounds import FORMANTS, hiss, silence, vowel

from dinar.speech.hearing import heard
from dinar.speech.sound import Sound
from dinar.speech.track import NAMES, SILENCE, Track


def track_of(*parts: np.ndarray) -> Track:
    return heard(Sound(np.concatenate(parts)[None]))


def shares(track: Track, start: float, end: float) -> dict[str, float]:
    means = track.strengths[round(start * 100) : round(end * 100)].mean(0)
    return {name.removeprefix("viseme_"): float(share) for name, share in zip(NAMES, means, strict=True)}


@pytest.mark.parametrize("name", FORMANTS)
@pytest.mark.parametrize("pitch, tract", [(105.0, 1.0), (230.0, 1.15)], ids=["low", "high"])
def test_a_vowel_is_heard(name: str, pitch: float, tract: float) -> None:
    track = track_of(silence(0.3), vowel(name, pitch=pitch, tract=tract), silence(0.3))
    found = shares(track, 0.4, 0.8)
    alike = {"O", "U"} if name == "U" and pitch > 200 else {name}       # two harmonics tell little of a formant between
    assert max(found, key=found.get) in alike and sum(found[one] for one in alike) > 0.6
    assert track.strengths[:20, SILENCE].min() > 0.99 and track.strengths[-20:, SILENCE].min() > 0.99


def test_hisses_and_closed_lips_are_heard() -> None:
    assert shares(track_of(hiss(4500, 7800)), 0.1, 0.5)["SS"] > 0.6
    assert shares(track_of(hiss(2300, 4200)), 0.1, 0.5)["CH"] > 0.6
    hum = 0.3 * np.sin(2 * np.pi * 120 * np.arange(28_800) / 48_000)
    assert shares(track_of(hum.astype(np.float32)), 0.1, 0.5)["PP"] > 0.9


def test_silence_says_nothing() -> None:
    noise = 1e-4 * np.random.default_rng(0).normal(size=48_000).astype(np.float32)
    for quiet in (silence(1), noise, silence(0.001)):
        track = track_of(quiet)
        assert len(track) >= 1 and track.strengths[:, SILENCE].min() == pytest.approx(1) and not track.loudness.any()


def test_rows_sum_to_one_and_a_sound_is_heard_the_same_however_loud() -> None:
    parts = [silence(0.2), vowel("aa"), hiss(4500, 7800, 0.2), vowel("U"), silence(0.2)]
    track, softer = track_of(*parts), track_of(*(0.2 * part for part in parts))
    assert np.allclose(track.strengths.sum(1), 1, atol=1e-5) and track.strengths.min() > -1e-6
    assert len(track) == 180 and np.abs(track.strengths - softer.strengths).max() < 0.02
