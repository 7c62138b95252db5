"""Properties that every batch norm has, found by file name: a new file in lbt/nn/norms is tested without an edit."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from lbt.errors import LbtError
from lbt.nn import norms
from lbt.nn.norms._cost import NormCost, Operations

NAMES = norms.NORMS.names()
BATCH = [n for n in NAMES if not norms.norm_class(n).needs_running]
EXACT = {"float_bn", "affine_grad_bn"}


def images(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def trained_batch_norm(channels: int = 5) -> nn.BatchNorm2d:
    bn = nn.BatchNorm2d(channels)
    with torch.no_grad():
        bn.weight.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(1))
        bn.bias.uniform_(-1, 1, generator=torch.Generator().manual_seed(2))
    for seed in range(60):
        bn(images(8, channels, 6, 6, seed=seed) * 2 + 0.5)
    return bn


def test_all_variants_of_the_issue_exist() -> None:
    assert {
        "float_bn",
        "affine_grad_bn",
        "running_bn",
        "seldom_bn",
        "range_bn",
        "l1_bn",
        "folded_bn",
        "integer_bn",
    } <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
class TestEvery:
    def test_state_dicts_load_both_ways(self, name: str) -> None:
        bn = trained_batch_norm()
        layer = norms.norm_class(name)(5)
        assert list(layer.state_dict()) == list(bn.state_dict())
        layer.load_state_dict(bn.state_dict())
        back = nn.BatchNorm2d(5)
        back.load_state_dict(layer.state_dict())
        for key, value in bn.state_dict().items():
            assert torch.equal(back.state_dict()[key], value), key

    def test_evaluation_is_that_of_batch_norm(self, name: str) -> None:
        bn = trained_batch_norm().eval()
        layer = norms.build(name, bn)
        x = images(4, 5, 7, 3, seed=9)
        assert not layer.training
        tolerance = 2e-3 if name == "integer_bn" else 1e-6
        torch.testing.assert_close(layer(x), bn(x), atol=tolerance, rtol=tolerance)

    def test_training_is_near_batch_norm_for_normal_values(self, name: str) -> None:
        # on its own data, every spread stands for the standard deviation
        bn = trained_batch_norm()
        layer = norms.build(name, copy.deepcopy(bn))
        x = images(64, 5, 16, 16, seed=3) * 2 + 0.5
        difference = (layer(x) - bn(x)).std() / bn(x).std()
        assert difference < (1e-6 if name in EXACT else 0.12)

    def test_from_batch_norm_keeps_parameters_buffers_and_settings(self, name: str) -> None:
        bn = nn.BatchNorm2d(3, eps=1e-3, momentum=0.25).double().eval()
        layer = norms.build(name, bn)
        assert layer.weight is bn.weight
        assert layer.running_var is bn.running_var
        assert (layer.eps, layer.momentum, layer.training) == (1e-3, 0.25, False)

    def test_running_statistics_accumulate_towards_the_data(self, name: str) -> None:
        layer = norms.norm_class(name)(4, momentum=0.5)
        for seed in range(80):
            layer(images(16, 4, 8, 8, seed=seed) * 3 - 2)
        assert int(layer.num_batches_tracked) == 80
        torch.testing.assert_close(layer.running_mean, torch.full((4,), -2.0), atol=0.5, rtol=0)
        torch.testing.assert_close(layer.running_var.sqrt(), torch.full((4,), 3.0), atol=0, rtol=0.2)

    def test_all_domain_state_has_a_name_that_the_domain_switch_knows(self, name: str) -> None:
        layer = norms.norm_class(name)(4)
        assert all(n.startswith(("running_", "num_batches_tracked")) for n, _ in layer.named_buffers())

    def test_evaluation_changes_nothing(self, name: str) -> None:
        layer = norms.build(name, trained_batch_norm()).eval()
        before = copy.deepcopy(layer.state_dict())
        layer(images(4, 5, 3, 3))
        assert all(torch.equal(before[k], v) for k, v in layer.state_dict().items())

    @pytest.mark.parametrize("value", [0.0, 3.0])
    def test_constant_input_gives_finite_output_and_gradients(self, name: str, value: float) -> None:
        layer = norms.norm_class(name)(3)
        x = torch.full((4, 3, 5, 5), value, requires_grad=True)
        y = layer(x)
        y.square().sum().backward()
        for tensor in (y, x.grad, layer.weight.grad, layer.running_var):
            assert torch.isfinite(tensor).all()
        if name in BATCH:
            assert y.abs().max() < 1e-2  # x̂ = 0

    def test_any_number_of_dimensions(self, name: str) -> None:
        layer = norms.norm_class(name)(3)
        for shape in ((8, 3), (8, 3, 5), (4, 3, 5, 5), (2, 3, 2, 2, 2)):
            assert layer(images(*shape)).shape == shape

    def test_wrong_channels_are_one_line(self, name: str) -> None:
        with pytest.raises(LbtError, match=r"expected an input of shape \(N, 3, \*\)"):
            norms.norm_class(name)(3)(images(2, 4, 5, 5))

    def test_one_value_per_channel(self, name: str) -> None:
        layer = norms.norm_class(name)(3)
        x = images(1, 3, 1, 1).requires_grad_()
        if name in BATCH:
            with pytest.raises(LbtError, match="1 value per channel in training"):
                layer(x)
        else:
            layer(x).sum().backward()
            assert torch.isfinite(x.grad).all()
            assert torch.equal(layer.running_var, torch.ones(3))
        layer.eval()
        assert torch.isfinite(layer(x)).all()

    def test_without_weight_and_bias(self, name: str) -> None:
        plain = norms.norm_class(name)(3, affine=False)
        affine = norms.norm_class(name)(3)
        x, z = images(4, 3, 5, 5).requires_grad_(), images(4, 3, 5, 5).requires_grad_()
        torch.testing.assert_close(plain(x), affine(z))
        plain(x).square().sum().backward()
        affine(z).square().sum().backward()
        torch.testing.assert_close(x.grad, z.grad)

    def test_channels_last_is_kept_and_gives_the_same(self, name: str) -> None:
        a, b = norms.norm_class(name)(6), norms.norm_class(name)(6)
        x = images(4, 6, 5, 5)
        y = b(x.contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(y, a(x), atol=1e-5, rtol=1e-5)
        assert y.is_contiguous(memory_format=torch.channels_last)

    def test_a_copy_is_independent(self, name: str) -> None:
        layer = norms.norm_class(name)(3)
        twin = copy.deepcopy(layer)
        twin(images(4, 3, 5, 5) + 5)
        assert torch.equal(layer.running_mean, torch.zeros(3))
        assert not torch.equal(twin.running_mean, torch.zeros(3))

    def test_unknown_option(self, name: str) -> None:
        with pytest.raises(LbtError, match="evry"):
            norms.build(name, nn.BatchNorm2d(3), evry=3)

    def test_cost_is_declared(self, name: str) -> None:
        cost = norms.cost(name)
        assert isinstance(cost, NormCost)
        training, inference = cost.operations(1000, 10, 90), cost.operations(1000, 10, training=False)
        assert training.adds > inference.adds
        assert training.multiplies > inference.multiplies
        assert cost.lane

    def test_a_few_steps_learn(self, name: str) -> None:
        torch_generator = torch.Generator().manual_seed(0)
        conv = nn.Conv2d(1, 8, 3)
        with torch.no_grad():
            for p in conv.parameters():
                p.copy_(torch.randn(p.shape, generator=torch_generator) * 0.3)
        model = nn.Sequential(conv, norms.norm_class(name)(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 2))
        x = images(32, 1, 6, 6)
        label = (x[:, 0, :3].mean((1, 2)) > x[:, 0, 3:].mean((1, 2))).long()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        losses = []
        for _ in range(40):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), label)
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"integer_bn", "affine_grad_bn", "renorm_bn"}))
def test_gradients_by_finite_differences(name: str) -> None:
    layer = norms.build(name, trained_batch_norm(3).double())
    if name == "seldom_bn":
        layer.num_batches_tracked.fill_(1)  # not this batch's turn: the function does not change

    def function(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        fresh = copy.deepcopy(layer)
        return torch.func.functional_call(fresh, {"weight": weight, "bias": bias}, (x,))

    x = images(4, 3, 2, 3, dtype=torch.float64).requires_grad_()
    weight, bias = images(3, seed=4, dtype=torch.float64), images(3, seed=5, dtype=torch.float64)
    assert torch.autograd.gradcheck(function, (x, weight.requires_grad_(), bias.requires_grad_()))


@pytest.mark.parametrize("name", ["range_bn", "l1_bn"])
def test_gradient_sums(name: str) -> None:
    # y does not change when x is shifted or scaled, so the error is orthogonal to a constant and to x
    layer = norms.norm_class(name)(3).double()
    x = images(4, 3, 5, 5, dtype=torch.float64).requires_grad_()
    (layer(x) * images(4, 3, 5, 5, seed=1, dtype=torch.float64)).sum().backward()
    torch.testing.assert_close(x.grad.sum((0, 2, 3)), torch.zeros(3).double(), atol=1e-10, rtol=0)
    torch.testing.assert_close((x.grad * x).sum((0, 2, 3)), torch.zeros(3).double(), atol=1e-10, rtol=0)


def test_range_ties_share_the_gradient() -> None:
    layer = norms.norm_class("range_bn")(1).double()
    x = torch.tensor([2.0, 2.0, -1.0, 0.5, 0.0]).double().view(5, 1, 1, 1).requires_grad_()
    (layer(x) * torch.arange(5).double().view(5, 1, 1, 1)).sum().backward()
    up, down = x.grad.flatten()[:2]
    # they differ by their own dy alone
    scale = 1 / (layer(x).detach().flatten()[0] - layer(x).detach().flatten()[2]) * 3
    torch.testing.assert_close(down - up, 1 / scale)


@pytest.mark.parametrize(("shape", "chunks"), [((4, 3, 4, 4), 16), ((5, 2, 3, 3), 16), ((3, 2, 1, 1), 16), ((7, 2), 2)])
def test_chunked_range_against_a_loop(shape: tuple[int, ...], chunks: int) -> None:
    """The mean over parts of consecutive values, of C(length)·range, written out in NumPy."""
    from lbt.nn.norms.range_bn import range_factor

    x = images(*shape, dtype=torch.float64)
    layer = norms.norm_class("range_bn")(shape[1], chunks=chunks).double()
    y = layer(x).detach()
    for c in range(shape[1]):
        values = x[:, c].flatten().numpy()
        parts = np.array_split(values, max(1, min(chunks, len(values) // 2)))
        s = np.mean([range_factor(len(part)) * (part.max() - part.min()) for part in parts])
        np.testing.assert_allclose(y[:, c].flatten().numpy(), (values - values.mean()) / s, rtol=1e-9)


def test_gradient_of_the_chunked_range() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        return norms.norm_class("range_bn")(2, chunks=3).double()(x)

    x = images(4, 2, 3, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(function, (x,))


def test_one_chunk_is_the_plain_range_and_more_estimate_sigma_with_less_noise() -> None:
    from lbt.nn.norms.range_bn import ChunkedRange, Range

    x = images(8, 500, 8, 8)
    plain = Range().of(x, 512)
    assert torch.equal(ChunkedRange(1).of(x, 512), plain)
    assert torch.equal(ChunkedRange(1).slope(x, 512), Range().slope(x, 512))
    chunked = ChunkedRange(16).of(x, 512)
    assert abs(chunked.mean() - x.std()) < 0.02
    assert chunked.std() < 0.6 * plain.std()
    with pytest.raises(LbtError, match="chunks: found 0"):
        norms.norm_class("range_bn")(3, chunks=0)


def test_float_bn_is_bit_identical_with_torch() -> None:
    bn, layer = nn.BatchNorm2d(4), norms.norm_class("float_bn")(4)
    x, z = images(4, 4, 5, 5).requires_grad_(), images(4, 4, 5, 5).requires_grad_()
    for a, b, v in ((bn, layer, x),):
        (a(v).square().sum()).backward()
        (b(z).square().sum()).backward()
    assert torch.equal(x.grad, z.grad)
    assert torch.equal(bn.weight.grad, layer.weight.grad)
    assert all(torch.equal(v, layer.state_dict()[k]) for k, v in bn.state_dict().items())


@pytest.mark.parametrize("name", sorted(EXACT))
def test_momentum_none_is_the_plain_average(name: str) -> None:
    bn, layer = nn.BatchNorm2d(4, momentum=None), norms.norm_class(name)(4, momentum=None)
    for seed in range(5):
        x = images(4, 4, 5, 5, seed=seed)
        torch.testing.assert_close(layer(x), bn(x))
    torch.testing.assert_close(layer.running_var, bn.running_var)


def test_affine_grad_leaves_out_the_coupling_terms() -> None:
    layer, bn = norms.norm_class("affine_grad_bn")(4), nn.BatchNorm2d(4)
    dy = images(4, 4, 5, 5, seed=1)
    x, z = images(4, 4, 5, 5).requires_grad_(), images(4, 4, 5, 5).requires_grad_()
    layer(x).backward(dy)
    bn(z).backward(dy)
    variance = x.detach().var((0, 2, 3), correction=0, keepdim=True)
    torch.testing.assert_close(x.grad, dy / (variance + 1e-5).sqrt())
    assert not torch.allclose(x.grad, z.grad, atol=1e-3)
    torch.testing.assert_close(layer.weight.grad, bn.weight.grad)
    torch.testing.assert_close(layer.bias.grad, bn.bias.grad)


def test_running_bn_uses_the_statistics_from_before_the_batch() -> None:
    layer = norms.build("running_bn", trained_batch_norm())
    x = images(4, 5, 5, 5, seed=77)
    expected = copy.deepcopy(layer).eval()(x)
    assert torch.equal(layer(x), expected)
    assert not torch.equal(layer.eval()(x), expected)


def test_seldom_bn_changes_its_statistics_every_k_batches() -> None:
    layer = norms.norm_class("seldom_bn")(2, every=3)
    seen = []
    for seed in range(9):
        layer(images(4, 2, 5, 5, seed=seed) + 1)
        seen.append(layer.running_mean.clone())
    changed = [not torch.equal(a, b) for a, b in zip([torch.zeros(2), *seen[:-1]], seen, strict=True)]
    assert changed == [True, False, False] * 3


@pytest.mark.parametrize(("name", "options", "message"), [
    ("seldom_bn", {"every": 0}, "every: found 0"),
    ("renorm_bn", {"r_max": 0.5}, "r_max 0.5"),
    ("renorm_bn", {"d_max": -1.0}, "d_max -1.0"),
])  # fmt: skip
def test_bad_options(name: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(LbtError, match=message):
        norms.norm_class(name)(3, **options)


@pytest.mark.parametrize("name", ["running_bn", "seldom_bn", "folded_bn", "renorm_bn"])
def test_running_statistics_are_required(name: str) -> None:
    with pytest.raises(LbtError, match="track_running_stats=False"):
        norms.norm_class(name)(3, track_running_stats=False)


def test_renormalisation_within_its_limits_computes_what_evaluation_does() -> None:
    layer, x = norms.build("renorm_bn", trained_batch_norm()), images(16, 5, 6, 6, seed=5) * 2.2 + 0.4
    expected = copy.deepcopy(layer).eval()(x)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


def test_renormalisation_with_closed_limits_is_batch_norm_with_its_gradient() -> None:
    bn = trained_batch_norm()
    layer = norms.build("renorm_bn", copy.deepcopy(bn), r_max=1.0, d_max=0.0)
    x, z = (images(16, 5, 6, 6, seed=5).requires_grad_() for _ in range(2))
    torch.testing.assert_close(layer(x), bn(z), atol=1e-5, rtol=1e-5)
    layer(x).square().sum().backward()
    bn(z).square().sum().backward()
    torch.testing.assert_close(x.grad, z.grad, atol=1e-4, rtol=1e-4)


def test_renormalisation_keeps_its_correction_out_of_the_gradient() -> None:
    layer, bn = norms.build("renorm_bn", trained_batch_norm()), trained_batch_norm()
    x = (images(16, 5, 6, 6, seed=5) * 1.5).requires_grad_()
    z = x.detach().clone().requires_grad_()
    spread = torch.sqrt(bn.running_var + bn.eps)
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    r = (torch.sqrt(variance + bn.eps) / spread).detach().view(1, -1, 1, 1)
    d = ((mean - bn.running_mean) / spread).detach().view(1, -1, 1, 1)
    plain = nn.functional.batch_norm(z, None, None, None, None, True, 0.0, bn.eps)
    y = bn.weight.view(1, -1, 1, 1) * (plain * r + d) + bn.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(layer(x), y, atol=1e-5, rtol=1e-5)
    (g,) = torch.autograd.grad(norms.build("renorm_bn", trained_batch_norm())(x).pow(3).sum(), x)
    (h,) = torch.autograd.grad(y.pow(3).sum(), z)
    torch.testing.assert_close(g, h, atol=1e-3, rtol=1e-3)


def test_not_a_batch_norm() -> None:
    with pytest.raises(LbtError, match="expected a batch norm to replace, found Linear"):
        norms.build("range_bn", nn.Linear(3, 3))


def test_unknown_norm_names_the_nearest() -> None:
    with pytest.raises(LbtError, match="did you mean 'range_bn'"):
        norms.build("rang_bn", nn.BatchNorm2d(3))


def test_folding_computes_the_same_function_and_gradients() -> None:
    conv = nn.Conv2d(2, 5, 3, padding=1).double()
    norm = norms.build("folded_bn", trained_batch_norm().double())
    x = images(4, 2, 6, 6, dtype=torch.float64)
    target = images(4, 5, 6, 6, seed=1, dtype=torch.float64)
    results = []
    for folded in (True, False):
        layer, c = copy.deepcopy(norm), copy.deepcopy(conv)
        if folded:
            y = nn.functional.conv2d(x, *layer.fold(c.weight, c.bias), padding=1)
            layer.observe(y)
        else:
            y = layer(c(x))
        ((y - target) ** 2).sum().backward()
        parameters = (c.weight.grad, c.bias.grad, layer.weight.grad, layer.bias.grad)
        results.append((y, *parameters, layer.running_mean, layer.running_var))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


def test_folding_a_dead_channel_keeps_its_statistics() -> None:
    norm = norms.build("folded_bn", trained_batch_norm())
    with torch.no_grad():
        norm.weight[2] = 0
    before = norm.running_mean.clone(), norm.running_var.clone()
    norm.observe(images(4, 5, 6, 6))
    torch.testing.assert_close(norm.running_mean[2], before[0][2])
    torch.testing.assert_close(norm.running_var[2], before[1][2])
    assert not torch.isclose(norm.running_var[1], before[1][1])


def test_costs_order_as_the_papers_say() -> None:
    costs = {name: norms.cost(name) for name in NAMES}
    for name in ("range_bn", "l1_bn"):
        assert costs[name].operations(1000, 1).multiplies < costs["float_bn"].operations(1000, 1).multiplies
        assert costs[name].forward.channel.square_roots == 0
    for name in ("affine_grad_bn", "running_bn", "seldom_bn"):
        assert costs[name].backward.reads == 1
    assert costs["float_bn"].float_units == ("adds", "multiplies", "divides", "square_roots")
    assert [name for name in NAMES if costs[name].float_units] == ["float_bn"]
    assert costs["folded_bn"].operations(1000, 1, training=False) == Operations()
    with pytest.raises(dataclasses.FrozenInstanceError):
        costs["float_bn"].saved_per_element = 3
