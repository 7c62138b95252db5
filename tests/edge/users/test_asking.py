"""Questions while the stream runs: the budget against a plain reference, the criteria by hand, and the stream."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from lbt.edge.users.asking import ask
from lbt.edge.users.budget import WINDOW, Budget
from lbt.edge.users.options import Asking, Options
from lbt.edge.users.people import person
from lbt.edge.users.questions import QUESTIONS, Look

QUICK = Options(steps=2, rounds=2, batch=8, package=None)


def test_a_stream_by_hand():
    """Two questions for five images: rates 2/5, 2/4, 1/3, 1/2, 0."""
    budget = Budget(questions=2, period=5)
    # shares of the images so far that are worth more: 0.9·1/1, 0, 2/3, 0, 0; the first waits, the second is asked
    asked = [budget.ask(worth, draw) for worth, draw in [(0.1, 0.9), (0.5, 0.0), (0.3, 0.0), (0.7, 0.0), (0.9, 0.0)]]
    assert asked == [False, True, False, True, False]
    assert budget.ask(0.2, 0.0) is False  # a new period at 2/5 again: four of six are worth more
    assert budget.ask(1.0, 0.5) is True


def reference(worths, draws, questions, period):
    """The rule of the module, naively, with all worths in a list."""
    chosen = []
    for t, (worth, draw) in enumerate(zip(worths, draws, strict=True)):
        first = t - t % period
        rate = (questions - sum(chosen[first:])) / (period - (t - first))
        window = worths[max(0, t + 1 - WINDOW) : t + 1]
        p = (sum(w > worth for w in window) + draw * sum(w == worth for w in window)) / len(window)
        chosen.append(bool(p < rate))
    return chosen


@pytest.mark.parametrize(("questions", "period"), [(0, 7), (3, 50), (50, 50), (9, 4), (20, 333)])
def test_the_budget_is_the_reference_and_is_spent(questions, period):
    random = np.random.default_rng(questions)
    worths, draws = random.choice(40, 1000).tolist(), random.random(1000).tolist()
    budget = Budget(questions, period)
    found = [budget.ask(worth, draw) for worth, draw in zip(worths, draws, strict=True)]
    assert found == reference(worths, draws, questions, period)
    for first in range(0, 1000 - period + 1, period):
        assert sum(found[first : first + period]) == min(questions, period)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e6])
def test_questions_are_spread_evenly_whatever_the_scale(scale):
    """Equal worths too: the halves of a stream get about half of the questions each."""
    random = np.random.default_rng(1)
    budget = Budget(100, 1000)
    found = [budget.ask(scale * worth, draw) for worth, draw in random.random((1000, 2)).tolist()]
    assert 38 <= sum(found[:500]) <= 62
    assert 14 <= sum(found[:250]) <= 36


def test_the_worthiest_are_asked_also_when_worths_drift():
    random = np.random.default_rng(2)
    worths = random.random(1000) + np.linspace(0, 5, 1000)
    budget = Budget(100, 1000)
    found = np.array([budget.ask(worth, draw) for worth, draw in zip(worths, random.random(1000), strict=True)])
    residual = worths - np.linspace(0, 5, 1000)
    assert found.sum() == 100
    assert residual[found].mean() > residual.mean() + 0.2


def look(personal, backbone=(0.5, 0.5), feature=(1.0, 0.0), asked=(), draw=0.25):
    vectors = (torch.tensor(values, dtype=torch.float) for values in (personal, backbone, feature))
    return Look(*vectors, torch.tensor(asked, dtype=torch.float).reshape(-1, 2), draw)


def test_criteria_by_hand():
    worth = {name: QUESTIONS.load(name).worth for name in QUESTIONS.names()}
    assert worth["random"](look((0.9, 0.1))) == 0.25
    assert worth["margin"](look((0.2, 0.7, 0.1))) == pytest.approx(0.5)
    assert worth["disagreement"](look((0.9, 0.1), (0.3, 0.7))) == pytest.approx(0.6)
    assert worth["coverage"](look((0.9, 0.1))) == 1.0
    assert worth["coverage"](look((0.9, 0.1), asked=[(0.0, 2.0), (3.0, 3.0)])) == pytest.approx(1 - 0.5**0.5)


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_a_stream_asks_for_what_it_may(resident, people, name):
    user = person(people, "bob", 0)
    found = ask(resident, user.early, user.answers, Asking(ask=5, questions=name), QUICK)
    assert len(found.images) == found.answered == 5
    assert list(found.images) == sorted(set(found.images))
    known = found.early.labels >= 0
    assert known.nonzero().flatten().tolist() == list(found.images)
    assert torch.equal(found.early.labels[known], user.answers[known])
    assert not (user.early.labels >= 0).any()  # the user's own data stay as they are
    assert resident.network is resident.backbone


def test_only_asked_answers_matter(resident, people):
    """Answers that were not asked for can be anything: the device does not look at them."""
    user, asking = person(people, "bob", 0), Asking(ask=4, ask_updates=2)
    found = ask(resident, user.early, user.answers, asking, QUICK)
    other = torch.full_like(user.answers, 1)
    other[list(found.images)] = user.answers[list(found.images)]
    again = ask(resident, user.early, other, asking, QUICK)
    assert again.images == found.images
    assert torch.equal(again.early.labels, found.early.labels)


def test_known_labels_are_not_asked_and_a_missing_answer_costs(resident, people):
    user = person(people, "bob", 2)
    found = ask(resident, user.early, user.answers, Asking(ask=100), QUICK)
    assert len(found.images) == 15 - 6
    silent = ask(resident, user.early, torch.full_like(user.answers, -1), Asking(ask=4), QUICK)
    assert (len(silent.images), silent.answered) == (4, 0)
    assert torch.equal(silent.early.labels, user.early.labels)


def test_the_command_asks(people, tmp_path):
    from .test_run import QUICK as RUN
    from .test_run import lbt, write

    table = write(people, tmp_path)
    arguments = [*RUN, "--user", "bob", "--labels", 0, "--ask", 4, "--questions", "disagreement"]
    found = lbt(table, "--out", tmp_path / "out", *arguments)
    assert "4 of 4 questions answered" in found.output
    score = json.loads(next((tmp_path / "out").glob("*-bob.json")).read_text())
    assert (score["labels"], score["asked"], score["answered"]) == (0, 4, 4)
