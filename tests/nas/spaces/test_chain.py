"""Chains: rows, canonical form, encoding, builder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lbt.errors import LbtError
from lbt.models import build
from lbt.nas.space import load
from lbt.nas.spaces.chain import DEPTHS, HAND_MADE, SPACE, STAGE, ChainSpace

ROWS = SPACE.sample(150, 0)


def test_sampling_follows_the_seed_and_a_line_gives_a_row_of_the_same_network():
    assert (SPACE.sample(150, 0) == ROWS).all()
    for row in ROWS:
        text = SPACE.format(row)
        assert SPACE.key(SPACE.parse(text)) == text == SPACE.key(row)


def test_dead_choices_count_once():
    row = ROWS[0].copy()
    row[2 + STAGE.index(DEPTHS)] = 0  # the first stage is not there: whatever else it says is dead
    keys = set()
    for block in range(len(STAGE[0])):
        row[2] = block
        keys.add(SPACE.key(row))
    assert len(keys) == 1


def test_neighbouring_stages_that_are_one_have_one_key():
    twice = SPACE.parse("chain 16s2 conv3w32d2 conv3w64d1")
    assert SPACE.key(twice) == "chain 16s2 conv3w32d2 conv3w64d1"
    row = twice.copy()
    row[2:12] = np.tile(row[2:7], 2)  # the first stage twice
    row[2 + STAGE.index(DEPTHS)] = row[7 + STAGE.index(DEPTHS)] = 1
    row[12:17], row[17:22] = twice[7:12], 0
    assert SPACE.key(row) == SPACE.key(twice)


def test_images_are_not_halved_below_the_smallest():
    small = ChainSpace(16)
    for row in small.sample(100, 1):
        network = small.network(row)
        halvings = (network.stem.stride == 2) + sum(stage.down != "none" for stage in network.stages)
        assert 16 >> halvings >= small.smallest


def test_equal_networks_have_equal_vectors_and_others_other_ones():
    vectors = SPACE.vector(ROWS)
    same = SPACE.vector(np.array([SPACE.parse(SPACE.key(row)) for row in ROWS]))
    np.testing.assert_array_equal(vectors, same)
    assert len(np.unique(vectors, axis=0)) == len({SPACE.key(row) for row in ROWS})


def test_the_vector_counts_the_products_of_the_convolutions():
    network = build(HAND_MADE, 10, 3)
    convolutions = sum(p.numel() for p in network.features.parameters() if p.ndim == 4)
    assert SPACE.vector(SPACE.parse(HAND_MADE))[0, -2] == pytest.approx(np.log10(convolutions) / 6)


@pytest.mark.parametrize("row", ROWS[:6], ids=SPACE.format)
def test_a_network_of_the_space_is_built(row):
    found = build(SPACE.format(row), 4, 1)(torch.zeros(2, 1, 32, 32))
    assert found.shape == (2, 4)


def test_the_hand_made_network_is_in_the_space_bit_by_bit():
    one, other = build(HAND_MADE, 10, 3, seed=4), build("digit_cnn", 10, 3, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    torch.testing.assert_close(one.eval()(torch.ones(1, 3, 32, 32)), other.eval()(torch.ones(1, 3, 32, 32)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("chain 17s2", "accepted: 8, 16"),
        ("chain 8s2 conv3w33d1", "accepted: 16, 24"),
        ("chain 8s2 conv3w16d1p2 conv3w16d1p2 conv3w16d1p2", "below 4"),
        ("chain 8s2 conv3w16d1 conv3w24d1 conv3w16d1 conv3w24d1 conv3w16d1", "5 stages"),
        ("chain 8x", "a stem such as"),
    ],
)
def test_a_network_outside_the_space_is_refused(text, words):
    with pytest.raises(LbtError, match=words):
        SPACE.parse(text)


def test_a_chain_is_no_cell():
    with pytest.raises(LbtError, match="no cells; accepted: nasbench201"):
        load("chain")


def test_a_narrower_row_keeps_all_but_the_widths() -> None:
    row = SPACE.parse(HAND_MADE)
    assert SPACE.key(SPACE.narrower(row, 0)) == HAND_MADE
    assert SPACE.key(SPACE.narrower(row, 1)) == "chain 24s2 conv3w24d1 conv3w48d2p2 conv3w96d1p2"
    assert SPACE.key(SPACE.narrower(row, 9)) == "chain 8s2 conv3w16d1 conv3w16d2p2 conv3w16d1p2"
