"""Masked and compacted networks compute the same; the smaller one is cheaper by every account."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lbt.edge.users.structure import compact, groups_of, masked, work
from lbt.errors import LbtError
from lbt.hardware import cost
from lbt.models import build
from lbt.nn import Add, quantize

from .conftest import SHAPE, network

IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def some(groups, seed=0):
    """Random masks that keep about half of each layer."""
    random = torch.Generator().manual_seed(seed)
    masks = {name: torch.rand(group.width, generator=random) > 0.5 for name, group in groups.items()}
    return {name: mask | (torch.arange(len(mask)) == 0) for name, mask in masks.items()}


@pytest.mark.parametrize("engine", ["emulate", "integer"])
@pytest.mark.parametrize("name", ["digit_cnn", "resnet_small"])
def test_the_compacted_network_gives_the_bits_of_the_masked_one(name, engine):
    whole = quantize(build(name, 10, 3), "int8", engine=engine).eval()
    groups = groups_of(whole, (3, 32, 32))
    masks = some(groups)
    full, small = masked(whole, groups, masks), compact(whole, groups, masks)
    with torch.no_grad():
        assert torch.equal(full(IMAGES), small(IMAGES))
        assert not torch.equal(full(IMAGES), whole(IMAGES))
    sizes = [sum(p.numel() for p in one.parameters()) for one in (small, full, whole)]
    assert sizes[0] < sizes[1] == sizes[2]
    assert work(small, (3, 32, 32), "int8") < 0.6 * work(whole, (3, 32, 32), "int8")


def test_float_and_depthwise_networks_agree_to_rounding():
    first = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU6(), nn.Conv2d(8, 8, 3, groups=8), nn.BatchNorm2d(8)]
    last = [nn.ReLU(), nn.Flatten(), nn.Linear(8 * 28 * 28, 5), nn.ReLU(), nn.Linear(5, 2)]
    whole = nn.Sequential(*first, *last)
    whole.train()(IMAGES)
    whole.eval()
    groups = groups_of(whole, (3, 32, 32))
    assert set(groups) == {"0", "7"}
    assert groups["0"].through == ("1", "3", "4")
    assert groups["0"].readers == (("7", 28 * 28),)
    masks = some(groups)
    full, small = masked(whole, groups, masks), compact(whole, groups, masks)
    assert torch.allclose(full(IMAGES), small(IMAGES), atol=1e-5)
    assert small[3].groups == int(masks["0"].sum())


def test_a_masked_channel_is_exactly_zero():
    whole = network().eval()
    groups = groups_of(whole, SHAPE)
    masks = some(groups)
    full = masked(whole, groups, masks)
    seen = {}
    for name, group in groups.items():
        end = full.get_submodule(group.through[-1])
        end.register_forward_hook(lambda _, __, y, name=name: seen.update({name: y}))
    full(torch.randn(2, *SHAPE))
    for name, mask in masks.items():
        assert (seen[name][:, ~mask] == 0).all()
        assert (seen[name][:, mask] != 0).any()


def test_the_compacted_network_costs_less():
    whole = quantize(build("digit_cnn", 10, 3), "int8").eval()
    groups = groups_of(whole, (3, 32, 32))
    small = compact(whole, groups, some(groups))
    mine, all_of_it = (cost(one, (3, 32, 32), recipe="int8") for one in (small, whole))
    assert mine.storage.total < 0.7 * all_of_it.storage.total
    assert mine.seconds < all_of_it.seconds


def test_layers_that_meet_another_branch_stay_whole():
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c, self.add = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1), Add()

        def forward(self, x):
            return self.c(self.add(self.a(x), self.b(x)))

    assert groups_of(Branches(), (3, 8, 8)) == {}
    twice = nn.Conv2d(4, 4, 1)
    assert set(groups_of(nn.Sequential(nn.Conv2d(3, 4, 1), twice, twice, nn.Conv2d(4, 2, 1)), (3, 8, 8))) == set()


@pytest.mark.parametrize(
    ("masks", "told"),
    [
        (
            {"features.0.1": torch.ones(32, dtype=torch.bool)},
            r"unknown layer 'features.0.1'.*did you mean 'features.0.0'",
        ),
        ({"features.0.0": torch.ones(31, dtype=torch.bool)}, r"accepted: 32 booleans"),
        (
            {"features.0.0": torch.zeros(32, dtype=torch.bool)},
            r"0 kept; accepted: 32 booleans, one or more of them true",
        ),
        ({"features.0.0": torch.ones(32)}, r"torch.float32 \(32,\)"),
    ],
)
def test_wrong_masks_are_refused(masks, told):
    whole = network()
    with pytest.raises(LbtError, match=told):
        compact(whole, groups_of(whole, SHAPE), masks)


def test_compacting_leaves_the_network_alone_and_trains_apart():
    whole = network().eval()
    before = {name: tensor.clone() for name, tensor in whole.state_dict().items()}
    small = compact(whole, groups_of(whole, SHAPE), {})
    with torch.no_grad():
        for p in small.parameters():
            p.add_(1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in whole.state_dict().items())
