"""Criteria, gates and the choice of channels against naive references."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from lbt.edge.users.gates import random_factors, sensitivities
from lbt.edge.users.masks import CRITERIA, LEAST, Evidence, choose
from lbt.edge.users.schedule import share_after
from lbt.edge.users.structure import compact, work
from lbt.errors import LbtError

from .conftest import SHAPE, network


@pytest.fixture
def evidence(resident, early):
    whole = resident.backbone.requires_grad_(False)
    targets = F.one_hot(early.labels.clamp_min(0), 3).float()
    return Evidence(whole, resident.groups, early.images, targets, torch.zeros(128))


@pytest.mark.parametrize("name", CRITERIA.names())
def test_every_criterion_scores_every_channel_and_changes_nothing(evidence, name):
    before = {key: tensor.clone() for key, tensor in evidence.network.state_dict().items()}
    scores = CRITERIA.load(name).scores(evidence)
    assert {layer: len(score) for layer, score in scores.items()} == {n: g.width for n, g in evidence.groups.items()}
    assert all((score >= 0).all() and score.isfinite().all() and score.max() > 0 for score in scores.values())
    assert all(torch.equal(tensor, before[key]) for key, tensor in evidence.network.state_dict().items())
    assert all(p.grad is None and not p.requires_grad for p in evidence.network.parameters())


def test_sensitivities_are_the_derivative_by_a_factor_on_the_channel(early):
    """Central differences on a float network, by scaling the norm's scale and offset."""
    whole = network("fp32").eval().double().requires_grad_(False)
    from lbt.edge.users.structure import groups_of

    groups = groups_of(network("fp32"), SHAPE)
    images, labels = early.images[:4].double(), torch.tensor([0, 1, 2, 0])

    def loss(model, x):
        return F.cross_entropy(model(x), labels, reduction="sum")

    found = sensitivities(whole, groups, images, loss)
    for name, channel in (("features.1.0", 3), ("features.6.0", 100)):
        norm = whole.get_submodule(groups[name].through[-1])
        values = []
        for step in (1e-5, -1e-5):
            kept = norm.weight[channel].item(), norm.bias[channel].item()
            norm.weight[channel] *= 1 + step
            norm.bias[channel] *= 1 + step
            values.append(float(loss(whole, images)))
            norm.weight[channel], norm.bias[channel] = kept
        assert float(found[name][:, channel].sum()) == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-5)


def test_taylor_counts_a_dead_channel_as_nothing(evidence):
    dead = replace(evidence, network=network().eval().requires_grad_(False))
    norm = dead.network.get_submodule("features.1.1")
    norm.weight.data[5], norm.bias.data[5] = 0.0, 0.0
    for name in ("taylor", "magnitude"):
        scores = CRITERIA.load(name).scores(dead)
        assert scores["features.1.0"][5] == 0


def test_discrepancy_needs_the_source_and_changes_the_order(evidence, early):
    plain, more = (CRITERIA.load(name).scores(evidence) for name in ("taylor", "taylor_discrepancy"))
    assert any(not torch.equal(plain[name].argsort(), more[name].argsort()) for name in plain)
    without = Evidence(evidence.network, evidence.groups, early.images, evidence.targets)
    with pytest.raises(LbtError, match="needs the source's mean feature"):
        CRITERIA.load("taylor_discrepancy").scores(without)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_the_masks_leave_what_is_asked_for_and_little_less(resident, share):
    random = torch.Generator().manual_seed(0)
    scores = {name: torch.rand(group.width, generator=random) for name, group in resident.groups.items()}
    masks = choose(scores, resident.graph, "int8", share)
    small = compact(resident.backbone, resident.groups, masks)
    left = work(small, SHAPE, "int8") / work(resident.backbone, SHAPE, "int8")
    assert share - 0.03 < left <= share
    for name, mask in masks.items():
        assert mask.sum() >= LEAST * len(mask)
        assert scores[name][mask].min() >= scores[name][~mask].max()


def test_masks_are_nested_and_too_little_is_refused(resident):
    random = torch.Generator().manual_seed(0)
    scores = [{n: torch.rand(g.width, generator=random) for n, g in resident.groups.items()} for _ in range(2)]
    first = choose(scores[0], resident.graph, "int8", 0.7)
    second = choose(scores[1], resident.graph, "int8", 0.4, first)
    assert all(not (second[name] & ~mask).any() for name, mask in first.items())
    with pytest.raises(LbtError, match=r"operations: found 0.001; accepted: 0.0\d\d to 1"):
        choose(scores[0], resident.graph, "int8", 0.001)


def test_the_schedule_falls_with_use_to_its_end():
    shares = [share_after(seen, 100, 0.5) for seen in (0, 10, 50, 100, 1000)]
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)
    assert shares[3] == shares[4] == 0.5
    assert share_after(50, 100, 0.2) == pytest.approx(0.2 + 0.8 / 8)


def test_random_factors_follow_their_key(resident):
    one, same, other = (random_factors(resident.groups, 0.4, *key) for key in ((0, 1), (0, 1), (0, 2)))
    names = list(resident.groups)
    assert all(torch.equal(one(name, None), same(name, None)) for name in names)
    assert any(not torch.equal(one(name, None), other(name, None)) for name in names)
    assert all(one(name, None).mean() >= 0.3 for name in names)
