"""Parts of a choice: limits, expected accuracy, evidence, the integer program, the clock."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from lbt.errors import LbtError
from lbt.hardware import Board
from lbt.models import build
from lbt.nas.choose.bits import choose_bits, solve
from lbt.nas.choose.evidence import agreement, evidence
from lbt.nas.choose.limits import ENERGY, MEMORY, Limits, quantity
from lbt.nas.choose.price import Price, Shop
from lbt.nas.choose.state import State
from lbt.nas.choose.trial import Trial, expected_accuracy, values, with_statistics
from lbt.train.batches import Examples


@pytest.mark.parametrize(
    ("text", "units", "value"),
    [("0.05mJ", ENERGY, 5e-5), ("50 uJ", ENERGY, 5e-5), ("50µJ", ENERGY, 5e-5), ("1e-3J", ENERGY, 1e-3),
     ("256kB", MEMORY, 256e3), ("1 MiB", MEMORY, 2**20)],
)  # fmt: skip
def test_quantities(text, units, value):
    assert quantity(text, units, "--x") == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "5", "mJ", "5 mj", "-1mJ", "0mJ", "infJ", "nanJ", "1e999J", "1mJmJ", "0x1J"])
def test_what_is_no_energy_is_refused_with_the_units(text):
    with pytest.raises(LbtError, match=r"--energy: found .*J, mJ, uJ"):
        quantity(text, ENERGY, "--energy")


def test_limits_say_by_how_much_they_are_missed():
    price = Price(2e-3, 1.0, 1, 300.0, True)
    assert Limits().excess(price) == -1
    assert Limits(1e-3, 300.0).excess(price) == pytest.approx(1.0)
    assert Limits().excess(Price(0.0, 0.0, 0, 0.0, False)) == math.inf


def test_expected_accuracy_counts_images_as_sure_as_the_right_share_of_the_known():
    known = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    labels = torch.tensor([0, 0, 0, 1])  # three are right: the threshold is 0.7
    assert expected_accuracy(known, labels, torch.tensor([[0.75, 0.25], [0.65, 0.35]])) == 0.5
    assert expected_accuracy(known, labels, known) == 0.75
    assert expected_accuracy(known, 1 - labels.clamp(0, 0), known) == 0.0


def test_clear_differences_of_the_source_count_and_small_ones_leave_it_to_the_target():
    def made(source: float, expected: float) -> Trial:
        return Trial("", source, expected, 1.0, 0.0, 0.0)

    first = values([made(95, 10), made(80, 90)], 200)
    assert first[0] > first[1]
    second = values([made(95, 10), made(94.5, 90)], 200)
    assert second[0] < second[1]


def test_statistics_are_those_of_the_images():
    network = build("digit_cnn", 2, 1)
    images = 3 + 2 * torch.randn(70, 1, 16, 16)
    moved = with_statistics(network, images, batch=70)
    sums = moved.features[0][0](images)
    torch.testing.assert_close(moved.features[0][1].running_mean, sums.mean((0, 2, 3)))
    assert network.features[0][1].running_mean.abs().sum() == 0
    with_statistics(network, images[:65])  # a last batch of one image


def test_the_committee_is_the_others():
    def sure(classes: list[int]) -> torch.Tensor:
        return torch.nn.functional.one_hot(torch.tensor(classes), 3).float()

    found = agreement({"a": sure([0, 1, 2, 0]), "b": sure([0, 1, 2, 1]), "c": sure([0, 1, 2, 1])})
    assert found == {"a": 75.0, "b": 75.0, "c": 75.0}  # of b and c's own image the others are split: the first class
    lone = agreement({"a": sure([0, 0]), "b": sure([1, 1]), "c": sure([1, 1])})
    assert lone["a"] == 0.0


def test_similar_images_outvote_a_committee_that_errs_together(monkeypatch):
    """Two of three networks confuse the same two classes; what looks alike tells who is right."""
    g = torch.Generator().manual_seed(0)
    truth = torch.arange(90) % 3
    images = torch.randn(3, 1, 5, 5, generator=g)[truth] + 0.4 * torch.randn(90, 1, 5, 5, generator=g)
    confused = torch.where((truth == 2) & (torch.arange(90) % 2 == 0), 1, truth)
    members = {"right": truth, "wrong": confused, "too": confused}
    monkeypatch.setattr(
        "lbt.nas.choose.evidence.predictions",
        lambda name, _: torch.nn.functional.one_hot(members[name], 3).float(),
    )
    target = Examples(images, torch.full((90,), -1), ("a", "b", "c"))
    found = evidence({name: name for name in members}, target)
    assert found["right"].agreement < found["wrong"].agreement
    assert found["right"].mean > found["wrong"].mean


@pytest.mark.parametrize("seed", range(4))
def test_the_program_finds_the_least_noise_under_the_budget(seed):
    random = np.random.default_rng(seed)
    noise, energy = random.random((3, 4)), random.random((3, 4))
    budget = float(energy.mean() * 2.4)
    allowed = [p for p in itertools.product(range(4), repeat=3) if energy[range(3), p].sum() <= budget]
    picked = solve(noise, energy, budget)
    best = min((noise[range(3), p].sum() for p in allowed), default=None)
    assert (picked is None) == (best is None)
    if picked is not None:
        assert noise[range(3), picked].sum() == pytest.approx(best)
    assert solve(noise, energy, 0.0) is None
    assert (solve(noise, energy, math.inf) == noise.argmin(1)).all()


def test_mixtures_get_noisier_as_the_budget_falls_and_keep_it():
    network = build("chain 8s2 conv3w16d1p2", 4, 1).train()
    batch = torch.randn(8, 1, 16, 16), torch.arange(8) % 4
    shop = Shop(Board.load("zcu102"), "zcu102", (1, 16, 16), 8)
    wide, narrow = (shop.price(network, name).energy for name in ("int8", "int4"))
    noise = []
    for budget in (wide * 1.01, narrow * 1.02):
        found = choose_bits(network, batch, shop, Limits(budget))
        assert found is not None
        assert found.price == shop.price(network, found.recipe)
        assert found.price.energy <= budget
        noise.append(found.noise)
    assert noise[0] < noise[-1]


def test_work_is_done_once_and_its_seconds_count_again(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"x": 1.0}

    for _ in range(2):
        state = State(tmp_path, {"images": ["a"]})
        assert state.kept("trial", {"n": 1}, compute)["x"] == 1.0
    assert len(calls) == 1
    assert len(state.reused) == 1
    State(tmp_path, {"images": ["b"]}).kept("trial", {"n": 1}, compute)
    assert len(calls) == 2
    for file in tmp_path.glob("*.json"):
        file.write_text("{")
    assert State(tmp_path, {"images": ["a"]}).kept("trial", {"n": 1}, compute)["x"] == 1.0
    assert len(calls) == 3
