"""Losses that several methods share."""

from __future__ import annotations

import torch

from lbt.adapt.losses import class_balance, diversity, reverse_gradient


def test_balance_and_diversity_are_least_at_the_expected_mix():
    uniform, skewed = torch.full((8, 4), 0.25), torch.tensor([[0.97, 0.01, 0.01, 0.01]]).repeat(8, 1)
    for loss in (class_balance, diversity):
        assert loss(uniform, uniform[0]) < loss(skewed, uniform[0])
        assert loss(skewed, skewed[0]) < loss(uniform, skewed[0])


def test_gradients_reverse():
    x = torch.ones(3, requires_grad=True)
    (reverse_gradient(x, 0.5) * 2).sum().backward()
    assert x.grad.tolist() == [-1.0, -1.0, -1.0]
