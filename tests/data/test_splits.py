from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbt.artifacts import Images
from lbt.data.splits import split, split_published, stratified_order
from lbt.errors import LbtError


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 5))
def test_every_prefix_is_nearly_proportional(sizes: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    order = stratified_order(labels, seed)
    assert sorted(order) == list(range(len(labels)))
    for length in range(1, len(labels) + 1):
        counts = np.bincount(labels[order[:length]], minlength=len(sizes))
        # each class is within one image of its share of a common key threshold, the thresholds within one class count
        assert np.abs(counts - length * np.array(sizes) / len(labels)).max() <= len(sizes)


def numbered(labels: np.ndarray) -> Images:
    """Images whose two pixels spell their own number."""
    index = np.arange(len(labels))
    pixels = np.stack([index // 256, index % 256], axis=1).astype(np.uint8)
    return Images(pixels.reshape(-1, 1, 2, 1), labels, ("a", "b"))


def numbers(images: Images) -> set[int]:
    return set((images.pixels[:, 0, 0, 0].astype(int) * 256 + images.pixels[:, 0, 1, 0]).tolist())


@pytest.mark.parametrize(("validation", "test"), [(30, 50), (0.1, 0.2)])
def test_splits_are_disjoint_and_complete(validation: float, test: float) -> None:
    labels = np.repeat([0, 1, -1], [100, 200, 40])
    parts = split(numbered(labels), validation, test)
    found = [numbers(images) for _, images in parts.items()]
    assert set.union(*found) == set(range(340))
    assert sum(map(len, found)) == 340
    assert (parts.train.labels == -1).sum() == 40  # without labels: only for training
    assert len(parts.validation) == 30
    assert np.bincount(parts.validation.labels).tolist() == [10, 20]


def test_published_test_set_stays_the_test_set() -> None:
    train, test = numbered(np.arange(100) % 2), numbered(np.arange(30) % 2)
    parts = split_published(train, test, validation=0.1)
    assert numbers(parts.test) == set(range(30))
    assert len(parts.validation) == 10
    assert not numbers(parts.train) & numbers(parts.validation)


def test_too_few() -> None:
    with pytest.raises(LbtError, match="too few"):
        split(numbered(np.array([0, 1, -1, -1])), 0.15, 0.15)
