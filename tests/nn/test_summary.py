"""The conversion table: a row for every matrix and every product, with shares that add up."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from lbt.nn import quantize, summary
from lbt.nn.shares import shares
from lbt.recipe import Recipe


class Experts(nn.Module):
    """A mixture of experts in one parameter, an embedding, and attention written out."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 8)
        self.experts = nn.Parameter(torch.randn(3, 8, 8))
        self.query = nn.Linear(8, 8, bias=False)
        self.mix = nn.Parameter(torch.randn(8, 8))
        self.child = nn.ReLU()

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.table(tokens)  # (N, T, 8)
        q = self.query(x)
        x = functional.scaled_dot_product_attention(q, x, x)
        x = torch.einsum("ntc,ecd->etd", x, self.experts).transpose(0, 1)
        return self.child(x @ self.mix)


def test_every_matrix_is_in_a_row_and_the_shares_add_up() -> None:
    model = quantize(Experts(), Recipe.model_validate({"W": "int8", "A": "int8"}))
    (share,) = shares(model)
    assert share.total == 80 + 192 + 64 + 64
    assert share.quantized == 64 + 64
    rows = {row.name: row for row in share.rows}
    assert (rows["query"].now, rows["matmul(weight)"].now) == ("quantized", "quantized")
    assert (rows["table"].now, rows["experts"].now) == ("float", "float")
    assert rows["experts"].kind == "parameter (3, 8, 8)"
    assert share.weights == {"table": 80, "query": 64, "matmul(weight)": 64, "experts": 192} | {
        name: 0 for name in rows if name not in ("table", "query", "matmul(weight)", "experts")
    }
    text = summary(model)
    assert text.splitlines()[0].endswith("32 % of 400 weights quantized")
    assert any(line.startswith("experts") and "48 %" in line for line in text.splitlines())


def test_with_a_batch_the_multiply_accumulates_are_counted() -> None:
    model = quantize(Experts(), Recipe.model_validate({"W": "int8", "A": "int8"}))
    before = dict(model.lbt.calls)
    (share,) = shares(model, torch.zeros(2, 5, dtype=torch.int64))
    n, t = 2, 5
    assert share.macs["query"] == n * t * 64
    assert share.macs["scaled_dot_product_attention()"] == 2 * n * t * t * 8
    assert share.macs["matmul(weight)"] == t * 3 * 64
    assert share.macs["einsum()"] >= n * t * 3 * 64 // n
    low = share.macs["query"] + share.macs["matmul(weight)"] + share.macs["scaled_dot_product_attention()"]
    assert share.mac_share == low / sum(share.macs.values())
    rows = {row.name: row for row in share.rows}
    assert rows["scaled_dot_product_attention()"].now == "quantized"
    assert "softmax in float" in rows["scaled_dot_product_attention()"].why
    assert rows["einsum()"].now == "float"  # its second operand is a weight
    assert model.lbt.calls == before  # a copy was run


def test_a_convolutional_network_is_whole() -> None:
    model = quantize(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 5)), "int8")
    (share,) = shares(model, torch.randn(2, 3, 6, 6))
    assert share.macs == {"0": 2 * 16 * 27 * 4, "3": 2 * 64 * 5}
    assert (share.weight_share, share.mac_share) == (1.0, 1.0)
    assert "100 % of 428 weights and 100 % of 4,096 multiply-accumulates quantized" in summary(
        model, torch.randn(2, 3, 6, 6)
    )


def test_attention_of_torch_has_its_two_products_named() -> None:
    model = quantize(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), "int8")
    (share,) = shares(model, torch.randn(2, 5, 8))
    rows = {row.name: row.now for row in share.rows}
    assert rows["self_attn"] == "quantized"
    assert share.macs["self_attn"] == 2 * 5 * 8 * 24
    assert rows["self_attn.scaled_dot_product_attention()"] == "quantized"
    assert share.macs["self_attn.scaled_dot_product_attention()"] == 2 * 2 * 5 * 5 * 8
    assert share.weight_share == 1.0


def test_fp32_has_no_share() -> None:
    (share,) = shares(quantize(nn.Linear(4, 4), "fp32"), torch.randn(2, 4))
    assert (share.weight_share, share.mac_share) == (0.0, 0.0)


def test_inputs_by_name_and_by_position() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            return self.layer(left + right)

    model = quantize(Two(), "int8")
    x = torch.randn(2, 4)
    for batch in ((x, x), {"left": x, "right": x}):
        assert shares(model, batch)[0].macs == {"layer": 32}


def test_layers_without_a_quantized_form_have_their_share() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.lstm, self.head = nn.ConvTranspose1d(4, 4, 2, 2), nn.LSTM(4, 6), nn.Linear(6, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.lstm(self.up(x).permute(2, 0, 1))[0])

    (share,) = shares(quantize(Recurrent(), "int8"), torch.randn(3, 4, 5))
    steps = 3 * 10
    assert share.macs == {"up": 3 * 5 * 2 * 16, "lstm": steps * 4 * 6 * (4 + 6), "head": steps * 12}
    assert {row.name: row.now for row in share.rows}["lstm"] == "float"


def test_a_product_by_a_weight_and_one_of_activations_are_two_rows() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(6, 6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x @ self.weight
            return x @ x.transpose(0, 1)

    (share,) = shares(quantize(Both(), "int8"), torch.randn(5, 6))
    assert {row.name: row.now for row in share.rows if "matmul" in row.name} == {
        "matmul(weight)": "quantized", "matmul()": "quantized"}  # fmt: skip
    assert share.macs == {"matmul(weight)": 5 * 36, "matmul()": 5 * 5 * 6}


class Language(nn.Module):
    """Two layers with one weight, which is the table of tokens too."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(8, 8)
        self.middle, self.head = nn.Linear(8, 8), nn.Linear(8, 8)
        self.free = nn.Linear(8, 4)
        self.middle.weight = self.head.weight = self.table.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.free(self.head(self.middle(self.table(tokens))))
        return y


def test_tied_weights_count_once_where_they_are_quantized() -> None:
    model = quantize(Language(), "int8")
    (share,) = shares(model, torch.zeros(2, 3, dtype=torch.int64))
    assert share.weights == {"table": 0, "middle": 64, "head": 0, "free": 32}
    assert (share.total, share.quantized, share.named) == (96, 96, 96)
    assert share.tied == {"table": ["middle"], "head": ["middle"]}
    lines = {line.split()[0]: line for line in summary(model).splitlines()[1:]}
    assert lines["table"].endswith("Embedding has no quantized form; its weight is counted at middle")
    assert lines["head"].endswith("; its weight is counted at middle")


def test_a_tied_weight_counts_in_float_where_nothing_quantizes_it() -> None:
    recipe = Recipe.model_validate({"W": "int8", "A": "int8", "layers": {"middle": "float", "head": "float"}})
    (share,) = shares(quantize(Language(), recipe))
    assert share.weights == {"table": 64, "middle": 0, "head": 0, "free": 32}
    assert (share.total, share.quantized) == (96, 32)
