"""Protocols: each image under each corruption once, in runs or not, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from lbt.edge.streams import STREAMS, Setting

LABELS = np.arange(300) % 10


def order(name: str, **knobs: object):
    times = list(np.random.default_rng(0).permutation(300).astype(float))
    return STREAMS.load(name).order(Setting(LABELS, 3, seed=0, times=times, **knobs))


@pytest.mark.parametrize("name", STREAMS.names())
def test_each_image_comes_once_under_each_corruption(name):
    found = order(name)
    pairs = set(zip(found.image.tolist(), found.corruption.tolist(), strict=True))
    expected = {(image, c) for image in range(300) for c in ([-1] if name == "time" else range(3))}
    assert pairs == expected
    assert len(found.image) == len(expected)
    again = order(name)
    assert (again.image == found.image).all()


def changes(labels: np.ndarray) -> int:
    return int((labels[1:] != labels[:-1]).sum())


def test_classes_come_in_runs_where_they_are_correlated():
    runs, even = LABELS[order("correlated").image], LABELS[order("continual").image]
    assert changes(runs) < 0.35 * changes(even)
    assert changes(runs) < changes(LABELS[order("correlated", dirichlet=100.0).image])


def test_a_mixed_stream_mixes_corruptions():
    found = order("mixed")
    assert len(set(found.corruption[:64].tolist())) == 3
    assert changes(order("continual").corruption) == 2
