"""The guard refuses what unlabelled predictions speak against, and deploys the start in the recipe's numbers."""

from __future__ import annotations

import pytest
import torch

from lbt.adapt import guard
from lbt.adapt.guard import judge
from lbt.adapt.params import METHODS
from lbt.artifacts import read_tensors


def one_hot(classes, certainty=0.99, count=4):
    found = torch.full((len(classes), count), (1 - certainty) / (count - 1))
    found[torch.arange(len(classes)), torch.tensor(classes)] = certainty
    return found


def test_the_expected_gain_by_hand():
    start = torch.tensor([[0.6, 0.4], [0.9, 0.1], [0.3, 0.7]])
    adapted = torch.tensor([[0.1, 0.9], [0.4, 0.6], [0.3, 0.7]])
    # of the first image 0.65 − 0.35, of the second 0.35 − 0.65, of the third nothing
    assert judge(start, adapted).gain == pytest.approx(0.0, abs=1e-7)
    assert judge(start[:1], adapted[:1]).gain == pytest.approx(0.3, abs=1e-7)
    assert judge(start[1:2], adapted[1:2]).gain == pytest.approx(-0.3, abs=1e-7)
    assert judge(start, start).gain == 0


def test_doubtful_images_may_change():
    start = one_hot([0, 1, 2, 3] * 10, 0.5)
    assert not judge(start, one_hot([1, 2, 3, 0] * 10)).refused


@pytest.mark.parametrize("moved", [4, 8])
def test_images_that_the_start_was_certain_of_may_not(moved):
    start, adapted = one_hot([0] * 40), one_hot([1] * moved + [0] * (40 - moved), 0.999)
    verdict = judge(start, adapted)
    assert verdict.gain > 0
    assert verdict.lost == pytest.approx(moved / 40)
    assert verdict.refused == (moved / 40 > guard.MOST_LOST)


def test_a_network_that_is_less_sure_of_its_changes_is_refused():
    assert judge(one_hot([0] * 40, 0.9), one_hot([1] * 4 + [0] * 36, 0.4)).refused


def test_a_network_that_is_not_finite_is_refused():
    assert judge(one_hot([0, 1]), torch.full((2, 4), torch.nan)).refused


@pytest.mark.parametrize("recipe", ["fp32", "int8"])
def test_a_ruined_network_is_not_deployed(bench, recipe, monkeypatch):
    free = bench.run("free", recipe, lr=50.0, guard=False, optimizer="adam", steps=3)
    held = bench.run("held", recipe, lr=50.0, optimizer="adam", steps=3)
    assert free["rolled_back"] == 0
    assert held["rolled_back"] == 1
    assert held["adapted/target_accuracy"] == free["target_accuracy"]
    monkeypatch.setattr(guard, "LEAST_GAIN", 2.0)  # refuses anything: another method ends at the same start
    start = bench.run("start", recipe, "adabn")
    assert start["target_accuracy"] == held["target_accuracy"]
    weights = [read_tensors(bench.outputs(name).student)[0] for name in ("held", "start")]
    for name, tensor in weights[0].items():
        if "running" not in name and "num_batches" not in name:
            assert torch.equal(tensor, weights[1].get(name, tensor)), name


def test_an_adapted_network_that_convinces_is_kept(bench):
    kept = bench.run("kept", method="adabn")
    free = bench.run("free", method="adabn", guard=False)
    assert kept["rolled_back"] == 0
    assert kept["target_accuracy"] == free["target_accuracy"]
    assert "adapted/target_accuracy" not in kept


def test_methods_that_have_labels_or_no_target_are_not_guarded():
    guarded = {name for name in METHODS.names() if METHODS.load(name).Method.guarded()}
    assert guarded == {"adabn", "cdan", "dann", "dsbn", "mcd", "mean_teacher", "shot", "tent"}
