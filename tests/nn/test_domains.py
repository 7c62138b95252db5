"""Statistics per domain: apart, in the state dict, in copies, and restored after an error."""

import copy

import pytest
import torch
from torch import nn

from lbt.errors import LbtError
from lbt.nn import domain, quantize, separate_statistics
from lbt.nn.norms import NORMS, build


def network(norm: str | None = None) -> nn.Module:
    bn = nn.BatchNorm2d(4)
    return nn.Sequential(nn.Conv2d(3, 4, 3), bn if norm is None else build(norm, bn), nn.ReLU())


def images(shift: float) -> torch.Tensor:
    return torch.randn(16, 3, 6, 6, generator=torch.Generator().manual_seed(0)) + shift


@pytest.mark.parametrize("norm", [None, *NORMS.names()])
def test_each_domain_has_its_own(norm: str | None) -> None:
    model = network(norm)
    separate_statistics(model, ["source", "target"])
    start = model[1].running_mean.clone()
    for _ in range(4):
        with domain(model, "source"):
            model(images(0.0))
        with domain(model, "target"):
            model(images(5.0))
    assert torch.equal(model[1].running_mean, start)
    with domain(model, "source"):
        source = model[1].running_mean.clone()
    with domain(model, "target"):
        target = model[1].running_mean.clone()
    assert not torch.allclose(source, target, atol=0.1)
    assert not torch.equal(source, start)


def test_same_as_two_networks() -> None:
    model = quantize(network(), "int8")
    alone = copy.deepcopy(model)
    separate_statistics(model, ["a", "b"])
    for shift in (0.0, 1.0):
        with domain(model, "a"):
            model(images(shift))
        with domain(model, "b"):
            model(images(9.0))
        alone(images(shift))
    with domain(model, "a"):
        assert torch.equal(model[1].running_mean, alone[1].running_mean)
        assert torch.equal(model[1].running_var, alone[1].running_var)
        assert model[1].num_batches_tracked == 2


def test_state_dict_and_deepcopy_carry_them() -> None:
    model = network()
    separate_statistics(model, ["a", "b"])
    with domain(model, "b"):
        model(images(3.0))
    other = network()
    separate_statistics(other, ["a", "b"])
    other.load_state_dict(model.state_dict())
    teacher = copy.deepcopy(model)
    with domain(model, "b"):
        expected = model[1].running_mean.clone()
        model(images(7.0))
    for copied in (other, teacher):
        with domain(copied, "b"):
            assert torch.equal(copied[1].running_mean, expected)


def test_nesting_and_errors_restore() -> None:
    model = network()
    separate_statistics(model, ["a", "b"])
    base = model[1].running_mean
    with domain(model, "a"):
        a = model[1].running_mean
        with domain(model, "b"):
            assert model[1].running_mean is not a
        assert model[1].running_mean is a
    with pytest.raises(ZeroDivisionError), domain(model, "a"):
        raise ZeroDivisionError
    assert model[1].running_mean is base


def test_calling_it_again_keeps_what_is_there() -> None:
    model = network()
    separate_statistics(model, ["a"])
    with domain(model, "a"):
        model(images(2.0))
        expected = model[1].running_mean.clone()
    separate_statistics(model, ["a", "b"])
    with domain(model, "a"):
        assert torch.equal(model[1].running_mean, expected)


def test_mistakes_are_told() -> None:
    model = network()
    separate_statistics(model, ["target"])
    with pytest.raises(LbtError, match="did you mean 'target'"), domain(model, "tarjet"):
        pass
    with pytest.raises(LbtError, match="no running statistics"):
        separate_statistics(nn.Linear(2, 2), ["a"])
    with pytest.raises(LbtError, match="must not"):
        separate_statistics(model, ["a.b"])
