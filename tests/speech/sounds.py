"""Vowels by formant synthesis, and what else tests listen to."""

from __future__ import annotations

import math
import wave
from pathlib import Path

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

RATE = 48_000
FORMANTS = {            # Hz, of a low voice
    "aa": (700, 1200, 2500, 3400),
    "E": (560, 1750, 2500, 3400),
    "I": (300, 2200, 3000, 3500),
    "O": (510, 880, 2400, 3400),
    "U": (320, 870, 2250, 3400),
}


def vowel(name: str, seconds: float = 0.6, *, pitch: float = 115.0, tract: float = 1.0) -> np.ndarray:
    """Pulses through four resonances, float32 [N]; `tract` is how much higher they lie."""
    time = np.arange(round(seconds * RATE))
    sound = lfilter([1], [1, -0.98], ((time * pitch / RATE) % 1 < pitch / RATE).astype(float))
    for k, formant in enumerate(FORMANTS[name]):
        radius = math.exp(-math.pi * (70 + 30 * k) / RATE)
        poles = [1, -2 * radius * math.cos(2 * math.pi * formant * tract / RATE), radius**2]
        sound = lfilter([sum(poles)], poles, sound)
    sound -= sound.mean()
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def hiss(low: float, high: float, seconds: float = 0.6) -> np.ndarray:
    """Noise between two frequencies, Hz."""
    noise = np.random.default_rng(0).normal(size=round(seconds * RATE))
    return (0.05 * sosfilt(butter(4, [low, high], "band", fs=RATE, output="sos"), noise)).astype(np.float32)


def write(path: Path, samples: np.ndarray, *, rate: int = RATE, channels: int = 1) -> Path:
    """A .wav of 16 bits; all channels alike."""
    whole = np.repeat(np.rint(samples * 32767).astype("<i2")[:, None], channels, axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(whole.tobytes())
    return path
