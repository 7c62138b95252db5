"""Random numbers that are a function of (seed, name, image): an image is corrupted alike in any batch and any order."""

from __future__ import annotations

import hashlib

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Draws:
    """A counter-based stream of random numbers for each image, by SplitMix64 (Steele, Lea & Flood 2014).

    Args:
        seed: of the stream.
        name: of what draws, such as a corruption.
        index: (N,) numbers of the images, 0 or more.
    """

    def __init__(self, seed: int, name: str, index: np.ndarray) -> None:
        digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
        start = np.uint64(int.from_bytes(digest[:8], "little"))
        self._keys = _mixed(start + (np.asarray(index).astype(np.uint64) + np.uint64(1)) * _GOLDEN)
        self._drawn = 0

    def __len__(self) -> int:
        return len(self._keys)

    def uniform(self, *shape: int) -> np.ndarray:
        """Float64 (N, *shape), uniform in the open interval (0, 1); each call goes on where the last one ended."""
        count = int(np.prod(shape, dtype=np.int64))
        counter = np.arange(self._drawn + 1, self._drawn + count + 1, dtype=np.uint64) * _GOLDEN
        self._drawn += count
        bits = _mixed(self._keys[:, None] + counter[None, :]) >> np.uint64(11)
        return ((bits.astype(np.float64) + 0.5) * 2.0**-53).reshape(len(self), *shape)

    def between(self, low: float, high: float, *shape: int) -> np.ndarray:
        """Float64 (N, *shape), uniform from ``low`` to ``high``."""
        return low + (high - low) * self.uniform(*shape)

    def normal(self, *shape: int) -> np.ndarray:
        """Float64 (N, *shape), standard normal, by the inverse of the distribution function."""
        from scipy.special import ndtri

        found: np.ndarray = ndtri(self.uniform(*shape))
        return found


def _mixed(z: np.ndarray) -> np.ndarray:
    """SplitMix64's output function, elementwise on uint64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
