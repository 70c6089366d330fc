"""Sound -> visemes, without words: how loud it is, whether it has a pitch, and where its formants lie.

A vowel's first formant rises as the jaw opens and its second as the tongue goes forward (Fant, Acoustic Theory of
Speech Production, 1960). Formants are the poles of a linear prediction of the signal (Atal and Hanauer, 1971).
Whoever speaks higher has the shorter vocal tract, and all formants lie higher.
"""

from __future__ import annotations

import numpy as np

from dinar.speech.sound import Sound
from dinar.speech.track import NAMES, RATE, Track, flowing

_SAMPLES = 16_000            # a second, in which sounds are heard
_VOICE = 10_000              # in which formants are looked for: up to 5 kHz
_WINDOW = 0.032              # seconds
_ORDER = 12                  # poles: five formants, and the slope of the voice
_CHUNK = 4000                # windows at a time

_QUIET = -55.0               # dB of full scale: a recording whose loud parts lie below is silent
_RANGE = 32.0, 10.0          # dB below the loud parts at which a mouth begins to open, and is open
_PITCH = 70.0, 400.0         # Hz
_VOICED = 0.45               # least correlation of a window with itself a period later
_LOW, _HIGH = 150.0, 240.0   # Hz: pitch of a low and a high voice
_SHORTER = 1.17              # how much higher a high voice's formants lie (Peterson and Barney, 1952)

_VOWELS = {                  # first and second formant of a low voice, Hz (Peterson and Barney, 1952)
    "viseme_aa": (730, 1150),
    "viseme_E": (550, 1800),
    "viseme_I": (290, 2250),
    "viseme_O": (500, 850),
    "viseme_U": (310, 850),
}  # fmt: skip
_NEAR = 0.9                  # Bark: a formant that far from a vowel's is another one's
_HISS = {"viseme_SS": 5200.0, "viseme_CH": 3400.0}     # Hz: middle of their noise
_BAND = 900.0                # Hz: how wide that is
_HUM = 0.006                 # energy above 600 Hz against that below, under which lips are closed
_NOISY = 0.5                 # share of the energy above 2 kHz, over which a sound without pitch is a hiss


def heard(sound: Sound) -> Track:
    """What a mouth says that makes this sound."""
    wave = sound.mono(_SAMPLES)
    windows = _windows(wave, _SAMPLES)
    power = (np.abs(np.fft.rfft(windows * np.hanning(windows.shape[1]), axis=1)) ** 2).astype(np.float64)
    pitch = _pitch(windows)
    level = 10 * np.log10((windows.astype(np.float64) ** 2).mean(1) + 1e-12)
    loud = _loudness(level)
    strengths = np.zeros((len(windows), len(NAMES)))
    voiced = (pitch > 0) & (loud > 0)
    hum = voiced & (_share(power, 600, 8000) < _HUM)
    vowel = np.flatnonzero(voiced & ~hum)
    tract = 1 + (_SHORTER - 1) * np.clip((np.median(pitch[vowel]) - _LOW) / (_HIGH - _LOW), 0, 1) if len(vowel) else 1
    for first in range(0, len(vowel), _CHUNK):
        rows = vowel[first : first + _CHUNK]
        for name, share in _vowels(_formants(_windows(sound.mono(_VOICE), _VOICE)[rows]) / tract).items():
            strengths[rows, NAMES.index(name)] = share * loud[rows]
    strengths[hum, NAMES.index("viseme_PP")] = loud[hum]
    hiss = np.flatnonzero(~voiced & (loud > 0) & (_share(power, 2000, 8000) > _NOISY))
    for name, share in _hisses(power[hiss]).items():
        strengths[hiss, NAMES.index(name)] = share * np.maximum(loud[hiss], 0.6)
    return flowing(strengths, loud * (pitch > 0))


def _windows(wave: np.ndarray, rate: int) -> np.ndarray:
    """Pieces [T, W] of a signal about `RATE` moments a second."""
    width, hop = round(_WINDOW * rate), rate // RATE
    padded = np.pad(wave, (width // 2, width))
    count = max(1, -(-len(wave) // hop))
    return np.lib.stride_tricks.sliding_window_view(padded, width)[::hop][:count]


def _loudness(level: np.ndarray) -> np.ndarray:
    """How loud each moment is against the recording's loud parts [T] in [0, 1]."""
    top = np.percentile(level, 95) if len(level) > 20 else level.max()
    top = max(top, np.sort(level)[-min(len(level), 10)])          # a word in a long silence is loud, too
    if top < _QUIET:
        return np.zeros_like(level)
    shut, open_ = _RANGE
    return np.clip((level - (top - shut)) / (shut - open_), 0, 1)


def _share(power: np.ndarray, low: float, high: float) -> np.ndarray:
    """The part of each spectrum's [T, F] energy that lies between two frequencies, Hz."""
    frequency = np.linspace(0, _SAMPLES / 2, power.shape[1])
    return power[:, (frequency >= low) & (frequency < high)].sum(1) / (power.sum(1) + 1e-12)


def _pitch(windows: np.ndarray) -> np.ndarray:
    """Hz [T], 0 where a window has none: the lag at which it looks most like itself."""
    width = windows.shape[1]
    found = np.zeros(len(windows))
    shortest, longest = (round(_SAMPLES / f) for f in reversed(_PITCH))
    longest = min(longest, width - 1)
    for first in range(0, len(windows), _CHUNK):
        part = windows[first : first + _CHUNK] * np.hanning(width)
        spectrum = np.abs(np.fft.rfft(part - part.mean(1, keepdims=True), 2 * width, axis=1)) ** 2
        alike = np.fft.irfft(spectrum, axis=1)[:, :width]
        own = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(width), 2 * width)) ** 2)[:width]     # what the window does
        alike = alike / (own / own[0] * np.maximum(alike[:, :1], 1e-9))
        lags = alike[:, shortest : longest + 1]
        best = lags.argmax(1)
        rows = lags[np.arange(len(lags)), best] > _VOICED
        found[first : first + _CHUNK][rows] = _SAMPLES / (shortest + best[rows])
    return found


def _formants(windows: np.ndarray) -> np.ndarray:
    """The first two formants [T, 2] of windows [T, W] at `_VOICE`, Hz."""
    sharp = windows.astype(np.float64)
    sharp = np.concatenate([sharp[:, :1], sharp[:, 1:] - 0.97 * sharp[:, :-1]], axis=1) * np.hamming(windows.shape[1])
    spectrum = np.abs(np.fft.rfft(sharp, 2 * sharp.shape[1], axis=1)) ** 2
    poles = np.linalg.eigvals(_companions(_prediction(np.fft.irfft(spectrum, axis=1)[:, : _ORDER + 1])))
    frequency = np.angle(poles) * _VOICE / (2 * np.pi)
    width = -np.log(np.maximum(np.abs(poles), 1e-9)) * _VOICE / np.pi
    heard = (frequency > 180) & (frequency < 4500) & (width < 450)
    ordered = np.sort(np.where(heard, frequency, np.inf), axis=1)
    first = np.where(ordered[:, 0] < 1100, ordered[:, 0], 500.0)
    second = np.where(np.isfinite(ordered[:, 1]) & (ordered[:, 1] < 3200), ordered[:, 1], 1500.0)
    return np.stack([first, second], axis=1)


def _prediction(alike: np.ndarray) -> np.ndarray:
    """Coefficients [T, P + 1] of the linear predictions of autocorrelations [T, P + 1] (Levinson and Durbin)."""
    count, order = alike.shape[0], alike.shape[1] - 1
    a = np.zeros((count, order + 1))
    a[:, 0] = 1
    error = alike[:, 0] * (1 + 1e-9) + 1e-12
    for k in range(1, order + 1):
        mirror = -(a[:, :k] * alike[:, k:0:-1]).sum(1) / error
        a[:, 1 : k + 1] += mirror[:, None] * a[:, k - 1 :: -1][:, :k]
        error = error * (1 - mirror**2)
    return a


def _companions(a: np.ndarray) -> np.ndarray:
    """Matrices [T, P, P] whose eigenvalues are the roots of polynomials [T, P + 1] that begin with 1."""
    order = a.shape[1] - 1
    matrix = np.tile(np.eye(order, k=-1), (len(a), 1, 1))
    matrix[:, 0] = -a[:, 1:]
    return matrix


def _bark(frequency: np.ndarray) -> np.ndarray:
    """Hz as the ear spaces them (Traunmüller, 1990)."""
    return 26.81 * frequency / (1960 + frequency) - 0.53


def _vowels(formants: np.ndarray) -> dict[str, np.ndarray]:
    """How much each vowel is heard in formants [T, 2] of a low voice: shares that sum to 1."""
    middle = _bark(np.array(list(_VOWELS.values()), float))
    apart = ((_bark(formants)[:, None] - middle) ** 2).sum(2) / (2 * _NEAR**2)
    share = np.exp(apart.min(1, keepdims=True) - apart)
    return dict(zip(_VOWELS, (share / share.sum(1, keepdims=True)).T, strict=True))


def _hisses(power: np.ndarray) -> dict[str, np.ndarray]:
    """How much each hiss is heard in spectra [T, F]: by where its noise is, shares that sum to 1."""
    frequency = np.linspace(0, _SAMPLES / 2, power.shape[1])
    above = np.where(frequency > 1500, power, 0)
    middle = (above * frequency).sum(1) / (above.sum(1) + 1e-12)
    share = {name: np.exp(-((middle - place) ** 2) / (2 * _BAND**2)) + 1e-9 for name, place in _HISS.items()}
    total = sum(share.values())
    return {name: one / total for name, one in share.items()}
