"""Evidence that predictions give without labels."""

from __future__ import annotations

import pytest
import scipy.stats
import torch

from lbt.train.evaluation import class_entropy, collapsed, interval


def test_collapse_is_seen_without_labels():
    healthy = torch.eye(10).repeat(20, 1)
    assert not collapsed(healthy, healthy)
    assert collapsed(torch.eye(10)[:3].repeat(20, 1), healthy)
    assert collapsed(torch.full((10, 10), float("nan")), healthy)


def test_class_entropy_and_collapse():
    even = torch.eye(10).repeat(3, 1)
    one = torch.eye(10)[[4] * 30]
    assert class_entropy(even) == pytest.approx(1)
    assert class_entropy(one) == pytest.approx(0)
    assert class_entropy(torch.eye(10)[[0, 1] * 15]) == pytest.approx(
        torch.tensor(2.0).log() / torch.tensor(10.0).log()
    )
    assert [collapsed(p, even) for p in (even, one, even * float("nan"))] == [False, True, True]
    few = torch.eye(10)[torch.tensor([0] * 90 + list(range(1, 10)))]
    assert not collapsed(few, few)  # a target of unequal classes


@pytest.mark.parametrize(("right", "count"), [(0, 5), (3, 5), (5, 5), (290, 300)])
def test_the_interval_is_wilsons(right, count):
    labels = torch.tensor([0] * right + [1] * (count - right) + [-1] * 7)
    low, high = interval(torch.tensor([[0.9, 0.1]]).expand(len(labels), 2), labels)
    expected = scipy.stats.binomtest(right, count).proportion_ci(method="wilson")
    assert low == pytest.approx(100 * expected.low, abs=1e-4)
    assert high == pytest.approx(100 * expected.high, abs=1e-4)


def test_no_label_gives_no_interval():
    assert interval(torch.full((3, 2), 0.5), torch.full((3,), -1)) == (None, None)
