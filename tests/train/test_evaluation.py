"""Evidence that predictions give without labels."""

from __future__ import annotations

import pytest
import torch

from lbt.train.evaluation import class_entropy, collapsed


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
