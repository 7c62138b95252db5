"""Networks and boards that a user may come with: counted whole, or what is not counted is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import lbt
from lbt import models
from lbt.config import find_yaml
from lbt.errors import LbtError
from lbt.hardware.boards import Board
from lbt.hardware.params import HardwareParams
from lbt.hardware.precision import Number, Precision
from lbt.hardware.sizing import size
from lbt.hardware.trace import trace

CELL = "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"


@pytest.mark.parametrize(
    ("name", "shape", "macs"),
    [
        # 3·16·9·32² + 6·16·16·9·32² + 16·32·9·16² + … by the paper's layer list (He et al., CIFAR, n = 3), shortcuts by
        # 1×1 convolutions or not at all: 40.6 to 40.9 million
        ("resnet20", (3, 32, 32), (40.5e6, 40.9e6)),
        # Lite0 at 224: 407 million multiply-accumulates by its authors; without the 1000-class head 1.3 million less
        ("efficientnet_lite0", (3, 224, 224), (380e6, 410e6)),
    ],
)
def test_known_networks_are_counted_whole(name: str, shape: tuple[int, int, int], macs: tuple[float, float]) -> None:
    result = lbt.cost(models.build(name, classes=10, channels=3), shape, recipe="int8", batch=1, training=False)
    assert result.unknown == []
    assert macs[0] < result.metrics()["macs_per_image"] < macs[1]


def test_a_searched_cell() -> None:
    from lbt.nas.supernet.network import cell_network

    result = lbt.cost(cell_network(CELL, channels=16, in_channels=1), (1, 28, 28), recipe="int4")
    assert result.unknown == []
    assert result.fits
    passes = result.by_pass()
    assert passes["forward"]["macs"] == passes["gradient"]["macs"] > passes["error"]["macs"] > 0


def test_every_product_of_a_transformer_is_counted() -> None:
    block = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, dropout=0.0)
    result = lbt.cost(block, (10, 32), batch=1)
    assert result.unknown == []
    x = torch.randn(1, 10, 32)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        y = block(x)
        forward = counter.get_total_flops() // 2
        y.sum().backward()
    passes = result.by_pass()
    assert passes["forward"]["macs"] == forward
    assert sum(p["macs"] for p in passes.values()) == counter.get_total_flops() // 2


def test_layers_without_a_rule_are_named() -> None:
    result = lbt.cost(Unusual(), (3, 8, 8))
    assert result.metrics()["unknown_layers"] == len(result.unknown) > 0
    assert "not counted, no cost rule" in str(result)
    assert not all(row["known"] for row in result.table().to_pylist())


class Unusual(nn.Module):
    """Layers without a rule after one with a rule."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.up = nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(8, 4, 2, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.gelu(self.up(self.conv(x)))


def test_a_transposed_convolution_is_not_counted_as_a_plain_one() -> None:
    result = lbt.cost(Unusual(), (3, 8, 8), batch=1)
    assert result.unknown == ["up.convolution (conv_transpose)"]
    assert result.by_pass()["forward"]["macs"] == 8 * 3 * 9 * 36


def test_padding_costs_nothing_and_changes_the_shape() -> None:
    model = nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(1, 2, 3))
    result = lbt.cost(model, (1, 6, 6), batch=1)
    assert result.unknown == []
    assert result.by_pass()["forward"]["macs"] == 36 * 9 * 2


def own_board(folder: Path, **changes: object) -> Path:
    data = yaml.safe_load(find_yaml("boards", "zedboard").read_text(encoding="utf-8"))
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(data | changes), encoding="utf-8")
    return path


def test_a_user_s_own_board(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1))
    given = lbt.cost(model, (3, 16, 16), board="zedboard", recipe="wage")
    twice = own_board(tmp_path, lut=2 * 53200, dsp=440, bram18=560, bandwidth=100, memory=4096)
    larger = lbt.cost(model, (3, 16, 16), board=str(twice), recipe="wage")
    assert larger.accelerator.cells > given.accelerator.cells
    assert larger.images_per_second > given.images_per_second
    tiny = own_board(tmp_path, lut=300, dsp=0, bram18=4)
    nothing = lbt.cost(model, (3, 16, 16), board=str(tiny), recipe="wage")
    assert not nothing.fits
    assert nothing.accelerator.cells == 0
    assert nothing.images_per_second == 0


@pytest.mark.parametrize("name", Board.names())
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "fp8", "int8", "int4", "int12", "int2"])
def test_every_board_holds_an_array_of_any_precision(name: str, precision: str) -> None:
    board, options = Board.load(name), HardwareParams()
    found = size(Precision.uniform(precision), board, options)
    assert found.rows >= 1
    assert found.total.lut <= board.usable_lut
    assert found.total.dsp <= board.usable_dsp
    more = size(Precision.uniform(precision), board.model_copy(update={"lut": board.lut * 2}), options)
    assert more.cells >= found.cells


@pytest.mark.parametrize("recipe", [path.stem for path in sorted(Path("params/recipes").glob("*.yaml"))])
@pytest.mark.parametrize("board", ["zedboard", "ulx3s"])
def test_every_recipe_is_costed(recipe: str, board: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3))
    result = lbt.cost(model, (3, 8, 8), recipe=recipe, board=board, batch=2)
    assert result.unknown == []
    assert result.joules_per_image > 0
    assert result.accelerator.cells >= 1


def test_widths_out_of_range_are_one_line() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3))
    with pytest.raises(LbtError, match=r"found an accumulator of 16 bits; accepted: at least 32"):
        lbt.cost(
            model, (3, 8, 8), recipe=Precision.uniform("int16"), options=HardwareParams(accumulator=16, style="booth")
        )
    with pytest.raises(LbtError, match=r"found a width of 40 bits; accepted: 1 to 32"):
        Precision.uniform("int40")
    with pytest.raises(LbtError, match=r"found a width of 0 bits; accepted: 1 to 32"):
        Number.integer(0)
    with pytest.raises(ValueError, match="accumulator: found 64; accepted: auto, less than or equal to 48"):
        HardwareParams(accumulator=64)


def test_the_trace_names_every_value_once() -> None:
    graph = trace(models.build("resnet20", classes=10, channels=3), (3, 32, 32))
    assert len({node.name for node in graph.nodes}) == len(graph.nodes)


class Windows(nn.Module):
    """Attention inside windows that are folded into the batch, as in a Swin transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.norm, self.groups = nn.Linear(8, 24), nn.LayerNorm(8), nn.GroupNorm(2, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, c, h, w = x.shape
        x = nn.functional.silu(self.groups(x))
        windows = x.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 3, 5, 1).reshape(-1, 4, c)
        q, k, v = self.qkv(self.norm(windows)).chunk(3, -1)
        scores = (q @ k.transpose(1, 2)) / c**0.5
        return torch.stack([scores.softmax(-1) @ v, windows]).sum(0) / (1 + x.mean())


def test_windows_in_the_batch_are_counted() -> None:
    result = lbt.cost(Windows(), (8, 6, 6), batch=1)
    assert result.unknown == []
    with FlopCounterMode(display=False) as counter:
        Windows()(torch.randn(1, 8, 6, 6)).sum().backward()
    assert sum(p["macs"] for p in result.by_pass().values()) == counter.get_total_flops() // 2
    graph = trace(Windows(), (8, 6, 6))
    assert {node.window for node in graph.nodes if node.kind == "layer_norm"} == {8, 4 * 36}
