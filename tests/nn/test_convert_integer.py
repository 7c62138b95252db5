"""engine="integer" computes the numbers of engine="emulate" where float32 is exact, with and without the fast loops."""

import pytest
import torch
from torch import nn

from lbt.errors import LbtError
from lbt.kernels import choose, loops
from lbt.kernels.int8 import direct, exact
from lbt.nn import quantize, set_step
from lbt.recipe import Recipe


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, groups=2), nn.Flatten(), nn.Linear(8 * 9, 5),
    )  # fmt: skip


def gradients(engine: str, recipe: str | Recipe = "int8") -> list[torch.Tensor]:
    model = quantize(network(), recipe, seed=3, engine=engine)
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    set_step(model, 2)
    y = model(x)
    y.square().sum().backward()
    assert x.grad is not None
    return [y.detach(), x.grad, *(p.grad for p in model.parameters())]


@pytest.mark.parametrize("fast", [True, False])
def test_same_bits_as_emulation(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = gradients("emulate")
    if not fast:
        monkeypatch.setattr(loops, "loops", lambda: None)
    for a, b in zip(gradients("integer"), expected, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("recipe", ["thesis", "int8-pow2", "zero-point"])
def test_other_recipes_too(recipe: str) -> None:
    zero_point = {"W": "uint5", "A": "uint4", "E": {"format": "int6", "rounding": "stochastic"}, "EG": "int8"}
    chosen = Recipe.model_validate(zero_point) if recipe == "zero-point" else Recipe.load(recipe)
    for a, b in zip(gradients("integer", chosen), gradients("emulate", chosen), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("recipe", ["int8", "int8-pow2", "thesis"])
def test_the_int8_kernel_emulates_to_the_same_bits(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []

    def counted(function):
        return lambda *arguments: used.append("int8") or function(*arguments)

    def run() -> list[torch.Tensor]:
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 160, 3, stride=2), nn.ReLU()]
        model = quantize(nn.Sequential(*layers, nn.Conv2d(160, 8, 3, padding=1)), recipe, seed=3)
        x = torch.randn(8, 3, 17, 17, generator=torch.Generator().manual_seed(1)).requires_grad_()
        y = model(x)
        y.square().sum().backward()
        return [y.detach(), x.grad, *(p.grad for p in model.parameters())]

    monkeypatch.setattr(direct, "convolve", counted(direct.convolve))
    fast = run()
    assert len(used) > 5 or not direct.works()
    monkeypatch.setattr(choose, "int8_emulates", lambda *_: False)
    used.clear()
    for a, b in zip(run(), fast, strict=True):
        assert torch.equal(a, b)
    assert not used


def test_sums_that_float32_may_round_stay_with_the_float_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = nn.Conv2d(256, 4, 3, padding=1, bias=False)  # 2,304 products
    nn.init.constant_(layer.weight, 1.0)
    x = torch.rand(2, 256, 8, 8)
    monkeypatch.setattr(direct, "convolve", lambda *_: pytest.fail("sums may leave float32's exact integers"))
    quantize(layer, "int8")(x)
    monkeypatch.undo()
    layer.weight.data[:, ::2] = 0.0  # 1,152 products of full-scale weights: still too many
    monkeypatch.setattr(exact, "EXACT", 2**25)
    y = quantize(layer, "int8")(x)
    monkeypatch.setattr(choose, "int8_emulates", lambda *_: False)
    torch.testing.assert_close(quantize(layer, "int8")(x), y)


def test_int4_says_which_of_its_scales_is_in_the_way() -> None:
    with pytest.raises(
        LbtError, match=r"role W: found int4.* per channel.*the error's product sums over output channels"
    ):
        quantize(nn.Sequential(*network(), nn.Linear(5, 5)), "int4", engine="integer")


def test_formats_without_an_integer_product_are_refused() -> None:
    with pytest.raises(LbtError, match="integer engine accepts"):
        quantize(network(), "fp8", engine="integer")
