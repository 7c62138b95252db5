"""Domains that are blended from the user's own images."""

from __future__ import annotations

import numpy as np
import pytest

from lbt.data import DomainSpec, load_domain
from lbt.params import Params
from lbt.pipeline.stages.data import jobs


@pytest.fixture
def digits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    parts = {f"x_{part}": generator.integers(0, 256, (40, 28, 28), np.uint8) for part in ("train", "test")}
    np.savez("digits.npz", **parts, **{f"y_{part}": np.arange(40) % 10 for part in ("train", "test")})
    return "digits.npz"


def test_the_split_and_the_labels_are_the_files_own(digits):
    plain = load_domain(DomainSpec(kind="arrays", path=digits))
    blended = load_domain(DomainSpec(kind="blended", path=digits))
    for (_, one), (_, other) in zip(plain.items(), blended.items(), strict=True):
        assert np.array_equal(one.labels, other.labels)
        assert other.pixels.shape == (*one.pixels.shape[:3], 3)
    again = load_domain(DomainSpec(kind="blended", path=digits))
    assert np.array_equal(again.train.pixels, blended.train.pixels)
    other_seed = load_domain(DomainSpec(kind="blended", path=digits, seed=1))
    assert not np.array_equal(other_seed.train.pixels, blended.train.pixels)


def test_a_black_digit_is_the_photo_and_a_white_one_its_negative(digits):
    arrays = {"x_train": np.zeros((20, 28, 28), np.uint8), "y_train": np.arange(20) % 10}
    arrays["x_test"], arrays["y_test"] = np.full((20, 28, 28), 255, np.uint8), np.arange(20) % 10
    np.savez("digits.npz", **arrays)
    splits = load_domain(DomainSpec(kind="blended", path=digits))
    assert splits.train.pixels.std() > 10
    assert splits.test.pixels.std() > 10


def test_the_job_depends_on_the_file_and_a_missing_path_is_one_line(digits):
    params = Params.model_validate({"data": {"domains": {"mine": {"kind": "blended", "path": digits}}}})
    assert next(iter(jobs(params, {}))).files == (digits,)
    with pytest.raises(ValueError, match="kind blended needs a path in the workspace"):
        load_domain(DomainSpec(kind="blended"))
