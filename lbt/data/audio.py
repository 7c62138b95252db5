"""Recordings as images: a second of sound as the logarithm of its mel spectrum.

The middle second (a shorter clip has silence on both sides), both channels averaged, at 16 kHz; 64 Hann windows of 25
ms with a step of a 64th of a second; the power in 64 triangular bands, equally wide in mel (O'Shaughnessy 1987:
2595·log10(1 + f/700)) from 20 Hz to 8 kHz. A row is a band, the highest on top; a column is a time. Black is -80 dB and
white 0 dB, the power of a full-scale sine in its band: fixed numbers, so that an image depends on its clip alone.
"""

from __future__ import annotations

import io
from functools import cache
from math import gcd
from pathlib import Path

import numpy as np

SUFFIXES = (".wav", ".wave")
RATE, SECONDS, BANDS, FRAMES = 16_000, 1.0, 64, 64
"""Samples a second, length of the clip, rows and columns of the image."""
WINDOW, POINTS = 400, 512
"""Samples of a window, and of its Fourier transform."""
LOWEST, HIGHEST = 20.0, 8000.0
"""Ends of the bands in Hz."""
FLOOR = -80.0
"""Decibels that are black."""
RATES = range(1000, 384_001)
"""Sample rates that are read."""


def is_wave(source: bytes | Path) -> bool:
    """True for the bytes, or the file, of a WAV recording."""
    if isinstance(source, bytes):
        head = source[:12]
    else:
        with source.open("rb") as file:
            head = file.read(12)
    return head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:] == b"WAVE"


def spectrogram(source: bytes | Path) -> np.ndarray:
    """The image of a recording, uint8 (BANDS, FRAMES).

    Raises:
        ValueError: not a WAV file that can be read, shorter than a window, or a rate outside of ``RATES``.
    """
    samples, rate = _samples(source)
    if rate not in RATES or len(samples) * RATE < WINDOW * rate:
        raise ValueError(f"a recording of {len(samples)} samples at {rate} Hz")
    if rate != RATE:
        from scipy.signal import resample_poly

        both = gcd(rate, RATE)
        samples = resample_poly(samples, RATE // both, rate // both)
    power = _power(_middle(samples, round(RATE * SECONDS)))
    decibels = 10 * np.log10(np.maximum(power @ _filters().T, 10 ** (FLOOR / 10)))
    scaled = np.clip(1 - decibels / FLOOR, 0, 1) * 255
    return np.ascontiguousarray(np.rint(scaled).astype(np.uint8).T[::-1])


def _samples(source: bytes | Path) -> tuple[np.ndarray, int]:
    """Samples (N,) in -1 … 1, and their rate."""
    import warnings

    from scipy.io import wavfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks that are no samples
        rate, found = wavfile.read(io.BytesIO(source) if isinstance(source, bytes) else source)
    kind = found.dtype
    samples = found.astype(np.float64)
    if kind == np.uint8:
        samples = (samples - 128) / 128
    elif np.issubdtype(kind, np.integer):
        samples /= 2.0 ** (8 * kind.itemsize - 1)
    if not np.isfinite(samples).all():
        raise ValueError("samples that are not finite")
    return samples.mean(1) if samples.ndim == 2 else samples, int(rate)


def _middle(samples: np.ndarray, length: int) -> np.ndarray:
    """The middle ``length`` samples, zeros around a shorter clip."""
    if len(samples) >= length:
        start = (len(samples) - length) // 2
        return samples[start : start + length]
    before = (length - len(samples)) // 2
    return np.pad(samples, (before, length - len(samples) - before))


def _power(samples: np.ndarray) -> np.ndarray:
    """Power (FRAMES, POINTS/2 + 1); 1 is that of a full-scale sine at its frequency."""
    step = len(samples) // FRAMES
    window = np.hanning(WINDOW + 1)[:-1]
    padded = np.pad(samples, (WINDOW - step) // 2 + 1)
    frames = np.stack([padded[n * step : n * step + WINDOW] for n in range(FRAMES)])
    spectrum: np.ndarray = np.abs(np.fft.rfft(frames * window, POINTS)) * 2 / window.sum()
    return spectrum**2


@cache
def _filters() -> np.ndarray:
    """Triangles (BANDS, POINTS/2 + 1) that are 1 at their middle."""
    mels = np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    hertz = np.arange(POINTS // 2 + 1) * RATE / POINTS
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    found: np.ndarray = np.maximum(0, np.minimum((hertz - left) / (middle - left), (right - hertz) / (right - middle)))
    return found


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))
