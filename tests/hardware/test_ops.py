"""Counting against hand-counted layers, torch's own flop counter, and a slow walk over every multiplication."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lbt.errors import LbtError
from lbt.hardware.masks import channels
from lbt.hardware.ops import Gemm, count
from lbt.hardware.precision import FLOAT32, Number, Precision
from lbt.hardware.trace import trace

INT8 = Precision.uniform("int8")
FP32 = Precision.uniform("fp32")


class Residual(nn.Module):
    """Everything that a small network has: functional and module operations, a branch, a depthwise layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.down = nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(12 * 16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.norm(self.stem(x)))
        x = torch.relu(x + self.depthwise(x))
        return self.head(self.pool(self.down(x)).flatten(1))


def by(works: list, layer: str, stage: str) -> SimpleNamespace:
    found = [w for w in works if (w.layer, w.stage) == (layer, stage)]
    assert len(found) == 1, (layer, stage, [(w.layer, w.stage) for w in works])
    return found[0]


def test_a_layer_counted_by_hand() -> None:
    works = count(trace(nn.Conv2d(2, 3, 3, padding=1), (2, 4, 5)), INT8, batch=7)
    forward = by(works, "model", "forward")
    assert forward.macs == 7 * 4 * 5 * 9 * 2 * 3
    assert forward.gemms == (Gemm(7 * 20, 18, 3),)
    assert forward.bops == forward.macs * 64
    assert forward.reads == 7 * 2 * 20 + 2 * 3 * 9 + 3
    assert forward.writes == 7 * 3 * 20
    assert forward.requantized == 7 * 3 * 20
    assert forward.stochastic == 0
    gradient = by(works, "model", "gradient")
    assert gradient.macs == forward.macs
    assert gradient.gemms == (Gemm(18, 7 * 20, 3),)
    assert gradient.stochastic == 2 * 3 * 9 + 3
    update = by(works, "model", "update")
    assert update.operations.multiplies == 2 * 57
    assert update.reads == 57 * (1 + 2 + 2)  # gradient in 8 bits, momentum and master in 16
    assert not [w for w in works if w.stage == "error"]  # nobody asks for the image's gradient


def test_a_strided_error_product_has_the_macs_of_its_phases() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 3, stride=2, padding=1))
    works = count(trace(model, (3, 8, 8)), INT8)
    error = by(works, "1", "error")
    assert error.macs == 16 * 9 * 4 * 6
    assert sum(g.macs for g in error.gemms) == error.macs
    assert sum(g.count for g in error.gemms) == 4


def test_macs_equal_torchs_flop_counter_forward_and_backward() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 64, 10),
    )
    works = count(trace(model, (3, 16, 16)), FP32, batch=4)
    with FlopCounterMode(display=False) as counter:
        output = model(torch.randn(4, 3, 16, 16))
        forward = counter.get_total_flops()
        output.sum().backward()
    assert 2 * sum(w.macs for w in works if w.stage == "forward") == forward
    assert 2 * sum(w.macs for w in works) == counter.get_total_flops()


def test_norm_relu_and_pool_are_counted_and_branches_summed() -> None:
    works = count(trace(Residual(), (3, 16, 16)), INT8, batch=2)
    elements = 2 * 8 * 256
    assert by(works, "norm", "forward").kind == "norm:range_bn"
    assert by(works, "norm", "forward").operations.adds == elements * 2 + 8 * 4
    assert by(works, "relu", "forward").operations.comparisons == elements
    assert by(works, "pool", "forward").operations.comparisons == 2 * 12 * 16 * 3
    assert by(works, "add", "forward").operations.adds == elements
    # the first ReLU's value goes to the depthwise layer and to the addition: their errors are summed
    assert by(works, "relu", "error").operations.adds == elements


def test_float_roles_are_not_requantized() -> None:
    assert not any(w.requantized for w in count(trace(Residual(), (3, 16, 16)), FP32))


def test_frozen_layers_have_no_gradient_no_update_and_stop_the_error() -> None:
    model = Residual()
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("head")
    works = count(trace(model, (3, 16, 16)), INT8)
    trained = [w for w in works if w.stage != "forward"]
    assert {(w.layer, w.stage) for w in trained} == {("head", "gradient"), ("head", "update")}


def test_an_unknown_operation_is_named_and_not_zero() -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.fft(x).real

    works = count(trace(nn.Sequential(nn.Conv2d(1, 2, 1), Odd()), (1, 4, 4)), INT8)
    odd = [w for w in works if not w.known]
    assert odd
    assert all(w.kind.startswith("unknown:") and w.layer.startswith("1.") for w in odd)


class Attention(nn.Module):
    """Two heads written out, from one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        return torch.softmax(q @ k.transpose(2, 3), 3) @ v


def test_a_product_of_activations_has_two_errors_and_no_gradient() -> None:
    works = count(trace(Attention(), (5, 8)), INT8, batch=3)
    pairs = [w for w in works if w.kind == "pair"]
    scores, values, *errors = pairs
    assert (scores.gemms, values.gemms) == ((Gemm(5, 4, 5, 6),), (Gemm(5, 5, 4, 6),))
    assert [w.gemms for w in errors] == [
        (Gemm(5, 4, 5, 6), Gemm(5, 5, 4, 6)),  # of the values: dv and the scores' error
        (Gemm(5, 5, 4, 6), Gemm(4, 5, 5, 6)),
    ]
    assert {w.stage for w in pairs} == {"forward", "error"}
    assert all((w.x.bits, w.y.bits) == (8, 8) for w in pairs)
    assert scores.operands == (3 * 40, 3 * 40, 3 * 50)
    assert all(w.known for w in works)


def test_a_softmax_divides_once_a_row() -> None:
    (softmax, error) = [w for w in count(trace(Attention(), (5, 8)), INT8, batch=3) if w.kind == "softmax"]
    assert softmax.operations.divides == 3 * 2 * 5
    assert softmax.operations.comparisons == 2 * 3 * 2 * 5 * 5
    assert softmax.float_units
    assert error.operations.divides == 0
    (norm,) = count(trace(nn.LayerNorm((4, 6)), (4, 6)), INT8, training=False)
    assert norm.operations.square_roots == 1


def _slow_macs(mask_in: list[int], mask_out: list[int], size: int) -> int:
    total = 0
    for _y, _x, _ky, _kx, i, o in product(range(size), range(size), range(3), range(3), range(4), range(6)):
        total += mask_in[i] and mask_out[o]
    return total


def test_masks_against_a_walk_over_every_multiplication() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, padding=1),
        nn.Flatten(),
        nn.Linear(6 * 25, 5),
    )
    graph = trace(model, (3, 5, 5))
    first, second = [1, 0, 1, 0], [1, 1, 0, 1, 0, 1]
    works = count(graph, INT8, masks={"0": first, "3": second})
    assert by(works, "3", "forward").macs == _slow_macs(first, second, 5)
    assert by(works, "3", "error").macs == by(works, "3", "gradient").macs == _slow_macs(first, second, 5)
    assert by(works, "1", "forward").operations.multiplies == 2 * 25 + 2 * 8
    assert by(works, "5", "forward").macs == 4 * 25 * 5
    with pytest.raises(LbtError, match="mask: layer '3': found shape"):
        count(graph, INT8, masks={"3": [1, 0]})
    with pytest.raises(LbtError, match="did you mean '3'"):
        count(graph, INT8, masks={"33": [1] * 6})


def test_residual_channels_live_if_either_branch_does() -> None:
    graph = trace(Residual(), (3, 16, 16))
    kept = channels(graph, {"stem": [1, 1, 0, 0, 0, 0, 0, 0]})
    down = next(n for n in graph.nodes if n.name == "down")
    assert kept.live_in(down) == 2


def test_the_trace_leaves_the_model_as_it_was() -> None:
    model = Residual().train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    trace(model, (3, 16, 16))
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert not model.stem._forward_hooks
    with pytest.raises(LbtError, match="the model does not accept it"):
        trace(model, (4, 16, 16))
    with pytest.raises(LbtError, match="accepted: positive integers"):
        trace(model, (3, 0, 16))


def test_numbers_out_of_range() -> None:
    with pytest.raises(LbtError, match="found a width of 33 bits; accepted: 1 to 32"):
        Number.integer(33)
    with pytest.raises(LbtError, match="accepted: 1 to 8 and 0 to 23"):
        Number.floating(9, 3)
    with pytest.raises(LbtError, match="unknown precision 'fp31'"):
        Precision.uniform("fp31")
    assert FLOAT32.width == 25
