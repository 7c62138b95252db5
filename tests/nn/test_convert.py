"""Conversion: what it touches, what it says, and what must go on working afterwards."""

import copy

import pytest
import torch
from torch import nn

from lbt.errors import LbtError
from lbt.nn import Add, float_state, optimizer, quantize, separate_statistics, set_step, summary
from lbt.nn.layers.base import QuantizedLayer
from lbt.recipe import Recipe


class Small(nn.Module):
    """Convolutions with groups, a residual sum, pooling and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.add = Add()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.odd = nn.PReLU()
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = self.odd(self.add(x, self.depthwise(x)))
        return self.head(self.pool(x).flatten(1))


def batch() -> torch.Tensor:
    return torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def train(model: nn.Module, steps: int = 3) -> list[float]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for step in range(steps):
        set_step(model, step)
        loss = model(batch()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", Recipe.names())
def test_every_recipe_trains_and_differs_from_float(name: str) -> None:
    torch.manual_seed(0)
    model = Small()
    converted = quantize(model, name)
    losses = train(converted)
    assert all(torch.isfinite(torch.tensor(losses)))
    layers = [m for m in converted.modules() if isinstance(m, QuantizedLayer)]
    recipe = Recipe.load(name)
    left = [recipe.first, recipe.last].count("float")
    assert len(layers) == (0 if recipe.is_float else 3 - left)
    assert (losses == train(quantize(model, "fp32"))) == (name == "fp32")


def test_the_table_says_what_happened() -> None:
    text = summary(quantize(Small(), "int8"))
    for line in ("stem.0", "depthwise", "add", "pool", "head"):
        assert any(row.startswith(line) and "quantized" in row for row in text.splitlines()), line
    assert "PReLU has no quantized form" in text
    assert "float_bn" in text


def test_values_in_the_products_have_the_levels_of_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, int] = {}
    original = torch.convolution

    def spy(x, w, *rest):
        seen["A"], seen["W"] = x.unique().numel(), w.unique().numel()
        return original(x, w, *rest)

    monkeypatch.setattr(torch, "convolution", spy)
    layer = nn.Conv2d(16, 32, 3)
    quantize(layer, Recipe.model_validate({"W": "int3", "A": "uint2"}))(torch.randn(4, 16, 9, 9))
    assert seen == {"A": 4, "W": 7}


def test_gradient_has_the_levels_of_its_format() -> None:
    model = quantize(nn.Sequential(nn.Linear(64, 64)), Recipe.model_validate({"G": {"format": "int4"}}))
    model(torch.randn(32, 64)).square().sum().backward()
    assert model[0].weight.grad.unique().numel() <= 15


def test_same_seed_and_step_same_numbers() -> None:
    torch.manual_seed(0)
    float_model = Small()
    runs = [train(quantize(float_model, "int4", seed=seed)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_two_passes_of_a_step_draw_different_numbers() -> None:
    recipe = Recipe.model_validate({"A": {"format": "int4", "rounding": "stochastic"}})
    model = quantize(nn.Linear(32, 4), recipe)
    x = torch.randn(8, 32)
    set_step(model, 5)
    first, second = model(x), model(x)
    set_step(model, 5)
    assert torch.equal(model(x), first)
    assert not torch.equal(first, second)


def test_in_place_and_copy() -> None:
    model = Small()
    weight = model.head.weight
    assert quantize(model, "int8").head.weight is not weight
    assert type(model.head) is nn.Linear
    assert quantize(model, "int8", inplace=True) is model
    assert model.head.weight is weight
    assert isinstance(model.head, QuantizedLayer)


@pytest.mark.parametrize("name", ["int8", "banner8", "wageubn"])
def test_state_dicts_load_both_ways(name: str) -> None:
    model = Small()
    converted = quantize(Small(), name)
    converted.load_state_dict(model.state_dict())
    model.load_state_dict(converted.state_dict())
    assert list(converted.state_dict()) == list(model.state_dict())


def test_what_conversion_added_is_left_out_of_the_float_state() -> None:
    average = {"format": "int8", "range": "moving_average"}
    model = quantize(Small(), Recipe.model_validate({"W": "int8", "A": average}))
    separate_statistics(model, ["source", "target"])
    train(model)
    assert "head.running_limit_A" in model.state_dict()
    target = Small()
    target.load_state_dict(float_state(model))
    assert torch.equal(target.head.weight, model.head.weight)
    again = quantize(Small(), model.lbt.recipe)
    again.load_state_dict(target.state_dict())
    assert torch.equal(again.stem[1].running_mean, model.stem[1].running_mean)


def test_a_teacher_is_a_deep_copy() -> None:
    model = quantize(Small(), "int8")
    teacher = copy.deepcopy(model)
    assert teacher.lbt is not model.lbt
    assert teacher.head.context is teacher.lbt
    set_step(teacher, 7)
    assert (teacher.head.context.step, model.head.context.step) == (7, 0)
    before = [p.clone() for p in teacher.parameters()]
    train(model)
    assert all(torch.equal(a, b) for a, b in zip(before, teacher.parameters(), strict=True))


def test_saved_activations_are_codes() -> None:
    saved: list[torch.dtype] = []

    def pack(t: torch.Tensor) -> torch.Tensor:
        saved.append(t.dtype)
        return t

    model = quantize(nn.Sequential(nn.Conv2d(3, 4, 3)), "int8")
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        model(batch().requires_grad_())
    assert saved == [torch.int8, torch.int8]


def test_channels_last_is_kept() -> None:
    model = quantize(nn.Conv2d(3, 4, 3), "int8")
    x = batch().contiguous(memory_format=torch.channels_last).requires_grad_()
    y = model(x)
    y.backward(torch.ones_like(y))
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert x.grad is not None
    assert x.grad.is_contiguous(memory_format=torch.channels_last)


def test_autocast_leaves_the_numbers_alone() -> None:
    model = quantize(Small(), "int8").eval()
    with torch.autocast("cpu", torch.bfloat16):
        found = model.stem[0](batch())
    assert torch.equal(found, model.stem[0](batch()))


def test_autocast_and_a_gradient_scaler_train_as_without() -> None:
    torch.manual_seed(0)
    model = Small()
    weights = []
    for mixed in (False, True):
        converted = quantize(model, "int8")
        update = torch.optim.SGD(converted.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, enabled=mixed)
        for step in range(2):
            set_step(converted, step)
            update.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
                loss = converted(batch()).float().square().mean()
            scaler.scale(loss).backward()
            scaler.step(update)
            scaler.update()
        assert converted.head.weight.grad.dtype == torch.float32
        weights.append(converted.head.weight.detach())
    # what is not quantized runs in bfloat16 under autocast; the products do not
    torch.testing.assert_close(weights[0], weights[1], atol=2e-3, rtol=2e-2)
    assert not torch.equal(weights[1], model.head.weight)


@pytest.mark.slow
def test_torch_compile_trains_to_the_same_numbers() -> None:
    torch.manual_seed(0)
    weights = []
    model = Small()
    for compiled in (False, True):
        converted = quantize(model, "int8")
        run = torch.compile(converted, backend="eager") if compiled else converted
        update = optimizer(run, lr=0.1)
        for step in range(2):
            set_step(run, step)
            update.zero_grad()
            run(batch()).square().mean().backward()
            update.step()
        weights.append(converted.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.slow
def test_torch_compile_keeps_the_numbers() -> None:
    model = quantize(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), "int8")
    compiled = torch.compile(model, backend="eager")
    set_step(model, 0)
    expected = model(batch())
    set_step(model, 0)
    assert torch.equal(compiled(batch()), expected)


def test_training_goes_on_after_inference_mode() -> None:
    model = quantize(nn.Sequential(nn.Conv2d(3, 4, 3)), "int8")
    with torch.inference_mode():
        model(torch.randn(64, 3, 40, 40))  # larger than any buffer so far
    model(torch.randn(2, 3, 8, 8)).sum().backward()
    assert model[0].weight.grad is not None


def test_shared_layers_are_converted_once() -> None:
    shared = nn.Linear(4, 4)
    model = quantize(nn.Sequential(shared, nn.ReLU(), shared), "int8")
    assert model[0] is model[2]
    assert isinstance(model[0], QuantizedLayer)


def test_mistakes_are_told() -> None:
    with pytest.raises(LbtError, match="did you mean 'integer'"):
        quantize(Small(), "int8", engine="intger")
    with pytest.raises(LbtError, match="did you mean 'int8"):
        quantize(Small(), "int9")
    with pytest.raises(LbtError, match="converted before"):
        quantize(quantize(Small(), "int8"), "int8")
    model = quantize(Small(), "int8")
    with pytest.raises(LbtError, match=r"layer 'stem.0', role A"):
        model(batch() * float("nan"))


def test_norm_inputs_and_outputs_in_low_precision() -> None:
    norm = {"name": "float_bn", "input": "int4", "output": "int3"}
    model = quantize(Small(), Recipe.model_validate({"W": "int8", "norm": norm}))
    seen: dict[str, int] = {}
    bn = model.stem[1]
    bn.register_forward_pre_hook(lambda _, x: seen.__setitem__("input", x[0].unique().numel()))
    bn.register_forward_hook(lambda _, __, y: seen.__setitem__("output", y.unique().numel()))
    model(batch())
    assert 4 < seen["input"] <= 15
    assert 2 < seen["output"] <= 7
    assert copy.deepcopy(model).stem[1]._forward_pre_hooks is not bn._forward_pre_hooks


def test_engine_float_converts_nothing() -> None:
    torch.manual_seed(0)
    model = Small()
    assert torch.equal(quantize(model, "int4", engine="float")(batch()), model(batch()))


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [("0", ""), ("b*", ""), ("1", "did you mean '1.*'"), ("1.O", "did you mean '1.0'"), ("x.y", "")],
)
def test_an_exception_for_no_layer_is_told(capsys, pattern, hint):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.Conv2d(4, 4, 3)), nn.Flatten())
    recipe = Recipe.load("int8")
    roles = {pattern: Recipe.model_validate({"layers": {pattern: "float"}}).layers[pattern]}
    quantize(model, recipe.model_copy(update={"layers": roles}))
    told = capsys.readouterr().err
    assert (pattern in told and hint in told) if pattern != "0" else told == ""
