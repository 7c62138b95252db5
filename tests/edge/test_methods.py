"""Methods against naive references and the properties that their papers state."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lbt.edge.memory import Memory
from lbt.edge.methods import lame
from lbt.edge.statistics import folded, use_batch
from lbt.errors import LbtError
from lbt.nn import quantize

IMAGES = torch.randn(12, 1, 16, 16, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
NONE = torch.full((12,), -1)


def adapted(bench, name, recipe="fp32", steps=2, **knobs):
    """A method after a few batches, and the network's parameters before them."""
    method = bench.method(name, recipe, **knobs)
    before = {key: p.detach().clone() for key, p in method.network.named_parameters()}
    for step in range(steps):
        method.begin(step)
        method.adapt(IMAGES, torch.arange(12) % 3 if method.needs_labels else NONE, step)
    return method, before


def test_lame_equals_a_naive_reference():
    torch.manual_seed(0)
    p, features = torch.randn(7, 3).softmax(1), F.normalize(torch.randn(7, 5))
    d = torch.tensor([[float((a - b).norm()) for b in features] for a in features])
    sigma = sum(sorted(row.tolist())[2] for row in d) / 7  # the image itself is the first of the k
    weights = lame.affinity(features, "rbf", 3)
    for i in range(7):
        for j in range(7):
            assert weights[i, j] == pytest.approx(math.exp(-(float(d[i, j]) ** 2) / (2 * sigma**2)), rel=1e-4)
    z = [[float(v) for v in row] for row in p]
    for _ in range(50):
        new = []
        for i in range(7):
            total = [float(weights[i] @ torch.tensor([row[k] for row in z])) for k in range(3)]
            raw = [float(p[i, k]) * math.exp(total[k]) for k in range(3)]
            new.append([v / sum(raw) for v in raw])
        z = new
    assert lame.adjusted(p.log(), weights, 200) == pytest.approx(torch.tensor(z), abs=1e-3)
    assert lame.affinity(features, "knn", 2).sum(1).tolist() == [2.0] * 7


@pytest.mark.parametrize("recipe", ["fp32", "int8", "int4"])
def test_bn1_equals_the_batch_in_training_mode(bench, recipe):
    method = bench.method("norm", recipe)
    other = copy.deepcopy(method.network).train()
    with torch.no_grad():
        assert torch.equal(method.predict(IMAGES), other(IMAGES).softmax(1))


def test_a_prior_lies_between_source_and_batch(bench):
    none, norm = bench.method("none").predict(IMAGES), bench.method("norm").predict(IMAGES)
    assert bench.method("norm_prior", norm_prior={"prior": 0}).predict(IMAGES) == pytest.approx(norm, abs=1e-5)
    assert bench.method("norm_prior", norm_prior={"prior": 1e9}).predict(IMAGES) == pytest.approx(none, abs=1e-5)


@pytest.mark.parametrize("recipe", ["fp32", "int8", "banner8", "wageubn"])
@pytest.mark.parametrize("name", ["tent", "eata", "sar", "roid", "rotta"])
def test_only_scale_and_offset_of_the_norms_move(bench, name, recipe):
    method, before = adapted(bench, name, recipe, eata={"margin": 1, "redundancy": 1}, sar={"margin": 1, "lr": 0.1})
    norms = [key for key, m in method.network.named_modules() if hasattr(m, "num_features")]
    moved = [key for key, p in method.network.named_parameters() if not torch.equal(p, before[key])]
    assert moved
    assert all(key.rpartition(".")[0] in norms for key in moved)


def test_sar_leaves_the_last_norms_and_recovers(bench):
    method, before = adapted(bench, "sar", sar={"margin": 1, "lr": 0.1, "frozen": 0.5})
    moved = {key for key, p in method.network.named_parameters() if not torch.equal(p, before[key])}
    last = [key for key, m in method.network.named_modules() if hasattr(m, "num_features")][-1]
    assert f"{last}.weight" not in moved
    method, before = adapted(bench, "sar", steps=1, sar={"margin": 1, "lr": 0.1, "recover": 100})
    assert all(torch.equal(p, before[key]) for key, p in method.network.named_parameters())
    assert "mean" not in method.extra


@pytest.mark.parametrize("restore", [0.0, 0.1, 1.0])
def test_cotta_restores_with_its_probability(bench, restore):
    method = bench.method("cotta", cotta={"restore": restore})
    source = dict(method.anchor.named_parameters())
    with torch.no_grad():
        for p in method.network.parameters():
            p += 1
    method.restore(step=0)
    back = torch.cat([(p == source[name]).flatten() for name, p in method.network.named_parameters()])
    expected = 4 * math.sqrt(restore * (1 - restore) / len(back))
    assert float(back.double().mean()) == pytest.approx(restore, abs=expected + 1e-9)


def test_the_memory_is_balanced_recent_and_certain():
    held: dict[str, torch.Tensor] = {}
    memory = Memory(12, 1.0, 1.0, held)
    random = np.random.default_rng(0)
    for number in range(300):  # nine of ten images are of class 0
        label = 0 if random.random() < 0.9 else int(random.integers(1, 4))
        entropy = torch.tensor(float(random.random()))
        memory.add(torch.full((1, 2, 2), float(number)), torch.tensor(label), entropy, 4)
    assert torch.bincount(held["class"], minlength=4).tolist() == [3, 3, 3, 3]
    assert len(held["images"]) == 12
    assert held["entropy"].mean() < 0.4
    assert memory.seen == 300


def test_eata_skips_what_is_uncertain_or_redundant(bench):
    method = bench.method("eata")
    p = torch.tensor([[0.98, 0.01, 0.01], [0.34, 0.33, 0.33], [0.01, 0.98, 0.01]])
    entropy = -(p * p.log()).sum(1)
    assert method.chosen(p, entropy).tolist() == [True, False, True]
    method.extra["mean"] = torch.tensor([1.0, 0.0, 0.0])
    assert method.chosen(p, entropy).tolist() == [False, False, True]


def test_folded_statistics_are_the_weighted_sum():
    norm = nn.BatchNorm2d(3)
    network = quantize(nn.Sequential(nn.Conv2d(1, 3, 3), norm), "fp32").eval()
    inner = network[0](IMAGES).detach()
    with folded(network, 0.25):
        network(IMAGES)
    mine = network[1]
    assert mine.running_mean == pytest.approx(0.25 * inner.mean((0, 2, 3)), abs=1e-6)
    assert mine.running_var == pytest.approx(0.75 + 0.25 * inner.var((0, 2, 3), correction=0), rel=1e-5)


def test_networks_without_statistics_of_a_batch_are_refused():
    with pytest.raises(LbtError, match="has no batch norm"):
        use_batch(nn.Linear(2, 2))
    from lbt.nn.norms.running_bn import RunningBN

    with pytest.raises(LbtError, match="RunningBN normalises with running statistics"):
        use_batch(nn.Sequential(RunningBN(2)))


@pytest.mark.parametrize("name", ["tent", "mean_teacher"])
def test_gradients_are_quantized(bench, name):
    """int8 ends in other weights than fp32 from the same network: its errors and gradients are rounded."""
    full, low = (adapted(bench, name, recipe)[0].network.state_dict() for recipe in ("fp32", "int8"))
    assert any(not torch.equal(full[key], low[key]) for key in full if key in low)
