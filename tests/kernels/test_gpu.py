"""The code of a GPU: the definition traced and compiled gives the definition's bits, and a step asks for no number."""

from __future__ import annotations

import contextlib
import shutil

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from lbt.errors import LbtError
from lbt.kernels import finite, gpu, plain
from lbt.kernels.quantize import quantize
from lbt.models import build
from lbt.nn import quantize as convert
from lbt.nn import set_step
from lbt.numerics.granularity import to_matrix
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec

SPECS = [
    {"format": "int8", "rounding": "stochastic", "range": {"rule": "sigma", "k": 3}},
    {"format": "uint4", "granularity": "channel"},
    {"format": "mxe4m3", "rounding": "stochastic"},
    {"format": "e5m2", "granularity": "sample"},
    {"format": "luq4", "granularity": "block(2x16)"},
]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling for the CPU needs a C++ compiler")
@pytest.mark.parametrize("chosen", SPECS, ids=lambda s: s["format"])
def test_compiled_quantization_has_the_same_bits(chosen: dict) -> None:
    spec, g = RoleSpec.model_validate(chosen), torch.Generator().manual_seed(0)
    shapes = [(3, 40, 5, 4), (2, 40, 7, 3), (5, 64, 2, 9), (4, 72, 3, 6)]
    cases = [(torch.randn(*shape, generator=g) * 3, Key(1, step, "layer", "A")) for step, shape in enumerate(shapes)]
    expected = [quantize(x, spec, key, offset=77 * key.step, backend=plain) for x, key in cases]
    values = [q.dequantize() for q in expected]
    counters.clear()
    graphs = []
    for q, value, (x, key) in zip(expected, values, cases, strict=True):
        found = quantize(x, spec, key, offset=77 * key.step, backend=gpu)
        assert torch.equal(found.codes, q.codes)
        assert torch.equal(found.scale, q.scale)
        assert torch.equal(found.dequantize(), value)
        graphs.append(counters["stats"]["unique_graphs"])
    assert graphs[0] == 3  # limits, codes, values
    # other shapes, steps and offsets need no compilation; blocks with padding have a function of their own
    assert graphs[-1] == graphs[1] + (spec.granularity == "block(32)")


def test_a_rule_that_cannot_be_traced_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = RoleSpec.model_validate({"format": "int8", "range": {"rule": "mse"}})
    x = torch.randn(100, generator=torch.Generator().manual_seed(0))
    matrix, layout = to_matrix(x, "tensor", "A")
    limit = plain.limits(matrix, layout, spec.range, spec.format, None)
    monkeypatch.setattr(torch, "compile", lambda graph, **_: graph)
    assert torch.equal(gpu.limits(matrix, layout, spec.range, spec.format, None), limit)
    gpu._limiter.cache_clear()


@pytest.mark.parametrize("recipe", ["int8", "thesis", "fp8", "mx8"])
def test_a_step_does_not_wait_for_the_device(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the meta device, which has no numbers to look at, asking for one is an error."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # there is none for it
    with torch.device("meta"):
        model = convert(build("resnet20", 10, 3), recipe)
        set_step(model, 0)
        loss = nn.functional.cross_entropy(model(torch.randn(4, 3, 32, 32)), torch.zeros(4, dtype=torch.long))
        loss.backward()
    assert all(p.grad is not None for p in model.parameters())
    assert len(finite._kept) > 60  # what the next step will look at
    finite._kept.clear()


def test_what_is_not_finite_is_refused_at_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    model = convert(nn.Sequential(nn.Linear(3, 3)), "int8")
    fine, bad = torch.tensor(1.0), torch.tensor([[1.0], [float("nan")]]).amax()
    monkeypatch.setattr(finite, "_kept", [(fine, Key(0, 6, "0", "W")), (bad, Key(0, 7, "0", "A"))])
    with pytest.raises(LbtError, match=r"layer '0', role A: found NaN or infinity .*step 7"):
        set_step(model, 8)
    set_step(model, 8)  # said once
