"""Recordings as images: by the definition of the transform, one by one, of any rate and width, and in a folder."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from lbt.data import DomainSpec, load_domain
from lbt.data.audio import BANDS, FRAMES, RATE, WINDOW, is_wave, spectrogram


def wave(samples: np.ndarray, rate: int = RATE) -> bytes:
    out = io.BytesIO()
    wavfile.write(out, rate, samples)
    return out.getvalue()


def tone(hertz: float, seconds: float = 1.0, rate: int = RATE, loud: float = 0.5) -> np.ndarray:
    return (loud * 32767 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.int16)


def naive_column(samples: np.ndarray, frame: int) -> np.ndarray:
    """One column from the definitions: a sum for each frequency, a loop over the bands."""
    step, start = RATE // FRAMES, frame * (RATE // FRAMES) - ((WINDOW - RATE // FRAMES) // 2 + 1)
    places = np.arange(start, start + WINDOW)
    x = np.where((places >= 0) & (places < len(samples)), samples[np.clip(places, 0, len(samples) - 1)], 0.0)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    power = []
    for k in range(257):
        turned = np.exp(-2j * np.pi * k * np.arange(WINDOW) / 512)
        power.append((2 * abs((x * window * turned).sum()) / window.sum()) ** 2)
    mel = [2595 * np.log10(1 + f / 700) for f in (20.0, 8000.0)]
    edges = [700 * (10 ** (m / 2595) - 1) for m in np.linspace(*mel, BANDS + 2)]
    column = []
    for low, middle, high in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
        total = 0.0
        for k, p in enumerate(power):
            f = k * RATE / 512
            total += p * max(0.0, min((f - low) / (middle - low), (high - f) / (high - middle)))
        level = 10 * np.log10(max(total, 1e-8))
        column.append(min(max((level + 80) / 80, 0), 1) * 255)
    assert step == 250
    return np.array(column[::-1])


def test_a_column_by_definition():
    random = np.random.default_rng(0)
    samples = (random.normal(0, 3000, RATE)).astype(np.int16)
    image = spectrogram(wave(samples))
    for frame in (0, 17, FRAMES - 1):
        assert np.abs(image[:, frame] - naive_column(samples / 32768, frame)).max() <= 0.5 + 1e-6


def test_a_tone_is_a_line_and_silence_is_black():
    rows = [int(spectrogram(wave(tone(hertz)))[:, 30].argmax()) for hertz in (200, 1000, 4000)]
    assert rows == sorted(rows, reverse=True)  # the highest on top
    full = spectrogram(wave(tone(1000, loud=1.0)))
    assert full[:, 30].max() > 240
    assert not spectrogram(wave(np.zeros(RATE, np.int16))).any()
    short = spectrogram(wave(tone(1000, 0.3)))
    assert not short[:, :15].any()
    assert not short[:, -15:].any()


@pytest.mark.parametrize("kind", ["uint8", "int32", "float32", "stereo"])
def test_sample_types_and_channels(kind):
    samples = tone(700)
    whole = spectrogram(wave(samples)).astype(int)
    other = {
        "uint8": (samples / 256 + 128).astype(np.uint8),
        "int32": samples.astype(np.int32) * 65536,
        "float32": (samples / 32768).astype(np.float32),
        "stereo": np.stack([samples, samples], 1),
    }[kind]
    found = spectrogram(wave(other)).astype(int)
    loud = whole > 150
    assert np.abs(found - whole)[loud].max() <= (0 if kind != "uint8" else 3)


def test_rates_are_brought_to_one():
    whole, half = (spectrogram(wave(tone(700, rate=rate), rate)).astype(int) for rate in (RATE, 8000))
    loud = whole > 150
    assert np.abs(whole - half)[loud].max() <= 6


def test_what_is_no_recording():
    assert not is_wave(b"RIFF")
    for content in (wave(tone(700))[:60], wave(np.zeros(10, np.int16)), wave(tone(700), 500)):
        with pytest.raises(ValueError, match=r"\w"):
            spectrogram(content)


def test_a_folder_of_speakers(workspace: Path):
    folder = workspace / "inputs" / "speech"
    folder.mkdir(parents=True)
    for digit, hertz in enumerate((300, 900, 2500)):
        for user in ("ann", "ben"):
            for number in range(8):
                (folder / f"{digit}_{user}_{number}.wav").write_bytes(wave(tone(hertz + number, 0.4, 8000), 8000))
    (folder / "0_ann_99.wav").write_bytes(b"RIFF0000WAVE")
    spec = DomainSpec(kind="folder", path="inputs/speech", name="{label}_{user}_{index}", max_skipped=0.1)
    splits = load_domain(spec)
    assert splits.train.classes == ("0", "1", "2")
    assert splits.train.pixels.shape[1:] == (64, 64, 1)
    assert set(splits.train.columns["user"]) == {"ann", "ben"}
    assert splits.skipped == {"not a readable image": ("0_ann_99.wav",)}
    alone = spectrogram(folder / "1_ben_3.wav")
    names = [name for _, part in splits.items() for name in part.columns["file"]]
    pixels = np.concatenate([part.pixels for _, part in splits.items()])
    assert (pixels[names.index("1_ben_3.wav"), ..., 0] == alone).all()
