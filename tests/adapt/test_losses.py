"""Losses that several methods share."""

from __future__ import annotations

import torch

from lbt.adapt.losses import class_balance, reverse_gradient


def test_class_balance_is_least_when_classes_are_equally_frequent():
    uniform, skewed = torch.full((8, 4), 0.25), torch.tensor([[0.97, 0.01, 0.01, 0.01]]).repeat(8, 1)
    assert class_balance(uniform) < class_balance(skewed)


def test_gradients_reverse():
    x = torch.ones(3, requires_grad=True)
    (reverse_gradient(x, 0.5) * 2).sum().backward()
    assert x.grad.tolist() == [-1.0, -1.0, -1.0]
