"""Free scores: against naive references, and what they leave alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from lbt.models import build
from lbt.nas.free_scores import NAMES, free_scores, rank_sum


def test_scores_leave_the_network_alone_and_are_finite():
    network, images = build("digit_cnn", 4, 1), torch.randn(8, 1, 16, 16)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    one, other = free_scores(network, images), free_scores(network, images)
    assert one == other
    assert set(one) == set(NAMES)
    assert np.isfinite(list(one.values())).all()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_synflow_and_nwot_of_a_network_by_hand():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 2, bias=False))
    images = torch.randn(5, 1, 2, 2)
    found = free_scores(network, images)
    first, last = (layer.weight.detach().double().abs() for layer in (network[1], network[3]))
    through = float((last @ first).sum())  # each of the two layers carries all of it
    assert np.isclose(found["synflow"], np.log(2 * through))
    on = (network[:2](images) > 0).numpy()
    kernel = np.array([[(a == b).mean() for b in on] for a in on])
    assert np.isclose(found["nwot"], np.linalg.slogdet(kernel + 1e-3 * np.eye(5))[1])


def test_ranks_add_up():
    scores = [dict.fromkeys(NAMES, value) for value in (3.0, 1.0, 2.0)]
    np.testing.assert_allclose(rank_sum(scores), [1.0, 1 / 3, 2 / 3])
