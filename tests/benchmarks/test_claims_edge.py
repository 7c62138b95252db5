"""Parts of the experiments on devices, parts of a network, labels, widths that follow, and orders of cells."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("claims_scripts")


def test_products_of_the_network_are_counted_from_its_shapes() -> None:
    import recipes
    from claims import _tuning

    network, found = recipes.network(0, 3), {}
    for name, layer in network.named_children():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(lambda one, x, y, name=name: found.update({int(name): (one, y)}))
    network(torch.zeros(1, 3, 32, 32))
    macs = {place: one.weight[0].numel() * y.numel() for place, (one, y) in found.items()}
    assert macs == _tuning.MACS


def test_a_backward_pass_stops_at_the_first_layer_that_is_trained() -> None:
    from claims import _tuning, parts

    macs = _tuning.MACS
    assert _tuning.backward_macs(macs) == 2 * sum(macs.values()) - macs[0]
    assert _tuning.backward_macs([9, 14]) == macs[9] + 2 * macs[14]
    assert _tuning.backward_macs([]) == 0
    assert parts.share("all", set(macs)) == 1.0
    assert parts.share("classifier", {14}) < parts.share("last", {9, 14}) < parts.share("freezing", set(macs)) < 1
    assert parts.share("half of the channels", set(macs)) == pytest.approx(0.27, abs=0.02)


def test_parameters_belong_to_the_layer_before_them() -> None:
    from claims import _tuning

    assert [_tuning.layer_of(f"{place}.weight") for place in (0, 1, 3, 4, 9, 10, 14)] == [0, 0, 3, 3, 9, 9, 14]


def test_sparse_training_moves_a_tenth_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    from claims import _setting, _tuning, parts

    monkeypatch.setattr(_setting, "CAP", 2)
    model = _tuning.fresh(5, {}, lambda seed: _tuning.recipes.network(seed, 3))
    before = [one.detach().clone() for one in model.parameters()]
    mask, _ = parts.sparse(10)(model, 5)
    _tuning.train(model, parts.optimizer(model, lr=0.1), *parts.task().train, 5, before=mask)
    moved = sum(int((a != b).sum()) for a, b in zip(model.parameters(), before, strict=True))
    total = sum(one.numel() for one in before)
    assert 0.05 * total < moved <= math.ceil(0.1 * total)


def test_directions_move_the_weights_within_their_span() -> None:
    from claims import parts

    model = nn.Sequential(nn.Linear(40, 40), nn.Linear(40, 10))
    origin = torch.cat([one.detach().flatten().clone() for one in model.parameters()])
    update, down, up = parts.directions(model, 3, 0.5)
    for one in model.parameters():
        one.grad = torch.randn_like(one)
    gradient = torch.cat([one.grad.flatten() for one in model.parameters()])
    down(0), update.step(), up(0)
    moved = torch.cat([one.detach().flatten() for one in model.parameters()]) - origin
    basis = torch.randn(parts.DIRECTIONS, len(origin), generator=torch.Generator().manual_seed(3))
    basis = basis / basis.norm(dim=1, keepdim=True)
    assert torch.allclose(moved, -0.5 * basis.T @ (basis @ gradient), atol=1e-5)


def devices(noisy: bool):
    from claims.device import Devices

    torch.manual_seed(0)
    model = nn.Linear(100, 100, bias=False)
    return model, model.weight.detach().clone(), Devices(model, 1, noisy)


def test_devices_have_levels_and_programming_noise() -> None:
    model, wanted, _ = devices(noisy=False)
    step = wanted.abs().max() / 15
    assert torch.allclose(model.weight, (wanted / step).round() * step, atol=1e-6)
    assert len(model.weight.unique()) <= 31
    noisy, _, _ = devices(noisy=True)
    apart = (noisy.weight - model.weight).detach() / wanted.abs().max()
    assert 0.2635 / 25 < float(apart.std()) < 1.1 / 25


def test_drift_follows_the_power_law_and_one_factor_restores_the_sum() -> None:
    model, _, one = devices(noisy=False)
    before = one.sums()
    one.drift(20.0 * math.e**10)
    assert one.sums()[0] / before[0] == pytest.approx(math.exp(-10 * 0.05 + (10 * 0.02) ** 2 / 2), rel=0.02)
    one.compensate(before)
    assert one.sums() == pytest.approx(before, rel=1e-5)
    assert float(model.weight.detach().abs().sum()) == pytest.approx(before[0], rel=1e-5)


def test_updates_wait_until_they_reach_a_level_and_stuck_devices_stay() -> None:
    model, wanted, one = devices(noisy=False)
    step, start = float(wanted.abs().max()) / 15, model.weight.detach().clone()
    with torch.no_grad():
        model.weight -= 0.6 * step * start.sign()
    one.write(0)
    assert torch.equal(model.weight, start)
    with torch.no_grad():
        model.weight -= 0.6 * step * start.sign()
    one.write(1)
    moved = (start - model.weight).detach()[start != 0] * start.sign()[start != 0]
    assert torch.allclose(moved, torch.full_like(moved, step), atol=1e-5)
    one.fail(20, "zero")
    stuck = one.stuck[0]
    assert 0.17 < float(stuck.float().mean()) < 0.23
    with torch.no_grad():
        model.weight += 3 * step
    one.write(2)
    assert (model.weight[stuck] == 0).all()
    assert (model.weight[~stuck] != 0).any()


def test_a_wrong_answer_is_unlearnt_and_a_right_one_learnt() -> None:
    from claims import labels

    torch.manual_seed(0)
    model = labels.tuning.quantize(nn.Sequential(nn.Flatten(), nn.Linear(8, 4)), "fp32")
    images, classes = torch.randn(2, 1, 2, 4), torch.tensor([1, 2])
    before = model(images).softmax(1)
    labels.learn(model, images, classes, torch.tensor([True, False]), 0)
    after = model(images).softmax(1)
    assert after[0, 1] > before[0, 1]
    assert after[1, 2] < before[1, 2]


def test_the_user_is_asked_where_two_classes_are_near_and_corrects_what_is_wrong() -> None:
    from claims import labels

    answers = torch.tensor([[0.5, 0.4, 0.1]] + [[0.9, 0.1, 0.0]] * 60)
    truth = torch.tensor([0] * 30 + [1] * 31)
    assert labels.choose("asked", answers, truth, 0)[0] == 0
    assert labels.choose("corrections", answers, truth, 0).tolist() == list(range(30, 61))
    assert len(labels.choose("weak", answers, truth, 0)) == 61


def test_widths_rise_above_the_tolerated_error_and_fall_below_a_third_of_it() -> None:
    from claims import following

    error = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    by_hand = error.abs().max() / 7
    expected = ((error / by_hand).round() * by_hand - error).norm() / error.norm()
    assert following.nearest_difference(error, 4) == pytest.approx(float(expected))
    assert following.nearest_difference(torch.zeros(3), 4) == 0.0
    model = following.tuning.fresh(5, {"W": "int8", "E": "int8"}, lambda seed: nn.Sequential(nn.Linear(4, 4)))
    widths = following.Following(model, 4, True)
    spiky = torch.cat([error, torch.tensor([40.0])])
    for step in range(3):
        widths.measure(0, spiky)
        widths.after(step)
    assert widths.bits == [7]
    assert widths.spent == [4.0, 5.0, 6.0]
    assert str(widths.layers[0].roles.E).startswith("int7")
    widths.measure(0, torch.ones(10))
    assert widths.bits == [6]


@pytest.mark.parametrize("reward", ["value", "rank", "widening"])
def test_a_controller_learns_the_better_operation(reward: str) -> None:
    from claims import widening

    draw = np.random.default_rng(0)
    rows = draw.integers(0, 5, (40, 6))
    seen = 10.0 * (rows[:, 0] == 3)
    chance = np.full((6, 5), 0.2)
    gradient = widening.GRADIENTS[reward]((rows, seen), chance)
    assert gradient[0].argmax() == 3
    assert np.allclose(gradient.sum(1), 0, atol=1e-9)


def test_pairs_within_the_noise_teach_nothing() -> None:
    from claims import widening

    rows = np.random.default_rng(0).integers(0, 5, (40, 6))
    seen = np.random.default_rng(1).uniform(0, 2 * widening.NOISE, 40)
    assert not widening.by_gaps((rows, seen), np.full((6, 5), 0.2)).any()


def test_orders_of_cells_by_hand() -> None:
    from claims import proxies

    full = np.array([10.0, 20.0, 30.0, 40.0])
    found = {("full", 1): full, ("full", 2): full + np.array([0, 0, 6, 1]), ("part", 1): np.array([1.0, 2.0, 4.0, 3.0]),
             ("part", 2): full, ("self", 1): -full, ("tricks", 1): full + 5,
             ("semi", 1): np.array([2.0, 4.0, 7.0, 7.0]), ("semi", 2): full + np.array([1, 2, 3, 4])}  # fmt: skip
    made = proxies.numbers(found)
    assert made["repeat/tau"] == 1.0
    assert made["part/tau"] == pytest.approx(2 / 3)
    assert made["self/tau"] == -1.0
    assert made["tricks/gain"] == 5.0
    assert made["early/minus_late"] == pytest.approx(36.0 - 41.0)
    assert made["semi/agreement"] == 1.0


def test_every_field_has_a_line_with_all_columns() -> None:
    import claims.ideas
    from claims import _fields

    verdicts = {idea.number: "open" for idea in claims.ideas.ideas()}
    lines = _fields.table({}, verdicts).splitlines()
    assert len(lines) == 2 + len(_fields.FIELDS) == 13
    assert {line.count(" | ") for line in lines} == {len(_fields.HEAD) - 1}
    assert "not measured" in lines[2]


def test_cells_that_agree_between_halves_are_trusted() -> None:
    from types import SimpleNamespace

    from few_labels import one_shot

    draw = np.random.default_rng(0)
    rows = draw.integers(0, 2, (200, 1))
    table = SimpleNamespace(rows=rows, space=SimpleNamespace(operations=("a", "b")))
    score = draw.normal(size=200)
    other = np.where(rows[:, 0] == 1, score, draw.normal(size=200))
    chosen = one_shot.agreeing(table, np.arange(200), (score, other))
    assert len(chosen) == 100
    assert rows[chosen, 0].mean() > 0.9


def test_the_page_of_incremental_learning_follows_from_its_rows() -> None:
    import incremental_page

    if incremental_page.RESULTS.is_file():
        text = incremental_page.PAGE.read_text(encoding="utf-8")
        assert incremental_page.filled(text, incremental_page.read_rows()) == text
