"""Functions of a forward are rows of the conversion table."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from lbt.nn import quantize, summary


class Functional(nn.Module):
    """Everything as functions that a user might write."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.weight = nn.Parameter(torch.randn(4, 4, 3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.inner(x)
        y = functional.relu(functional.conv2d(x, self.weight, padding=1))
        y = functional.avg_pool2d(x + y, 2) * 2
        return torch.flatten(y, 1) @ torch.ones(4 * 4, 2)


class DataDependent(nn.Module):
    """Cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) if x.sum() > 0 else x


def test_functions_are_listed_with_the_reason() -> None:
    model = quantize(Functional(), "int8")
    rows = {row.name: row.why for row in model.lbt.table if row.kind == "function"}
    assert set(rows) == {"conv2d()", "add()", "avg_pool2d()", "mul()", "matmul()"}
    assert "lbt.nn.Add" in rows["add()"]
    assert rows["conv2d()"].startswith("W int8")
    assert rows["matmul()"].startswith("both operands A int8")
    assert "next layer quantizes" in rows["avg_pool2d()"]
    assert "conv2d()" in summary(model)
    model(torch.randn(2, 3, 4, 4)).sum().backward()


def test_a_function_inside_of_a_block_is_named_with_it() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = Functional()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.block(x)

    names = {row.name for row in quantize(Outer(), "int8").lbt.table}
    assert "block.add()" in names


def test_a_model_that_cannot_be_traced_converts_and_says_so() -> None:
    model = quantize(DataDependent(), "int8")
    assert any(row.name == "forward()" and "could not be traced" in row.why for row in model.lbt.table)
    assert model(torch.ones(1, 4)).shape == (1, 4)
