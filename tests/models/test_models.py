"""Shapes, sizes and reproducibility of every network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lbt.artifacts import write_tensors
from lbt.errors import LbtError
from lbt.models import Architecture, build, names, read_model, write_model
from lbt.models.efficientnet_lite0 import _features, published_weights
from lbt.models.vit_small import positions


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(name, channels):
    model = build(name, 7, channels).eval()
    x = torch.randn(2, channels, 32, 32)
    assert model(x).shape == (2, 7)
    torch.testing.assert_close(model.classifier(model.features(x)), model(x))
    owners = [module for module in model.modules() if list(module.parameters(recurse=False))]
    assert all(isinstance(owner, nn.Conv2d | nn.BatchNorm2d | nn.Linear | nn.LayerNorm) for owner in owners)


def test_building_is_a_function_of_the_seed_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, same, other = (build("digit_cnn", 10, 1, seed=seed).classifier.weight for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_digit_cnn_is_small():
    parameters = sum(p.numel() for p in build("digit_cnn", 10, 3).parameters())
    assert parameters == 141_034


def test_resnet20_has_the_papers_size():
    # 0.27 M in table 6 of arXiv 1512.03385.
    assert 265_000 < sum(p.numel() for p in build("resnet20", 10, 3).parameters()) < 280_000


def test_the_vision_transformer_knows_where_a_patch_is():
    assert 0.95e6 < sum(p.numel() for p in build("vit_small", 10, 3).parameters()) < 1.05e6
    model, x = build("vit_small", 10, 1).eval(), torch.randn(1, 1, 32, 32)
    turned = x.rot90(dims=(2, 3))
    assert not torch.allclose(model.features(x), model.features(turned), atol=1e-3)
    places = positions(8, 8, 128)
    assert places.unique(dim=0).shape == (64, 128)


def test_the_published_efficientnet_weights_all_load_and_each_is_used():
    features = _features(3)
    assert set(published_weights()) == set(features.state_dict())
    features.load_state_dict(published_weights())


def test_one_grey_channel_equals_three_equal_ones():
    grey, colour = build("efficientnet_lite0", 4, 1).eval(), build("efficientnet_lite0", 4, 3).eval()
    x = torch.rand(1, 1, 64, 64)
    torch.testing.assert_close(grey.features(x), colour.features(x.expand(-1, 3, -1, -1)), rtol=1e-3, atol=1e-3)


def test_a_model_file_reads_back(tmp_path):
    model, architecture = build("digit_cnn", 2, 1), Architecture("digit_cnn", ("a", "b"), 1, 32)
    write_model(tmp_path / "m.safetensors", model, architecture)
    back, described = read_model(tmp_path / "m.safetensors")
    assert described == architecture
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), back.state_dict().values(), strict=True))


def test_unknown_names_and_misfits_are_one_line(tmp_path):
    with pytest.raises(LbtError, match="did you mean 'resnet20'"):
        build("resnet_20", 10, 3)
    write_model(tmp_path / "m.safetensors", build("digit_cnn", 2, 1), Architecture("digit_cnn", ("a", "b", "c"), 1, 32))
    with pytest.raises(LbtError, match=r"m.safetensors: weights do not fit digit_cnn"):
        read_model(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("field", "found", "words"),
    [
        ("model", "resnet_20", "header: model: unknown model 'resnet_20'.*did you mean 'resnet20'"),
        ("model", 5, "header: model: found 5"),
        ("classes", "ab", "header: classes: found 'ab'"),
        ("classes", [], "header: classes"),
        ("classes", 10**9, "header: classes"),
        ("channels", "x", "header: channels: found 'x'; accepted: 1, 3"),
        ("channels", -1, "header: channels: found -1"),
        ("size", None, "header: size: found None"),
        ("size", 10**30, "header: size"),
        ("size", float("nan"), "header: size"),
    ],
)
def test_a_header_that_no_network_has_names_file_and_field(tmp_path, field, found, words):
    path = tmp_path / "m.safetensors"
    header = {"model": "digit_cnn", "classes": ["a", "b"], "channels": 1, "size": 32, field: found}
    write_tensors(path, build("digit_cnn", 2, 1).state_dict(), header)
    with pytest.raises(LbtError, match=words) as error:
        read_model(path)
    assert str(error.value).startswith(str(path))
    del header[field]
    write_tensors(path, build("digit_cnn", 2, 1).state_dict(), header)
    with pytest.raises(LbtError, match=f"header: {field}: this key is required"):
        read_model(path)
