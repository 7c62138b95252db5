"""A copied model is another network with noise of its own; a copy that stands for the model has the model's."""

from __future__ import annotations

import copy
import io

import torch
from torch import Tensor, nn

import lbt
from lbt.nn import freeze_ranges, optimizer, set_step, summary
from lbt.nn.context import context_of
from lbt.nn.copies import copied

NOISY = lbt.Recipe.model_validate({"W": "int8", "A": {"format": "int3", "rounding": "stochastic"}, "E": "int8"})
UPDATED = lbt.Recipe.model_validate(
    {"W": "int8", "U": {"format": "int8-pow2", "rounding": "stochastic"}, "update": {"master": "integer", "bits": 8}}
)
X = torch.randn(16, 6, generator=torch.Generator().manual_seed(0))


def model(recipe: lbt.Recipe = NOISY, seed: int = 0) -> nn.Module:
    torch.manual_seed(0)
    return lbt.quantize(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), recipe, seed=seed)


def output(of: nn.Module, step: int = 3) -> Tensor:
    set_step(of, step)
    return of(X).detach()


def test_a_teacher_draws_its_own_noise() -> None:
    student = model()
    before = output(student)
    teacher, second = copy.deepcopy(student), copy.deepcopy(student)
    grandchild = copy.deepcopy(teacher)
    assert [context_of(m, "test").stream for m in (student, teacher, second, grandchild)] == ["", "1", "2", "1.1"]
    assert torch.equal(output(student), before)
    found = [output(m) for m in (student, teacher, second, grandchild)]
    assert all(not torch.equal(a, b) for i, a in enumerate(found) for b in found[:i])
    # noise, not another network: independent errors of one size
    exact = copied(student, "test")
    for layer in (exact[0], exact[2]):
        layer.roles = layer.roles.model_copy(update={"A": None})
    errors = [(y - output(exact)).flatten() for y in found[:2]]
    assert abs(torch.corrcoef(torch.stack(errors))[0, 1]) < 0.6
    assert 0.5 < (errors[0].norm() / errors[1].norm()) < 2


def test_without_stochastic_rounding_a_copy_computes_the_same() -> None:
    student = model(lbt.Recipe.model_validate({"W": "int8", "A": "int8", "E": "int8"}))
    assert torch.equal(output(copy.deepcopy(student)), output(student))


def test_a_teacher_is_the_same_in_a_run_that_was_resumed() -> None:
    def steps(student: nn.Module, teacher: nn.Module, first: int, last: int) -> None:
        update = optimizer(student, lr=0.1, momentum=0.0)
        for step in range(first, last):
            set_step(student, step)
            set_step(teacher, step)
            update.zero_grad()
            (student(X) - teacher(X).detach()).square().sum().backward()
            update.step()
            for mine, other in zip(teacher.parameters(), student.parameters(), strict=True):
                mine.data.lerp_(other.data, 0.1)

    def made() -> tuple[nn.Module, nn.Module]:
        student = model()
        teacher = copy.deepcopy(student).requires_grad_(False)
        teacher[0].weight.data.add_(0.1)
        return student, teacher

    whole = made()
    steps(*whole, 0, 6)
    student, teacher = made()
    steps(student, teacher, 0, 3)
    saved = [{n: t.clone() for n, t in m.state_dict().items()} for m in (student, teacher)]
    again = made()
    summary(again[0])  # looks at a copy, which takes no stream
    for network, state in zip(again, saved, strict=True):
        network.load_state_dict(state)
    steps(*again, 3, 6)
    for a, b in zip(whole, again, strict=True):
        for name, tensor in a.state_dict().items():
            assert torch.equal(tensor, b.state_dict()[name]), name


def test_looking_at_a_model_moves_no_stream() -> None:
    student = model()
    before = output(student)
    assert torch.equal(output(copied(student, "test")), before)
    summary(student, X)
    lbt.cost(student, (6,), recipe=NOISY)
    freeze_ranges(copied(student, "test"), X)
    assert context_of(student, "test").copies == 0
    assert context_of(copy.deepcopy(student), "test").stream == "1"


def test_copies_inside_of_other_models_and_averages() -> None:
    outer = nn.ModuleDict({"body": model(), "head": nn.Linear(3, 2)})
    twin = copy.deepcopy(outer)
    average = torch.optim.swa_utils.AveragedModel(outer["body"])
    assert context_of(twin, "test").stream == "1"
    assert context_of(average, "test").stream == "2"
    assert twin["body"][0].context is context_of(twin, "test")
    for context, owner in ((context_of(outer, "test"), outer), (context_of(twin, "test"), twin)):
        owned = {id(p) for p in owner.parameters()}
        assert all(id(p) in owned for found in context.weights.values() for p in found)


def test_the_update_of_a_copy_draws_its_own_noise() -> None:
    first = model(UPDATED)
    second = copy.deepcopy(first)
    results = []
    for network in (first, second):
        update = optimizer(network, lr=0.001, momentum=0.9)
        for step in range(3):
            set_step(network, step)
            update.zero_grad()
            network(X).square().sum().backward()
            update.step()
        results.append(network[0].weight.detach())
    assert not torch.equal(*results)


def test_saving_a_whole_model_keeps_its_stream() -> None:
    student = copy.deepcopy(model())
    buffer = io.BytesIO()
    torch.save(student.state_dict(), buffer)
    fresh = copy.deepcopy(model())
    fresh.load_state_dict(torch.load(io.BytesIO(buffer.getvalue()), weights_only=True))
    assert torch.equal(output(fresh), output(student))
