"""Sound files -> samples."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from dinar.errors import InputError
from dinar.files import refuse_stand_in

RATE = 48_000       # samples a second, which every video player knows
LONGEST = 300.0     # seconds


@dataclass(frozen=True, eq=False)
class Sound:
    """Sound, one channel or two.

    samples  float32 [C, N]  in [-1, 1]
    rate     samples a second
    """

    samples: np.ndarray
    rate: int = RATE

    @property
    def seconds(self) -> float:
        return self.samples.shape[1] / self.rate

    def mono(self, rate: int) -> np.ndarray:
        """One channel float32 [N] at another rate, which divides this one or is divided by it."""
        from scipy.signal import resample_poly

        return resample_poly(self.samples.mean(0), rate, self.rate).astype(np.float32)


def read(path: str | Path) -> Sound:
    """The sound of a .wav, .mp3, .m4a, .ogg, .flac, or of a video.

    Raises InputError where it is missing, damaged, silent as a file without sound is, or longer than five minutes.
    """
    import av

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist; give a sound file (.wav, .mp3, .m4a, .ogg, .flac)")
    chunks: list[np.ndarray] = []
    count = 0
    try:
        refuse_stand_in(path)
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise InputError(f"{path} holds no sound")
            stream = container.streams.audio[0]
            layout = "mono" if stream.codec_context.channels == 1 else "stereo"
            resampler = av.AudioResampler(format="fltp", layout=layout, rate=RATE)
            for frame in chain(container.decode(stream), [None]):          # None: what the resampler still holds
                for part in resampler.resample(frame):
                    chunks.append(part.to_ndarray())
                    count += chunks[-1].shape[1]
                if count > LONGEST * RATE:
                    raise InputError(f"{path} lasts longer than {LONGEST:.0f} s; cut it into parts")
    except (OSError, ValueError) as error:                  # av's errors are both
        raise InputError(f"{path} cannot be read as sound: damaged, or of a kind that is not known") from error
    samples = np.concatenate(chunks, axis=1) if chunks else np.zeros((1, 0), np.float32)
    if not samples.size:
        raise InputError(f"{path} holds no sound")
    return Sound(np.nan_to_num(samples, posinf=0, neginf=0).clip(-1, 1))
