"""Linear light, sRGB bytes, and what a camera makes of light, compiled by numba."""

from __future__ import annotations

import math

import numpy as np

from dinar.synth.kernels.vectors import compiled

LINEAR = np.where(
    np.arange(256) <= 10, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
).astype(np.float32)  # sRGB bytes -> linear light
_SRGB = np.searchsorted((LINEAR[1:] + LINEAR[:-1]) / 2, np.arange(65536) / 65535).astype(np.uint8)  # and back


@compiled
def develop(light, gain, across, above, noise, normal, starts, tone, steps, row, out):
    """A camera's sRGB picture, `out` [H, 3 W], of linear light [H, 3 W] (three colours a pixel).

    gain [3 W] multiplies a row; across [3 W] and above [H]: shares of the light that it loses
    noise: its spread in full light; normal [.] random numbers, starts [H] where in them a row begins
    tone [.]: sRGB for the square root of light, `steps` entries for 1; row [3 W]: room to work in
    """
    count = light.shape[1]
    last = len(tone) - 2
    zero, one = np.float32(0), np.float32(1)
    for y in range(len(light)):
        start, up = starts[y], one - above[y]
        for x in range(count):  # apart from the second loop, so that this one uses the processor's vectors
            value = light[y, x] * gain[x] * (up - across[x])
            value += noise * normal[start + x] * math.sqrt(min(max(value, zero), one) + np.float32(0.02))
            row[x] = min(math.sqrt(max(value, zero)) * steps, np.float32(last))
        for x in range(count):
            k = int(row[x])
            out[y, x] = tone[k] + (tone[k + 1] - tone[k]) * (row[x] - np.float32(k))


@compiled
def to_bytes(light, out):
    """Linear light in [0, 1] as sRGB bytes, `out` uint8, both flat."""
    for n in range(len(light)):
        out[n] = _SRGB[int(min(max(light[n], np.float32(0)), np.float32(1)) * np.float32(65535))]
