"""What is trained, its budgets, determinism, and the guard."""

from __future__ import annotations

import pytest
import torch

from lbt.adapt.guard import Verdict
from lbt.edge.users.options import Options
from lbt.edge.users.package import Resident, identity
from lbt.edge.users.people import person
from lbt.edge.users.personal import personalise
from lbt.edge.users.structure import compact, work
from lbt.edge.users.trains import TRAINS
from lbt.edge.users.verdict import PRIOR, UserVerdict, kept_back, most_gain
from lbt.errors import LbtError
from lbt.nn import optimizer, quantize

from .conftest import SHAPE, network

QUICK = {"steps": 2, "rounds": 2, "batch": 8, "masks": "magnitude", "operations": 0.6, "package": None}


@pytest.mark.parametrize("name", TRAINS.names())
def test_only_what_is_chosen_moves(resident, early, name):
    result = personalise(resident, early, Options(train=name, **QUICK))
    network = resident.apply(result.package)
    start = compact(resident.backbone, resident.groups, resident.masks(result.package))
    state = dict(start.named_parameters())
    moved = {key for key, p in network.named_parameters() if not torch.equal(p, state[key])}
    layers = {key.partition(".parametrizations")[0] for key in result.trained}
    assert moved
    assert all(key in result.trained or key.removesuffix(".weight") in layers for key in moved)
    assert result.values > 0
    assert 0.5 < result.operations <= 0.6
    assert result.step_operations < 0.8


def test_the_names_of_each_choice(resident, early):
    def trained(**options):
        return set(personalise(resident, early, Options(**{**QUICK, "steps": 1, "rounds": 1, **options})).trained)

    every = {name for name, _ in resident.backbone.named_parameters()}
    assert trained(train="all") == every
    assert trained(train="last", last=1) == {"classifier.weight", "classifier.bias"}
    block = {f"features.6.{part}" for part in ("0.weight", "1.weight", "1.bias")}
    assert trained(train="last", last=2) == block | {"classifier.weight", "classifier.bias"}
    assert trained(train="norms") == {name for name in every if ".1." in name.replace("features.1", "features")}
    assert trained(train="biases") == {name for name in every if name.endswith(".bias")}
    with pytest.raises(LbtError, match=r"last: found 9; accepted: 1 to 6"):
        trained(train="last", last=9)


def test_budgets_bind_what_is_chosen(resident, early):
    free = personalise(resident, early, Options(train="auto", **QUICK))
    tight = personalise(resident, early, Options(train="auto", **{**QUICK, "memory": int(0.8 * free.peak)}))
    assert tight.peak <= 0.8 * free.peak
    assert set(tight.trained) < set(free.trained)
    small = personalise(resident, early, Options(train="auto", **{**QUICK, "package": 0.05}))
    assert small.package.size() <= 0.05 * resident.bytes()
    with pytest.raises(LbtError, match=r"memory: all needs [\d,]+ bytes a step, 1,000 are given"):
        personalise(resident, early, Options(train="all", **{**QUICK, "memory": 1000}))
    with pytest.raises(LbtError, match=r"auto: no parameter fits"):
        personalise(resident, early, Options(train="auto", **{**QUICK, "memory": 1000}))


def test_low_bits_need_a_fraction_of_the_memory(early):
    peaks = [personalise(Resident(network(recipe), SHAPE), early, Options(train=train, **QUICK)).peak
             for recipe, train in (("fp32", "all"), ("int8", "all"), ("int8", "biases"))]  # fmt: skip
    assert peaks[0] > 1.4 * peaks[1]
    assert peaks[1] > 1.4 * peaks[2]


@pytest.mark.parametrize("recipe", ["wageubn"])
def test_the_same_arguments_give_the_same_bytes(early, recipe):
    packages = []
    for _ in range(2):
        resident = Resident(network(recipe), SHAPE)
        for _ in packages:  # what the backbone did before does not matter
            resident.backbone.train()(early.images)
            resident.backbone.load_state_dict(network(recipe).state_dict())
            resident.backbone.eval()
        packages.append(personalise(resident, early, Options(**QUICK)).package)
        assert identity(resident.backbone) == resident.identity
    assert packages[0].header == packages[1].header
    assert all(torch.equal(blob, packages[1].blobs[name]) for name, blob in packages[0].blobs.items())


def test_gradients_are_in_the_recipes_numbers(resident, early):
    """int8 ends in other weights than a network whose weights alone are int8: errors and gradients are rounded."""
    recipe = resident.backbone.lbt.recipe
    plain = Resident(quantize(_float(), recipe.model_copy(update={"E": None, "G": None})), SHAPE)
    packages = [
        personalise(one, early, Options(**QUICK)).package
        for one in (Resident(quantize(_float(), recipe), SHAPE), plain)
    ]
    assert not torch.equal(packages[0].blobs["codes"], packages[1].blobs["codes"])


def _float():
    from lbt.models import build

    return build("digit_cnn", 3, 1)


def test_without_labels_and_masks_the_statistics_are_the_package(resident, people):
    early = person(people, "bob", 0).early
    result = personalise(resident, early, Options(masks=None, package=None))
    names = [list(resident.state)[entry[0]] for entry in result.package.header.entries]
    assert result.trained == ()
    assert {name.rpartition(".")[2] for name in names} == {"running_mean", "running_var"}
    assert result.operations == 1
    assert personalise(resident, early, Options(**QUICK)).trained  # under masks it learns from its own predictions


def test_statistics_are_those_of_the_images(resident, early):
    package = personalise(resident, early, Options(masks=None, steps=0)).package
    network = resident.apply(package)
    norm = network.get_submodule("features.0.1")
    inner = network.get_submodule("features.0.0")(early.images).detach()
    assert norm.running_mean == pytest.approx(inner.mean((0, 2, 3)), abs=1e-3)


def test_scaled_steps_on_codes_are_plain_steps_on_weights():
    """Quantization-aware scaling (arXiv 2206.15472): its step on W̄ = W/s is lbt's step on W."""
    layer = quantize(torch.nn.Sequential(torch.nn.Linear(6, 4, bias=False)), "fp32")
    start, x = layer[0].weight.detach().clone(), torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    trainer = optimizer(layer, lr=0.1, momentum=0.0)
    layer(x).square().sum().backward()
    trainer.step()
    s = 0.0123
    codes = (start / s).requires_grad_()
    (x @ (s * codes).T).square().sum().backward()
    scaled = codes.detach() - 0.1 * codes.grad / s**2
    assert torch.allclose(s * scaled, layer[0].weight, atol=1e-5)


@pytest.mark.parametrize(
    ("gain", "before", "after", "refused"),
    [(0.1, 0, 0, False), (-0.1, 0, 0, True), (-0.1, 3, 5, False), (0.1, 5, 4, True), (float("nan"), 2, 2, True)],
)
def test_labels_overrule_the_unlabelled_evidence(gain, before, after, refused):
    assert UserVerdict(Verdict(gain, 0.0), before, after, 8).refused == refused


def test_a_backbone_that_is_nearly_always_right_is_not_contradicted():
    """Backbone certain and right on all labels: at most nothing to gain, so that a tenth of changes is too much."""
    start = torch.eye(2)[torch.arange(20) % 2] * 0.98 + 0.01
    labels = torch.full((20,), -1)
    labels[:10] = torch.arange(10) % 2
    changed = start.clone()
    changed[-2:] = changed[-2:].flip(1)
    accuracy = (10 + PRIOR * 0.99) / (10 + PRIOR)
    assert most_gain(start, changed, labels) == pytest.approx(2 * (1 - accuracy) - 0.1)
    assert most_gain(start, start, labels) > 0
    assert UserVerdict(Verdict(0.1, 0.0), 5, 5, 8, most=-0.09).refused
    assert not UserVerdict(Verdict(0.1, 0.0), 5, 6, 8, most=-0.09).refused
    unsure = torch.full((20, 2), 0.5)
    unsure[:, 0] += 0.01
    assert most_gain(unsure, changed, torch.full((20,), -1)) == pytest.approx(2 * 0.49 - 0.5)


@pytest.mark.parametrize("seed", range(3))
def test_the_bound_on_the_gain_holds(seed):
    """With the accuracy known, no pair of networks gains more than the bound."""
    random = torch.Generator().manual_seed(seed)
    truth, first, second = (torch.randint(3, (200,), generator=random) for _ in range(3))
    first = torch.where(torch.rand(200, generator=random) < 0.7, truth, first)
    accuracy = (first == truth).double().mean()
    gain = (second == truth).double().mean() - accuracy
    assert gain <= 2 * (1 - accuracy) - (first != second).double().mean() + 1e-9


def test_a_quarter_of_the_labels_is_kept_back():
    labels = torch.tensor([0] * 8 + [1] * 3 + [2] * 4 + [-1] * 5)
    kept = kept_back(labels)
    assert [int(kept[labels == label].sum()) for label in (0, 1, 2, -1)] == [2, 0, 1, 0]


def test_operations_are_those_of_the_network_that_serves(resident, early):
    result = personalise(resident, early, Options(**QUICK))
    small = resident.apply(result.package)
    assert result.operations == work(small, SHAPE, "int8") / work(resident.backbone, SHAPE, "int8")
