"""Layers whose training step is integers from end to end, so that a run has the same bits on any machine.

Each works on parts of a batch and does not know how many there are: what a step needs of the whole batch (gradients,
statistics, largest magnitudes) are integer sums and maxima, which do not depend on the split, be it into parts or over
processes (:func:`exchange`). They take effect in ``finish``, after the last part. Shifts are therefore those found in
the step before (delayed scaling), and batch norm normalises with running statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from lbt.distributed import largest, total
from lbt.fixed import batch_norm as norm
from lbt.fixed.arithmetic import divide_round, shift_exact, shift_round
from lbt.fixed.requantize import Rounding, requantize, shift_for
from lbt.fixed.update import IntegerSGD
from lbt.kernels.choose import int8_error_sums, int8_sums, int8_weight_sums
from lbt.kernels.geometry import Geometry
from lbt.numerics.rounding import Key

MASTER = 16
"""Fraction bits of master weights."""
STATE = 20
"""Fraction bits of running statistics."""


class Codes(NamedTuple):
    """A fixed-point tensor: value = codes · 2^exponent."""

    codes: Tensor
    exponent: int


@dataclass(frozen=True)
class Moment:
    """The place of a part of a step: the key of its random numbers, and the index of its first sample.

    ``calibrating``: shifts are taken from the data at hand (which must be the whole batch).
    """

    key: Key
    start: int = 0
    calibrating: bool = False


@dataclass
class Narrow:
    """Requantization by a shift that the previous step's largest sum chose."""

    bits: int
    rounding: Rounding
    role: str
    layer: str
    shift: int = 0
    largest: int = 0

    def __call__(self, total: Tensor, exponent: int, at: Moment) -> Codes:
        self.largest = max(self.largest, int(total.abs().max()))
        if at.calibrating:
            self.largest = int(largest([torch.tensor(self.largest)])[0])
            self.shift = shift_for(self.largest, self.bits)
        key = replace(at.key, layer=self.layer, role=self.role)
        offset = at.start * total[0].numel()
        codes = requantize(total, 1, self.shift, bits=self.bits, rounding=self.rounding, key=key, offset=offset)
        return Codes(codes, exponent + self.shift)

    def finish(self) -> None:
        """The next step's shift."""
        if self.largest:
            self.shift = shift_for(self.largest, self.bits)
        self.largest = 0


@dataclass
class Parameter:
    """A master weight with MASTER fraction bits, its velocity, and the step's gradient so far (with its exponent)."""

    name: str
    master: Tensor
    velocity: Tensor = field(init=False)
    gradient: Tensor = field(init=False)
    exponent: int = 0

    def __post_init__(self) -> None:
        self.velocity = torch.zeros_like(self.master)
        self.gradient = torch.zeros_like(self.master, dtype=torch.int64)

    def add(self, gradient: Tensor, exponent: int) -> None:
        """One part's gradient."""
        self.gradient += gradient
        self.exponent = exponent

    def finish(self, rule: IntegerSGD, key: Key, halvings: int) -> None:
        """Update with the gradient divided by 2^halvings."""
        shift = max(-62, self.exponent + MASTER - halvings)
        key = replace(key, layer=self.name, role="U")
        self.master, self.velocity = rule.step(self.master, self.velocity, self.gradient, shift, key)
        self.gradient = torch.zeros_like(self.gradient)


class Layer:
    """Base: ``forward`` and ``backward`` of a part, ``finish`` of the step."""

    parameters: tuple[Parameter, ...] = ()
    narrows: tuple[Narrow, ...] = ()

    def forward(self, x: Codes, at: Moment) -> Codes:
        raise NotImplementedError

    def backward(self, error: Codes, at: Moment) -> Codes:
        raise NotImplementedError

    @property
    def sums(self) -> list[Tensor]:
        """The sums over all samples, int64."""
        return [parameter.gradient for parameter in self.parameters]

    @sums.setter
    def sums(self, values: list[Tensor]) -> None:
        for parameter, gradient in zip(self.parameters, values, strict=True):
            parameter.gradient = gradient

    def finish(self, rule: IntegerSGD, key: Key, halvings: int) -> None:
        """After the last part: update the parameters, choose the next shifts."""
        for parameter in self.parameters:
            parameter.finish(rule, key, halvings)
        for narrow in self.narrows:
            narrow.finish()


class Conv(Layer):
    """Convolution on int8 codes (a fully connected layer is one whose kernel covers the image).

    Its output has ``bits`` bits, 16 where a norm follows; ``None`` leaves the sums. The bias is added to the sums, in
    their unit.
    """

    def __init__(
        self, name: str, weight: Tensor, geometry: Geometry, bias: Tensor | None = None, bits: int | None = 16
    ) -> None:
        self.weight, self.geometry = Parameter(f"{name}.weight", to_master(weight)), geometry
        self.bias = None if bias is None else Parameter(f"{name}.bias", to_master(bias))
        self.parameters = (self.weight,) if self.bias is None else (self.weight, self.bias)
        self.out = Narrow(bits, "nearest", "A", name) if bits else None
        self.error = Narrow(8, "stochastic", "E", name)
        self.narrows = (self.error,) if self.out is None else (self.out, self.error)

    def narrow_weight(self) -> Codes:
        """The int8 weight of this step."""
        master = self.weight.master
        shift = shift_for(int(master.abs().max()), 8)
        return Codes(requantize(master, 1, shift), shift - MASTER)

    def forward(self, x: Codes, at: Moment) -> Codes:
        self.x, self.w = x, self.narrow_weight()
        total, exponent = int8_sums(x.codes, self.w.codes, self.geometry), x.exponent + self.w.exponent
        if self.bias is not None:
            bias = shift_exact(self.bias.master.to(torch.int64), max(-62, -MASTER - exponent))
            total = total + bias.view(1, -1, 1, 1)
        return Codes(total, exponent) if self.out is None else self.out(total, exponent, at)

    def backward(self, error: Codes, at: Moment) -> Codes:
        kernel, size = (self.w.codes.shape[2], self.w.codes.shape[3]), (self.x.codes.shape[2], self.x.codes.shape[3])
        gradient = int8_weight_sums(self.x.codes, error.codes, kernel, self.geometry)
        self.weight.add(gradient, self.x.exponent + error.exponent)
        if self.bias is not None:
            self.bias.add(error.codes.sum((0, 2, 3), dtype=torch.int64), error.exponent)
        total = int8_error_sums(error.codes, self.w.codes, size, self.geometry)
        return self.error(total, error.exponent + self.w.exponent, at)


def to_master(value: Tensor) -> Tensor:
    """Float parameters as int32 master codes."""
    return torch.round(value.detach().double() * 2**MASTER).to(torch.int32)


class BatchNorm(Layer):
    """Batch norm with running statistics that go on accumulating; see :mod:`lbt.fixed.batch_norm`."""

    def __init__(self, name: str, weight: Tensor, bias: Tensor, eps: float = 1e-5, momentum_shift: int = 3) -> None:
        self.eps, self.momentum_shift = eps, momentum_shift
        self.weight, self.bias = (
            Parameter(f"{name}.{kind}", to_master(value)) for kind, value in (("weight", weight), ("bias", bias))
        )
        self.parameters = (self.weight, self.bias)
        self.out, self.error = Narrow(8, "nearest", "A", name), Narrow(8, "stochastic", "E", name)
        self.narrows = (self.out, self.error)
        self.mean = torch.zeros(len(weight), dtype=torch.int64)
        self.variance = torch.full((len(weight),), 1 << STATE, dtype=torch.int64)
        self.frozen = False
        self.clear()

    def clear(self) -> None:
        """Forget the sums of Σx, Σx² and n over the step."""
        self.seen = [torch.zeros_like(self.mean), torch.zeros_like(self.mean), torch.zeros(1, dtype=torch.int64)]

    @property
    def sums(self) -> list[Tensor]:
        return [*(parameter.gradient for parameter in self.parameters), *self.seen]

    @sums.setter
    def sums(self, values: list[Tensor]) -> None:
        self.weight.gradient, self.bias.gradient, *self.seen = values

    def forward(self, x: Codes, at: Moment) -> Codes:
        codes = x.codes.to(torch.int64)
        found = (*norm.channel_sums(codes, codes), torch.tensor([codes.numel() // codes.shape[1]]))
        self.seen = [old + new for old, new in zip(self.seen, found, strict=True)]
        self.exponent = x.exponent
        if at.calibrating:
            self.seen = total(self.seen)
            self.accumulate(0)
        mean = shift_exact(self.mean, norm.MEAN - STATE - x.exponent)
        variance = shift_exact(self.variance, 2 * norm.MEAN - STATE - 2 * x.exponent)
        self.scale = norm.scale_of(variance, max(1, round(self.eps * 2.0 ** (2 * norm.MEAN - 2 * x.exponent))))
        self.normal = norm.normalize(codes, mean, self.scale)
        self.gamma, beta = (
            shift_round(p.master.to(torch.int64), MASTER - norm.AFFINE).clamp_(-norm.LIMIT, norm.LIMIT)
            for p in (self.weight, self.bias)
        )
        return self.out(norm.affine(self.normal, self.gamma, beta), -norm.AFFINE, at)

    def backward(self, error: Codes, at: Moment) -> Codes:
        dy = error.codes.to(torch.int64)
        plain, product = norm.channel_sums(dy, self.normal)
        self.bias.add(plain, error.exponent)
        self.weight.add(product, error.exponent - norm.NORMAL)
        dx, exponent = norm.error(dy, self.gamma, self.scale)
        return self.error(dx, error.exponent + int(exponent) - self.exponent, at)

    def accumulate(self, momentum_shift: int) -> None:
        """Fold the step's sums into the running statistics: r ← r + (batch − r)·2^−shift."""
        plain, squares, count = self.seen
        batch = norm.moments(plain, squares, int(count))
        unbiased = batch.variance + divide_round(batch.variance, int(count) - 1)
        mean = shift_exact(batch.mean, self.exponent - norm.MEAN + STATE)
        variance = shift_exact(unbiased, 2 * self.exponent - 2 * norm.MEAN + STATE)
        self.mean = self.mean + shift_round(mean - self.mean, momentum_shift)
        self.variance = self.variance + shift_round(variance - self.variance, momentum_shift)
        self.clear()

    def finish(self, rule: IntegerSGD, key: Key, halvings: int) -> None:
        super().finish(rule, key, halvings)
        if int(self.seen[2]) > 1 and not self.frozen:
            self.accumulate(self.momentum_shift)
        self.clear()


class ReLU(Layer):
    """max(x, 0): a sign bit forward, a mask backward."""

    def forward(self, x: Codes, at: Moment) -> Codes:
        self.mask = x.codes > 0
        return Codes(x.codes.clamp_min(0), x.exponent)

    def backward(self, error: Codes, at: Moment) -> Codes:
        return Codes(error.codes * self.mask, error.exponent)


def exchange(layers: Sequence[Layer], *loose: Narrow) -> None:
    """Sum and maximise over all processes what each found in its share of the batch, in two messages."""
    sums = iter(total([s for layer in layers for s in layer.sums]))
    for layer in layers:
        layer.sums = [next(sums) for _ in layer.sums]
    narrows = [*(narrow for layer in layers for narrow in layer.narrows), *loose]
    for narrow, top in zip(narrows, largest([torch.tensor(narrow.largest) for narrow in narrows]), strict=True):
        narrow.largest = int(top)
