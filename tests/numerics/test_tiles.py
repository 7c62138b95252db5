"""Groups in two dimensions, and blocks along another dimension, against naive loops."""

from __future__ import annotations

import pytest
import torch

from lbt.errors import LbtError
from lbt.kernels.kernel import Place
from lbt.kernels.quantize import quantize
from lbt.numerics.granularity import to_matrix
from lbt.numerics.rounding import Key
from lbt.numerics.spec import RoleSpec
from lbt.recipe import Recipe


def spec(**options: object) -> RoleSpec:
    return RoleSpec.model_validate({"format": "int8", **options})


@pytest.mark.parametrize("shape", [(5, 7), (32, 32), (20, 5, 3, 2), (16, 40, 1)])
def test_tiles_have_the_scale_of_their_largest_element(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    found = quantize(x, spec(granularity="block(4x16)"), Key(role="W")).dequantize()
    flat, expected = x.reshape(*shape[:2], -1), torch.empty_like(x).reshape(*shape[:2], -1)
    for i in range(0, shape[0], 4):
        for j in range(0, shape[1], 16):
            for k in range(flat.shape[2]):
                tile = flat[i : i + 4, j : j + 16, k]
                scale = tile.abs().max() / 127
                expected[i : i + 4, j : j + 16, k] = (tile * scale.reciprocal()).round() * scale
    torch.testing.assert_close(found, expected.reshape(shape), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("role", ["W", "A"])
def test_a_tile_serves_both_products(role: str) -> None:
    x = torch.randn(48, 32)
    one, other = (quantize(t, spec(granularity="block(16x16)"), Key(role=role)).dequantize() for t in (x, x.t()))
    assert torch.equal(one, other.t())


@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (3, 4, 5)])
def test_every_image_of_every_sample_has_its_scale(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape).movedim(1, -1).contiguous().movedim(-1, 1)
    q = quantize(x, spec(granularity="sample*channel"), Key(role="A"))
    assert q.scale.shape == (12, 1)
    scale = x.flatten(2).abs().amax(2).view(3, 4, *(1,) * (len(shape) - 2)) / 127
    torch.testing.assert_close(q.dequantize(), (x / scale).round() * scale, atol=1e-6, rtol=1e-6)
    assert quantize(x[:, :, 0, 0] if x.dim() == 4 else x[:, :, 0], spec(granularity="sample*channel"),
                    Key(role="A")).scale.shape == (3, 1)  # fmt: skip


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_blocks_run_along_the_reduction(axis: int) -> None:
    x, place = torch.randn(6, 8, 10), Place(reduction=axis)
    found = quantize(x, spec(granularity="block(3)", along="reduction"), Key(role="A"), place=place).dequantize()
    pieces = []
    for block in x.split(3, axis):
        scale = block.abs().amax(axis, keepdim=True) / 127
        pieces.append((block / scale).round() * scale)
    torch.testing.assert_close(found, torch.cat(pieces, axis), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("granularity", ["block(3x2)", "sample*channel", "block(4)"])
@pytest.mark.parametrize("shape", [(5, 6, 2, 3), (5, 6)])
@pytest.mark.parametrize("axis", [0, 1])
def test_the_way_back_is_the_way_back(granularity: str, shape: tuple[int, ...], axis: int) -> None:
    x = torch.randn(shape)
    matrix, layout = to_matrix(x, granularity, "A", axis)
    assert layout.shape == shape
    assert torch.equal(layout.restore(matrix), x)


@pytest.mark.parametrize(("text", "message"), [
    ("W: {format: int4, along: reduction}\nA: int4", "along: reduction is for block"),
    ("W: {format: int4, granularity: block(0x4)}\nA: int4", "block\\(rxc\\)"),
    ("W: {format: nvfp4-16x16, granularity: block(16)}\nA: int4", "leave granularity out"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(text: str, message: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(LbtError, match=message):
        Recipe.load(tmp_path / "own.yaml")
