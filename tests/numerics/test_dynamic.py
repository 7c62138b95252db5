"""Dynamic tree quantization in runs of a tensor, against the map and the search written out naively."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from lbt.kernels.quantize import fake_quantize, quantize
from lbt.numerics.formats import parse_format
from lbt.numerics.granularity import to_matrix
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec

KEY = Key(1, 2, "layer", "U")


def tree(unsigned: bool) -> list[float]:
    """The map of arXiv 2110.02861: for each decimal exponent the middles of equal parts of [0.1, 1]."""
    found = [0.0, 1.0]
    for exponent in range(7):
        parts = 2 ** (6 - exponent + unsigned)
        for part in range(parts):
            middle = 0.1 + 0.9 * (part + 0.5) / parts
            found += [middle * 10.0**-exponent] + ([] if unsigned else [-middle * 10.0**-exponent])
    return sorted(found)


@pytest.mark.parametrize("word", ["dynamic8", "udynamic8"])
def test_the_grid_is_the_papers(word: str) -> None:
    form = parse_format(word)
    first = 0 if form.unsigned else -127
    grid = form.decode(torch.arange(first, first + 256))
    assert len(grid.unique()) == 256
    np.testing.assert_allclose(grid.numpy(), tree(form.unsigned), rtol=2e-7)
    assert form.decode(torch.zeros(1)).item() == 0


@pytest.mark.parametrize("word", ["dynamic8", "udynamic8"])
def test_each_run_of_2048_takes_the_nearest_number_of_its_own_scale(word: str) -> None:
    x = torch.randn(3000, generator=torch.Generator().manual_seed(0)).pow(5)
    x = x.abs() + 1e-3 if word.startswith("u") else x
    y = fake_quantize(x, RoleSpec.model_validate({"format": word}), KEY)
    grid = np.array(tree(word.startswith("u")))
    for part, found in ((x[:2048], y[:2048]), (x[2048:], y[2048:])):
        scale = part.abs().max().double().item()
        values = part.double().numpy() / scale
        nearest = grid[np.abs(values[:, None] - grid).argmin(1)] * scale
        np.testing.assert_allclose(found.numpy(), nearest, rtol=1e-5, atol=1e-12)


def test_what_is_positive_stays_so_in_the_unsigned_format() -> None:
    x = torch.tensor([1.0, 1e-30, 0.0, 1e-8])
    y = fake_quantize(x, RoleSpec.model_validate({"format": "udynamic8"}), KEY)
    assert (y > 0).tolist() == [True, True, False, True]


def test_stochastic_rounding_is_unbiased() -> None:
    x = torch.full((2048 * 40,), 0.0437)
    x[::2048] = 1.0
    y = fake_quantize(x, RoleSpec.model_validate({"format": "dynamic8", "rounding": "stochastic"}), KEY)
    part = y[x < 1]
    assert len(part.unique()) == 2
    assert part.mean().item() == pytest.approx(0.0437, abs=1e-5)


@pytest.mark.parametrize("shape", [(1,), (7, 5), (4, 3, 3, 3), (2, 3, 5)])
def test_runs_follow_memory_and_come_back(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    matrix, layout = to_matrix(x, "run(16)", "U")
    flat = (x.movedim(1, -1) if len(shape) > 2 else x).flatten()
    assert matrix.shape[1] == min(16, x.numel())
    assert torch.equal(matrix.flatten()[: x.numel()], flat)
    assert torch.equal(layout.restore(matrix), x)


def test_bytes_and_words() -> None:
    spec = RoleSpec.model_validate({"format": "dynamic8"})
    assert spec.bits == 8 + 32 / 2048
    assert spec.granularity == "run(2048)"
    assert quantize(torch.randn(5000), spec, KEY).scale.numel() == 3
    with pytest.raises(ValidationError, match="does not fit the format"):
        RoleSpec.model_validate({"format": "dynamic8", "granularity": "channel"})
    with pytest.raises(ValidationError, match=r"run\(n\)"):
        RoleSpec.model_validate({"format": "int8", "granularity": "run(0)"})
