"""Splits by user and by time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbt.data import DomainSpec, load_domain
from lbt.data.grouped import by_time, by_user, grouped
from lbt.data.splits import divide
from lbt.errors import LbtError

PEOPLE = st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 6)), min_size=1, max_size=60)


def owners(users: list[str], part: np.ndarray) -> set[str]:
    return {users[n] for n in part}


@given(PEOPLE)
def test_no_user_is_in_two_parts(people: list[tuple[int, int]]) -> None:
    labels, users = np.array([label for label, _ in people]), [f"u{user}" for _, user in people]
    parts = by_user(labels, users, 0.15)
    if parts is None:
        return
    assert sorted(np.concatenate(parts)) == list(range(len(people)))
    train, validation, test = (owners(users, part) for part in parts)
    assert len(train) + len(validation) + len(test) == len(set(users))
    assert train
    assert validation
    assert test
    known = set(labels[labels >= 0].tolist())
    assert known <= set(labels[parts[0]].tolist())  # train has every class
    for part in parts[1:]:
        assert not known or (labels[part] >= 0).any()


def test_the_parts_of_many_users_are_near_their_shares() -> None:
    users = [f"u{n % 40}" for n in range(4000)]
    sizes = [len(part) for part in by_user(np.arange(4000) // 40 % 3, users, 0.15)]
    assert sizes == [2800, 600, 600]


def test_few_users_and_users_with_a_class_of_their_own() -> None:
    labels = np.array([0, 1] * 10)
    assert by_user(labels, ["a", "b"] * 10, 0.15) is None
    own = np.array([0, 0, 1, 1, 2, 2])
    assert by_user(own, ["a", "a", "b", "b", "c", "c"], 0.15) is None  # each has a class that the others lack
    most = ["a"] * 14 + ["b", "b", "c", "c", "d", "d"]
    assert owners(most, by_user(labels, most, 0.15)[0]) >= {"a"}


@given(st.lists(st.tuples(st.integers(-1, 1), st.integers(0, 9)), min_size=1, max_size=60))
def test_later_images_are_tested(images: list[tuple[int, int]]) -> None:
    labels, times = np.array([label for label, _ in images]), [float(time) for _, time in images]
    parts = by_time(labels, times, 0.15)
    if parts is None:
        return
    assert sorted(np.concatenate(parts)) == list(range(len(images)))
    train, validation, test = ([times[n] for n in part] for part in parts)
    assert max(train) < min(validation)
    assert max(validation) < min(test)


def test_the_shares_of_times() -> None:
    parts = by_time(np.arange(100) % 2, [float(n) for n in range(100)], 0.15)
    assert [len(part) for part in parts] == [70, 15, 15]
    assert min(parts[2]) == 85
    assert by_time(np.arange(100) // 50, [float(n) for n in range(100)], 0.15) is not None
    assert by_time(np.arange(100) // 90, [float(n) for n in range(100)], 0.15) is None  # train would lack class 1
    assert by_time(np.arange(100) % 2, [5.0] * 100, 0.15) is None


def test_what_is_asked_for_and_what_is_not_possible() -> None:
    labels = np.arange(60) % 2
    columns = {"user": [f"u{n % 6}" for n in range(60)], "time": [float(n) for n in range(60)]}
    assert grouped(labels, columns, None, 0.15, "mine").origin == "lbt's, by user"
    assert grouped(labels, columns, "time", 0.15, "mine").origin == "lbt's, by time"
    plain = grouped(labels, columns, "image", 0.15, "mine")
    assert all((a == b).all() for a, b in zip(plain.parts, divide(labels, 0.15, 0.15), strict=True))
    assert plain.notes == ()
    columns["user"][3] = None
    by_itself = grouped(labels, columns, None, 0.15, "mine")
    assert by_itself.origin == "lbt's, by time"
    assert by_itself.notes == ("mine: no split by user: not every image has one; a user may be in more than one part",)
    with pytest.raises(LbtError, match="mine: split_by: no split by user: not every image has one"):
        grouped(labels, columns, "user", 0.15, "mine")
    with pytest.raises(LbtError, match="split_by: no split by user: three parts need 3 users, and train a user with"):
        grouped(labels, {"user": ["a", "b"] * 30}, "user", 0.15, "mine")


def test_a_domain_is_split_by_its_users_and_times(workspace: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    held = {"images": pixels, "labels": np.arange(60) % 2}
    np.savez("mine.npz", **held, user=[f"u{n // 5}" for n in range(60)])
    splits = load_domain(DomainSpec(kind="arrays", path="mine.npz"))
    seen = [set(images.columns["user"]) for _, images in splits.items()]
    assert sum(map(len, seen)) == 12
    assert splits.notes == ()
    mixed = load_domain(DomainSpec(kind="arrays", path="mine.npz", split_by="image"))
    assert set(mixed.test.columns["user"]) & set(mixed.train.columns["user"])
    np.savez("mine.npz", **held, time=np.arange(60.0)[::-1])
    splits = load_domain(DomainSpec(kind="arrays", path="mine.npz"))
    assert min(splits.test.columns["time"]) > max(splits.validation.columns["time"])
    assert min(splits.validation.columns["time"]) > max(splits.train.columns["time"])
