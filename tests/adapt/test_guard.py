"""The guard refuses what unlabelled predictions speak against, and deploys the start in the recipe's numbers."""

from __future__ import annotations

import pytest
import torch

from lbt.adapt import guard, neighbours
from lbt.adapt.guard import judge, rise
from lbt.adapt.params import METHODS
from lbt.artifacts import read_tensors
from lbt.train.batches import Examples


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


@pytest.mark.parametrize(("rise", "refused"), [(-0.2, True), (0.0, True), (0.3, False)])
def test_errors_that_the_start_was_certain_of_may_be_mended(rise, refused):
    start, adapted = one_hot([0] * 40), one_hot([1] * 20 + [0] * 20, 0.999)
    assert judge(start, adapted, rise).refused == refused
    unsure = one_hot([1] * 20 + [0] * 20, 0.4)
    assert judge(start, unsure, rise).refused  # neighbours do not excuse an expected loss


def test_neighbours_tell_a_mended_network_from_a_collapsed_one():
    g = torch.Generator().manual_seed(0)
    truth = torch.arange(120) % 4
    shapes = torch.randn(4, 1, 6, 6, generator=g)
    images = shapes[truth] + 0.5 * torch.randn(120, 1, 6, 6, generator=g)
    examples = [Examples(part, torch.full((len(part),), -1), tuple("abcd")) for part in images.split([100, 20])]
    wrong = torch.where((truth == 3) & (torch.arange(120) % 3 > 0), 0, truth)
    right, misled = one_hot(truth.tolist()), one_hot(wrong.tolist())
    assert rise(misled, right, *examples) > 0.1
    assert rise(right, misled, *examples) < -0.1
    assert rise(right, one_hot([0] * 120), *examples) < -0.5  # one class for all agrees by chance alone
    assert rise(right, right, *examples) == 0
    turned = [Examples(one.images * 3 + 1, one.labels, one.classes) for one in examples]  # brightness and contrast
    assert rise(misled, right, *turned) == pytest.approx(rise(misled, right, *examples), abs=1e-6)


def test_a_single_image_has_no_neighbours():
    one = Examples(torch.zeros(1, 3, 4, 4), torch.tensor([-1]), ("a", "b"))
    assert rise(one_hot([0], count=2), one_hot([1], count=2), one) == 0


def test_large_images_are_compared_in_small():
    images = torch.rand(60, 1, 8, 64, generator=torch.Generator().manual_seed(0))
    examples = Examples(images, torch.full((60,), -1), ("a", "b"))
    found = neighbours.small(examples, torch.arange(0, 60, 2))
    assert found.shape == (30, 1, 8, neighbours.SIDE)
    torch.testing.assert_close(found, images[::2].unflatten(3, (32, 2)).mean(-1))
    narrow = Examples(images[..., :9], examples.labels, examples.classes)
    assert torch.equal(neighbours.small(narrow, torch.tensor([3, 1])), images[[3, 1], ..., :9])


def test_neighbours_are_looked_for_among_a_part_of_many_images():
    places = neighbours.spread(10 * neighbours.AMONG + 7)
    assert len(places) == neighbours.AMONG == len(places.unique())
    assert places[0] == 0
    assert neighbours.spread(5).tolist() == [0, 1, 2, 3, 4]


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
