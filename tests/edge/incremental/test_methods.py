"""Methods against naive references and the properties that their papers state."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from lbt.data.inputs import to_input
from lbt.edge.incremental.cut import choose, cuts, joined, tapped
from lbt.edge.incremental.options import METHODS
from lbt.errors import LbtError
from lbt.hardware.trace import trace
from lbt.models import build

from .conftest import SHAPE, bars, job, learner

IMAGES, LABELS = to_input(bars(24, 1).pixels), torch.arange(24) % 3


def feed(made, steps: range, classes: tuple[int, ...] = (0, 1, 2)) -> list[torch.Tensor]:
    """Batches of 8 images of some classes; the answers."""
    mine = torch.isin(LABELS, torch.tensor(classes)).nonzero().flatten()
    answers = []
    for step in steps:
        made.begin(step)
        chosen = mine[(torch.arange(8) + 8 * step) % len(mine)]
        answers.append(made.adapt(IMAGES[chosen], LABELS[chosen], step))
    return answers


@pytest.mark.parametrize("recipe", ["fp32", "int8"])
@pytest.mark.parametrize("method", METHODS.names())
def test_every_method_learns_and_goes_on_from_its_state(method, recipe):
    made, again = learner(method, recipe), learner(method, recipe)
    made.begin_task(0)
    before = {name: p.detach().clone() for name, p in made.named_parameters().items()}
    feed(made, range(2), (0, 1))
    assert any(not torch.equal(p, before[name]) for name, p in made.named_parameters().items())
    state = made.state()
    again.load({**state, "networks": {k: {n: t.clone() for n, t in v.items()} for k, v in state["networks"].items()},
                "extra": {k: t.clone() for k, t in state["extra"].items()}})  # fmt: skip
    for one in (made, again):
        one.begin_task(1)
    for mine, other in zip(feed(made, range(2, 4)), feed(again, range(2, 4)), strict=True):
        assert torch.equal(mine, other)
    for name, tensor in made.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name


def test_classes_without_a_label_so_far_are_closed():
    made = learner("finetune")
    first, second, third = (*feed(made, range(2), (0, 1)), made.predict(IMAGES))
    assert (first > 0).all()  # nothing is known yet
    assert (second[:, 2] == 0).all()
    assert (third[:, 2] == 0).all()
    assert torch.allclose(third.sum(1), torch.ones(24))
    feed(made, range(2, 3), (2,))
    assert (made.predict(IMAGES)[:, 2] > 0).all()


def test_finetune_is_plain_cross_entropy():
    made, twin = learner("finetune", given={"lr": 0.1}, augmentation="none"), learner("finetune")
    feed(made, range(1))
    twin.train_mode()
    F.cross_entropy(twin.network(IMAGES[:8]), LABELS[:8]).backward()
    for (name, mine), (_, p) in zip(made.named_parameters().items(), twin.named_parameters().items(), strict=True):
        assert torch.allclose(mine, p - 0.1 * p.grad, atol=1e-5), name


def test_ewc_against_a_naive_reference():
    made = learner("ewc", given={"strength": 3.0, "fisher_every": 1, "statistics": "kept"}, augmentation="none")
    made.begin_task(0)
    start = {name: p.detach().clone() for name, p in made.named_parameters().items()}
    made.begin(0)
    made.adapt(IMAGES[:8], LABELS[:8], 0)
    twin = learner("ewc", given={"statistics": "kept"})
    F.cross_entropy(twin.network(IMAGES[:8]), LABELS[:8]).backward()
    fisher = {name: 8 * p.grad.square() for name, p in twin.named_parameters().items()}
    assert all(torch.equal(p, start[name]) for name, p in twin.named_parameters().items())
    made.begin_task(1)
    anchor = {name: p.detach().clone() for name, p in made.named_parameters().items()}
    assert made.penalty().item() == 0.0
    with torch.no_grad():
        for p in made.named_parameters().values():
            p += 0.01
    expected = sum(
        (3.0 * fisher[name]).clamp(max=100.0).mul((p.detach() - anchor[name]).square()).sum() / 2
        for name, p in made.named_parameters().items()
    )
    assert made.penalty().item() == pytest.approx(expected.item(), rel=1e-3)


def test_ewc_does_not_diverge_at_any_strength():
    made = learner("ewc", given={"strength": 1e9, "momentum": 0.9, "updates": 4})
    for number, classes in enumerate([(0, 1), (2,)]):
        made.begin_task(number)
        feed(made, range(2 * number, 2 * number + 2), classes)
    assert made.predict(IMAGES).isfinite().all()


def test_lwf_agrees_with_the_old_network_about_what_it_knew():
    made = learner("lwf", given={"strength": 2.0, "temperature": 3.0}, augmentation="none")
    made.begin_task(0)
    feed(made, range(1), (0, 1))
    made.begin_task(1)
    old = {name: tensor.clone() for name, tensor in made.network.state_dict().items()}
    made.extra["seen"] = torch.tensor([True, True, True])
    third = IMAGES[LABELS == 2]
    made.train_mode()
    found = made.loss(third, torch.full((8,), 2), (1, 0))
    assert all(torch.equal(old[name], tensor) for name, tensor in made.old.state_dict().items())
    made.old.eval()
    z_old, z = made.old(third)[:, :2], made.network(third)
    p = (z_old / 3).softmax(1)
    distance = (p * (p.log() - (z[:, :2] / 3).log_softmax(1))).sum(1).mean()
    expected = F.cross_entropy(z, torch.full((8,), 2)) + 2 * 9 * distance
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("recipe", ["fp32", "int8"])
def test_the_front_of_latent_replay_never_moves(recipe):
    made = learner("latent_replay", recipe, given={"budget": "4kB"})
    front = {name: t.clone() for name, t in made.network.state_dict().items() if name.startswith("features.0")}
    back = made.network.state_dict()["classifier.weight"].clone()
    feed(made, range(3))
    state = made.network.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in front.items())
    assert not torch.equal(back, state["classifier.weight"])
    assert made.held_bytes() <= 4000 + 3  # and a flag for each class


def test_joint_keeps_everything_and_replay_its_budget():
    joint, replay = learner("joint"), learner("replay", given={"budget": 1000})
    for made in (joint, replay):
        feed(made, range(4))
    assert joint.examples() == 32
    assert replay.examples() == (1000 - 27) // 148
    assert replay.held_bytes() <= 1000 + 3
    assert learner("finetune").examples() is None


def test_stored_activations_enter_behind_the_cut():
    network = build("digit_cnn", 3, 1).eval()
    for name in cuts(trace(network, SHAPE)):
        module = dict(network.named_modules()).get(name)
        if module is None:
            continue
        with tapped(module) as seen:
            whole = network(IMAGES)
        with joined(module, seen[0][8:]):
            assert torch.allclose(network(IMAGES[:8]), whole, atol=1e-5), name


def test_cuts_leave_out_the_branches_of_a_residual_block():
    network = build("resnet20", 3, 3)
    found = cuts(trace(network, (3, 16, 16)))
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    network.eval()
    inner = [name for name, module in network.named_modules() if isinstance(module, torch.nn.Conv2d)]
    assert found
    assert len(set(inner) & set(found)) < len(inner) / 2
    for name in list(found)[:: max(1, len(found) // 5)]:
        if (module := dict(network.named_modules()).get(name)) is not None:
            with tapped(module) as seen:
                whole = network(images)
            with joined(module, seen[0][2:]):
                assert torch.allclose(network(images[:2]), whole, atol=1e-4), name


def test_the_default_cut_has_half_of_the_work_in_front_and_two_layers_behind():
    network = build("digit_cnn", 10, 1)
    cut = choose(trace(network, (1, 32, 32)), network, None)
    assert cut.shape == (64, 4, 4)
    assert cut.name == "features.5"
    with pytest.raises(LbtError, match=r"features\.4.*features\.5"):
        choose(trace(network, (1, 32, 32)), network, "features.x")


def test_wrong_options_are_told_in_one_line():
    with pytest.raises(LbtError, match="budget: found 90 bytes"):
        learner("replay", given={"budget": 90})
    with pytest.raises(LbtError, match="budget"):
        job("finetune", given={"budget": "64kB"})
    with pytest.raises(LbtError, match="reservoir"):
        job("replay", given={"policy": "reservior"})
