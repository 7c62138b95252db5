"""Class frequencies are found without labels, and batches are balanced by them."""

from __future__ import annotations

import pytest
import torch

from lbt.adapt.params import AdaptParams
from lbt.adapt.prior import Balance, estimate, given_shares
from lbt.errors import LbtError

SHARES = torch.tensor([0.6, 0.2, 0.1, 0.1])


def predictions(count: int = 4000, right: float = 0.85) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels with frequencies :data:`SHARES`, and calibrated probabilities of a network trained on equal classes."""
    g = torch.Generator().manual_seed(0)
    labels = torch.multinomial(SHARES, count, True, generator=g)
    confusion = torch.full((4, 4), (1 - right) / 3).fill_diagonal_(right)
    seen = torch.multinomial(confusion[labels], 1, generator=g).flatten()  # what the network takes an image for
    return labels, confusion.T[seen]


def test_the_estimate_corrects_the_histogram_of_predictions() -> None:
    _, probabilities = predictions()
    found = estimate(probabilities)
    histogram = torch.bincount(probabilities.argmax(1), minlength=4) / len(probabilities)
    assert (found - SHARES).abs().sum() < 0.05
    assert (histogram - SHARES).abs().sum() > 0.1
    assert float(found.sum()) == pytest.approx(1)


def test_batches_of_an_uneven_target_are_balanced() -> None:
    labels, _ = predictions()
    probabilities = torch.eye(4)[labels] * 0.97 + 0.0075
    balance = Balance(probabilities)
    assert not balance.even
    drawn = torch.cat([balance.indices(32, 0, "target", step) for step in range(200)])
    share = torch.bincount(labels[drawn], minlength=4) / len(drawn)
    assert (share - 0.25).abs().max() < 0.03
    assert (balance.mix - 0.25).abs().max() < 0.04
    assert torch.equal(balance.indices(32, 0, "target", 7), balance.indices(32, 0, "target", 7))


def test_an_absent_class_does_not_fill_the_batches_with_mistakes() -> None:
    labels = torch.tensor([0] * 50 + [1] * 49 + [2])  # one mistake for class 2, none for class 3
    balance = Balance(torch.eye(4)[labels] * 0.999 + 0.00025)
    drawn = torch.cat([balance.indices(32, 0, "target", step) for step in range(100)])
    assert float((labels[drawn] == 2).float().mean()) < 0.15


def test_an_even_target_is_seen_in_whole_epochs() -> None:
    balance = Balance(torch.eye(4)[torch.arange(64) % 4])
    assert balance.even
    epoch = torch.cat([balance.indices(16, 0, "target", step) for step in range(4)])
    assert sorted(epoch.tolist()) == list(range(64))
    assert torch.equal(balance.mix, torch.full((4,), 0.25))


def test_new_predictions_count_at_the_next_refresh_and_ride_in_a_checkpoint() -> None:
    first = Balance(torch.eye(4)[torch.arange(64) % 4])
    first.see(torch.arange(64), torch.eye(4)[torch.zeros(64, dtype=torch.long)])
    assert first.even
    first.refresh()
    assert not first.even
    second = Balance(torch.eye(4)[torch.arange(64) % 4])
    second.load(first.state())
    assert torch.equal(second.indices(16, 3, "target", 5), first.indices(16, 3, "target", 5))


def test_shares_that_the_user_knows() -> None:
    classes = ("cat", "dog")
    assert torch.equal(given_shares({"dog": 3, "cat": 1}, classes), torch.tensor([0.25, 0.75]))
    with pytest.raises(LbtError, match=r"class_shares.*'dgo'.*did you mean 'dog'"):
        given_shares({"dgo": 1, "cat": 1}, classes)
    with pytest.raises(LbtError, match="no share of 'dog'"):
        given_shares({"cat": 1}, classes)
    assert AdaptParams.model_validate({"class_shares": "equal"}).class_shares == "equal"
