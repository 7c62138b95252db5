"""The cost of a batch norm on an accelerator: operations per element and per channel of each pass.

Counting rules, the same for all variants:

- An *element* is one number of the feature map; a *channel* is one of its C groups of n = N·H·W elements. A layer of
  shape (N, C, H, W) costs ``element · N·C·H·W + channel · C`` in each pass.
- What is constant in a channel is computed once per channel (γ/σ, β − μγ/σ, 1/n), as hardware would.
- A square by itself is a multiply, a subtraction is an add, |x| and sign(x) are free (one bit is looked at), a power
  of two is a shift and free. Rounding, saturation and the conversion to the next layer's format are not counted: they
  belong to the quantizer that follows.
- ``reads`` says how many times the pass goes over its feature maps (x in the forward pass, x or x̂ and the error in
  the backward pass, counted once per read): a second read is needed wherever a statistic of the whole channel must
  be known before the first element can be written.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FLOAT_LANE = "float"
"""The datapath of float32 adders and multipliers."""


@dataclass(frozen=True)
class Operations:
    """Arithmetic operations, by kind."""

    adds: float = 0
    multiplies: float = 0
    divides: float = 0
    square_roots: float = 0
    comparisons: float = 0

    def scaled(self, factor: float) -> Operations:
        """Each count times ``factor``."""
        return Operations(*(factor * getattr(self, name) for name in self.__dataclass_fields__))

    def __add__(self, other: Operations) -> Operations:
        return Operations(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Pass:
    """One pass over the layer.

    Attributes:
        element: operations per element of the feature map.
        channel: operations per channel.
        reads: how many times the feature map is read from memory.
    """

    element: Operations
    channel: Operations
    reads: float


@dataclass(frozen=True)
class NormCost:
    """The cost of one variant.

    Attributes:
        forward: the training forward pass (statistics, normalisation, running statistics).
        backward: error of the input, gradients of weight and bias.
        inference: the forward pass in evaluation mode.
        lane: the datapath through which an accelerator sends the feature map, one element a cycle: :data:`FLOAT_LANE`,
            or a style of the fixed-point unit ``norm`` in ``lbt/hardware/rtl``.
        saved_per_element: values kept from the forward for the backward pass, per element (x or x̂; at the
            activation's width).
        saved_per_channel: values kept from the forward for the backward pass, per channel.
        per_weight: operations per weight of the preceding convolution, once per training step (only ``folded_bn``).
        state_per_channel: values that outlive the step (weight, bias, running mean and variance), per channel.
        bits: width of the integer codes that training computes on, and so the lane; 0 where training computes in
            float32, and a fixed-point lane takes codes as wide as the activations.
    """

    forward: Pass
    backward: Pass
    inference: Pass
    lane: str
    saved_per_element: float
    saved_per_channel: float
    per_weight: Operations = field(default=Operations())
    state_per_channel: float = 4
    bits: int = 0

    @property
    def divider(self) -> str:
        """Style of the unit ``divide`` that training needs for its channels: ``root``, ``quotient``, or none."""
        each = self.forward.channel + self.backward.channel
        return "root" if each.square_roots else "quotient" if each.divides else ""

    @property
    def float_units(self) -> tuple[str, ...]:
        """Kinds of operations that an accelerator needs floating-point units for; empty with a fixed-point lane."""
        used = self.operations(1, 1)
        kinds = [name for name in vars(used) if getattr(used, name)]
        return tuple(kinds) if self.lane == FLOAT_LANE else ()

    def operations(self, elements: float, channels: float, weights: float = 0, *, training: bool = True) -> Operations:
        """All operations of one training step (or of one inference) of a layer.

        Args:
            elements: N·C·H·W.
            channels: C.
            weights: weights of the preceding convolution; they matter to ``folded_bn`` only.
            training: forward and backward pass; otherwise inference.
        """
        passes = (self.forward, self.backward) if training else (self.inference,)
        total = self.per_weight.scaled(weights if training else 0)
        for one in passes:
            total = total + one.element.scaled(elements) + one.channel.scaled(channels)
        return total


INFERENCE = Pass(element=Operations(adds=1, multiplies=1), channel=Operations(), reads=1)
"""y = a·x + b with a and b prepared once, after the last training step."""

CONSTANT_BACKWARD = Pass(
    # Σ dy (1 add), Σ dy·x (1 multiply, 1 add), dx = a·dy (1 multiply)
    element=Operations(adds=2, multiplies=2),
    # dγ = (Σ dy·x − μ Σ dy)/σ
    channel=Operations(adds=1, multiplies=2),
    reads=1,
)
"""Backward pass with mean and variance as constants: no statistic of the error has to be known first, one read."""
