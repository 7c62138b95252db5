"""Square roots: IEEE 754's on any processor, also through the integer root that hardware has."""

import math

import numpy as np
import pytest
import torch

from lbt.fixed import arithmetic as fixed
from lbt.numerics.root import square_root


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_root_is_correctly_rounded(dtype):
    x = torch.rand(10_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64).mul(100).to(dtype)
    exact = [math.sqrt(v) for v in x.tolist()]  # from float32, rounding the root of float64 again changes nothing
    assert square_root(x).tolist() == torch.tensor(exact, dtype=torch.float64).to(dtype).tolist()
    assert square_root(x[0]) == exact[0] or dtype == torch.float32
    assert square_root(x.view(100, 100).T).equal(square_root(x).view(100, 100).T)


def test_special_values():
    x = torch.tensor([0.0, -0.0, torch.inf, torch.nan, -1.0])
    assert np.array_equal(
        square_root(x).numpy(), np.array([0.0, -0.0, np.inf, np.nan, np.nan], np.float32), equal_nan=True
    )


def test_its_gradient():
    x = torch.rand(5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).add(0.1).requires_grad_()
    assert torch.autograd.gradcheck(square_root, x)


def test_the_integer_root_of_squares_and_their_neighbours():
    roots = torch.randint(1, 2**26, (20_000,), generator=torch.Generator().manual_seed(0))
    assert fixed.square_root(roots * roots).equal(roots)
    assert fixed.square_root(roots * roots - 1).equal(roots - 1)
