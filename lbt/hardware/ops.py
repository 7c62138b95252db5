"""Operations and bytes of one training step, per layer and pass.

With P output positions, c_in and c_out channels, k² taps and g groups, a convolution (a linear layer has P = k² = 1)
of a batch of B images does, in each of the three products of training,

    MACs = B · P · k² · c_in · c_out / g

    forward:   (B·P × k²c_in) · (k²c_in × c_out)     activations × weights
    error:     (B·P_in × k²c_out) · (k²c_out × c_in)  errors × weights; for stride s, s² products of k²/s² taps
    gradient:  (k²c_in × B·P) · (B·P × c_out)         activations × errors

and bit operations BOPs = MACs · b_x · b_y with the storage bits of the operands. Bytes are compulsory traffic: each
operand and each result once; :mod:`lbt.hardware.array` says what a finite on-chip memory adds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod

from lbt.hardware.elementwise import RULES
from lbt.hardware.masks import Channels, channels
from lbt.hardware.precision import FLOAT32, Number, Precision
from lbt.hardware.trace import PRODUCTS, Graph, Node
from lbt.nn import norms
from lbt.nn.norms._cost import FLOAT_LANE, Operations

PASSES = ("forward", "error", "gradient", "update")
"""Of one training step: forward, error backward, weight gradient, update."""

PASS_ROLES = {"forward": "A", "error": "E", "gradient": "G", "update": "U"}
"""The role that each pass produces, and whose rounding it applies."""


@dataclass(frozen=True)
class Gemm:
    """``count`` matrix products (m × k) · (k × n), one after another."""

    m: int
    k: int
    n: int
    count: int = 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.count * self.m * self.k * self.n


@dataclass(frozen=True)
class Work:
    """Work of one layer in one pass of one training step.

    Attributes:
        layer: the layer's name.
        kind: as in :class:`lbt.hardware.trace.Node`; a norm carries its variant (``norm:range_bn``).
        stage: one of :data:`PASSES`.
        macs: multiply-accumulates of a product.
        x, y: numbers that the multipliers of a product take.
        gemms: the product as matrix products, for the schedule.
        operations: everything outside a product: norm, addition, pooling, bias, update.
        float_units: true if those need floating-point units.
        elements: elements that pass through a column's lane, counted once per pass; 0 for what is fused into the
            preceding result on its way to memory (ReLU, pooling of one read).
        requantized: results brought to the format of the pass's role (0 if it is float32).
        stochastic: number of them that take a random number.
        reads, writes: bytes, each operand and result once.
        operands: bytes of (x, y, result) of a product, for the schedule.
        known: False if there is no cost rule: its counts are missing, not zero.
    """

    layer: str
    kind: str
    stage: str
    macs: int = 0
    x: Number = field(default_factory=Number)
    y: Number = field(default_factory=Number)
    gemms: tuple[Gemm, ...] = ()
    operations: Operations = field(default_factory=Operations)
    float_units: bool = False
    elements: float = 0
    requantized: int = 0
    stochastic: int = 0
    reads: float = 0
    writes: float = 0
    operands: tuple[float, float, float] = (0, 0, 0)
    known: bool = True

    def lane_cycles(self, ridden: float, digits: int) -> float:
        """Cycles of one lane that has a divider of ``digits`` (0: none).

        Elements that it has not yet seen as they left the array (``ridden``), or, if it takes longer, the quotients of
        a norm's channels at one digit a cycle and the roots at two, which are made beside the next channel's elements.
        """
        slow = self.operations.divides + self.operations.square_roots / 2 if self.kind.startswith("norm") else 0.0
        return max(0.0, self.elements - ridden, digits * slow)

    @property
    def bops(self) -> float:
        """Bit operations of the product."""
        return self.macs * self.x.bits * self.y.bits


def count(
    graph: Graph,
    precision: Precision,
    *,
    batch: int = 1,
    training: bool = True,
    masks: Mapping[str, object] | None = None,
) -> list[Work]:
    """All work of one training step (or of one inference) of ``batch`` images.

    Args:
        graph: from :func:`lbt.hardware.trace.trace`.
        precision: numbers of each role.
        batch: images per step.
        training: otherwise only the forward pass of inference is counted.
        masks: kept output channels by layer, as :func:`lbt.hardware.masks.channels` takes them.

    Returns:
        Rows in the order of execution: forward, then backward in reverse, then update.
    """
    kept = channels(graph, masks or {})
    forward = [_forward(node, precision, batch, kept, training) for node in graph.nodes]
    if not training:
        return forward
    needed = graph.needs_error()
    backward, update = [], []
    readers = Counter(value for node in graph.nodes if node.output in needed for value in node.inputs)
    for node in reversed(graph.nodes):
        rows = list(_backward(node, precision, batch, kept, needed))
        if rows and readers[node.output] > 1:  # errors of several readers are summed where they meet
            sums = Operations(adds=(readers[node.output] - 1) * batch * kept.elements_out(node))
            rows[0] = replace(rows[0], operations=rows[0].operations + sums)
        backward += rows
    for node in graph.nodes:
        if node.trainable:
            update.append(_update(node, precision, kept))
    return [*forward, *backward, *update]


def parameters(node: Node, kept: Channels) -> int:
    """Weights and biases of a node that remain under the masks."""
    live_in, live_out = kept.live_in(node), kept.live_out(node)
    if node.kind == "norm":
        return (node.weights + node.biases) * live_out // max(1, node.c_out)
    if node.kind == "layer_norm":
        return node.weights + node.biases
    if node.kind not in PRODUCTS:
        return 0
    return node.weights * live_in * live_out // (node.c_in * node.c_out) + (node.biases * live_out // node.c_out)


def _forward(node: Node, precision: Precision, batch: int, kept: Channels, training: bool) -> Work:
    roles = precision.of(node.name)
    work = Work(node.name, _kind(node, precision), "forward", known=node.kind != "unknown")
    if node.kind in ("view", "identity"):
        return work
    inputs, outputs = _elements(node, batch, kept)
    work = replace(
        _rounded(work, roles["A"], outputs if node.kind in ROUNDED else 0),
        reads=inputs * roles["A"].bits / 8,
        writes=outputs * roles["A"].bits / 8,
    )
    if node.kind in PRODUCTS:
        gemm = _products(node, batch, kept)[0]
        count = parameters(node, kept)
        weights = count * roles["W"].bits / 8
        turns = inputs * roles["A"].turns + count * roles["W"].turns
        return replace(
            work,
            macs=gemm.macs,
            x=roles["A"],
            y=roles["W"],
            gemms=(gemm,),
            operations=Operations(adds=(outputs if node.biases else 0) + turns),
            float_units=roles["A"].is_float or roles["W"].is_float,
            reads=work.reads + weights,
            operands=(work.reads, weights, work.writes),
        )
    if node.kind == "norm":
        return _norm(work, node, inputs, kept, "forward" if training else "inference", precision)
    if node.kind == "pair":
        gemm, first = _pair(node, batch)[0], batch * kept.elements(node, 0) * roles["A"].bits / 8
        return replace(
            work,
            macs=gemm.macs,
            x=roles["A"],
            y=roles["A"],
            gemms=(gemm,),
            float_units=roles["A"].is_float,
            operands=(first, work.reads - first, work.writes),
        )
    if node.kind in RULES:
        return _by_rule(work, node, outputs, roles["A"], "forward")
    operations = _elementwise(node, inputs, outputs)
    moved = 0 if node.kind in FUSED else inputs
    return replace(work, operations=operations, elements=moved, float_units=roles["A"].is_float)


def _backward(node: Node, precision: Precision, batch: int, kept: Channels, needed: set[int]) -> Iterator[Work]:
    """The error that a node hands to its inputs, and the gradient of its weights."""
    roles = precision.of(node.name)
    if node.output not in needed or node.kind in ("view", "identity"):
        return
    inputs, outputs = _elements(node, batch, kept)
    error = Work(node.name, _kind(node, precision), "error", known=node.kind != "unknown")
    sends = needed.intersection(node.inputs)
    arriving = outputs * roles["E"].bits / 8
    if node.kind in PRODUCTS:
        forward, errors = _products(node, batch, kept)[0], _products(node, batch, kept)[1:]
        if sends:
            weights = parameters(node, kept) * roles["WE"].bits / 8
            turns = outputs * roles["E"].turns + parameters(node, kept) * roles["WE"].turns
            leaving = inputs * roles["E"].bits / 8
            yield replace(
                _rounded(error, roles["E"], inputs),
                macs=forward.macs,
                x=roles["E"],
                y=roles["WE"],
                gemms=tuple(errors),
                operations=Operations(adds=turns) + _learning(roles["A"], inputs),
                float_units=roles["E"].is_float or roles["WE"].is_float or roles["A"].learned,
                reads=arriving + weights + (4 * inputs if roles["A"].learned else 0),
                writes=leaving,
                operands=(arriving, weights, leaving),
            )
        if node.trainable:
            count, draws = parameters(node, kept), roles["EG"].draws
            turns = inputs * roles["AG"].turns + outputs * roles["EG"].turns
            saved, leaving = inputs * roles["AG"].bits / 8, count * roles["G"].bits / 8
            yield replace(
                _rounded(replace(error, stage="gradient"), roles["G"], count),
                macs=forward.macs * draws,
                x=roles["AG"],
                y=roles["EG"],
                gemms=(Gemm(forward.k, forward.m, forward.n, forward.count * draws),),
                operations=Operations(adds=(outputs if node.biases else 0) + turns) + _learning(roles["W"], count),
                float_units=roles["AG"].is_float or roles["EG"].is_float or roles["W"].learned,
                reads=saved + arriving,
                writes=leaving,
                operands=(saved, arriving, leaving),
            )
        return
    if not sends and not node.trainable:
        return
    leaving = inputs * roles["E"].bits / 8
    if node.kind == "pair":
        saved = inputs * roles["A"].bits / 8
        gemms = _pair(node, batch)[1:]
        yield replace(
            _rounded(error, roles["E"], inputs),
            macs=sum(gemm.macs for gemm in gemms),
            x=roles["E"],
            y=roles["A"],
            gemms=tuple(gemms),
            float_units=roles["E"].is_float or roles["A"].is_float,
            reads=arriving + saved,
            writes=leaving,
            operands=(arriving, saved, leaving),
        )
        return
    rounded = inputs if node.kind in ("norm", "avg_pool", "mul", *RULES) else 0
    error = replace(_rounded(error, roles["E"], rounded), reads=arriving, writes=leaving)
    if node.kind == "norm":
        yield _norm(error, node, inputs, kept, "backward", precision)
    elif node.kind in RULES:
        saved = inputs * roles["A"].bits / 8
        yield _by_rule(replace(error, reads=arriving + saved), node, inputs, roles["E"], "backward")
    else:
        operations = _elementwise_backward(node, inputs, outputs)
        moved = 0 if node.kind in FUSED else outputs
        yield replace(error, operations=operations, elements=moved, float_units=roles["E"].is_float)


def _learning(number: Number, elements: float) -> Operations:
    """The gradient of a learnt step from ``elements``: a difference, a product, a sum, and both ends of the range."""
    return LEARNING.scaled(elements) if number.learned else Operations()


def _update(node: Node, precision: Precision, kept: Channels) -> Work:
    """SGD with momentum: v = μ·v + g; w = w − η·v. Adam keeps two states and takes a root and a quotient."""
    roles = precision.of(node.name)
    count = parameters(node, kept)
    states = OPTIMIZER_STATES[precision.optimizer]
    operations = Operations(adds=2 * count, multiplies=2 * count)
    if precision.optimizer == "adam":
        operations = Operations(adds=4 * count, multiplies=6 * count, divides=count, square_roots=count)
    master, state = count * precision.master.bits / 8, states * count * roles["U"].bits / 8
    work = Work(
        node.name, _kind(node, precision), "update", operations=operations, float_units=precision.master.is_float
    )
    work = replace(_rounded(work, precision.master, count), elements=count)
    copy = 0 if roles["W"].holds(precision.master) else count * roles["W"].bits / 8
    gradient = count * roles["G"].bits / 8
    return replace(work, reads=gradient + state + master, writes=state + master + copy)


LEARNING = Operations(adds=2, multiplies=1, comparisons=2)
"""Operations of an element whose scale is learnt, in the backward pass (:mod:`lbt.numerics.ranges.learned`)."""

FUSED = ("relu", "identity", "view")
"""Kinds that are applied to a result on its way to memory: they have operations, but no time or traffic of their
own.
"""

ROUNDED = (*PRODUCTS, "norm", "add", "mul", "sum", "avg_pool", "pair", *RULES)
"""Kinds whose results are wider than their inputs and are brought back to the format."""

OPTIMIZER_STATES = {"sgd": 1, "adam": 2}
"""Values that the optimizer keeps per weight."""


def _products(node: Node, batch: int, kept: Channels) -> list[Gemm]:
    """The forward product, then those of the error."""
    live_in, live_out = kept.live_in(node), kept.live_out(node)
    depthwise = node.groups > 1
    groups = max(1, round(node.groups * live_in / node.c_in)) if depthwise else 1
    c_in, c_out = max(1, live_in // groups) if live_in else 0, max(1, live_out // groups) if live_out else 0
    rows = batch * node.pixels_out
    forward = Gemm(rows, node.taps * c_in, c_out, groups)
    phases = min(node.stride, node.taps)
    taps, extra = divmod(node.taps, phases)
    pixels = -(-batch * node.pixels_in // node.stride)
    errors = [Gemm(pixels, (taps + 1) * c_out, c_in, groups * extra)] if extra else []
    if taps:
        errors.append(Gemm(pixels, taps * c_out, c_in, groups * (phases - extra)))
    return [forward, *errors]


def _pair(node: Node, batch: int) -> list[Gemm]:
    """The product of two activations, (m × k) · (k × n) for each image and head, then its two errors."""
    m, n, k, count = node.shape[-2], node.shape[-1], node.shapes[0][-1], batch * prod(node.shape[:-2])
    return [Gemm(m, k, n, count), Gemm(m, n, k, count), Gemm(k, m, n, count)]


def _by_rule(work: Work, node: Node, elements: float, number: Number, stage: str) -> Work:
    """Work of a node by its rule in :mod:`lbt.hardware.elementwise`."""
    rule = RULES[node.kind]
    each, row = getattr(rule, stage), getattr(rule, f"row_{stage}")
    return replace(
        work,
        operations=each.scaled(elements) + row.scaled(elements / node.window),
        elements=rule.reads * elements,
        reads=work.reads + (rule.reads - 1) * elements * number.bits / 8,
        float_units=rule.is_float or number.is_float,
    )


def variant(node: Node, precision: Precision) -> str:
    """The batch norm of a node: its own variant if it was converted, else the one that the recipe would put there."""
    return node.variant if node.variant not in ("", "float_bn") else precision.norm


def _norm(work: Work, node: Node, elements: float, kept: Channels, stage: str, precision: Precision) -> Work:
    roles = precision.of(node.name)
    cost = norms.cost(variant(node, precision))
    one = getattr(cost, stage)
    live = kept.live_out(node)
    operations = one.element.scaled(elements) + one.channel.scaled(live)
    if stage == "forward":
        operations = operations + cost.per_weight.scaled(node.weights)
    number = roles["A" if work.stage == "forward" else "E"]
    extra = max(0.0, one.reads - 1) * elements * number.bits / 8
    if stage == "backward":
        extra += cost.saved_per_element * elements * roles["A"].bits / 8 + cost.saved_per_channel * live * 4
    float_units = cost.lane == FLOAT_LANE or number.is_float
    moved = one.reads * elements
    return replace(work, operations=operations, float_units=float_units, elements=moved, reads=work.reads + extra)


def _elementwise(node: Node, inputs: float, outputs: float) -> Operations:
    match node.kind:
        case "relu":
            return Operations(comparisons=outputs)
        case "max_pool":
            return Operations(comparisons=outputs * (node.window - 1))
        case "avg_pool":
            return Operations(adds=inputs - outputs, multiplies=outputs)
        case "sum":
            return Operations(adds=inputs - outputs)
        case "add":
            return Operations(adds=outputs)
        case "mul":
            return Operations(multiplies=outputs)
        case _:
            return Operations()


def _elementwise_backward(node: Node, inputs: float, outputs: float) -> Operations:
    match node.kind:
        case "avg_pool":
            return Operations(multiplies=outputs)
        case "mul":
            return Operations(multiplies=inputs)
        case _:
            return Operations()  # a mask, an index or a copy: routing, no arithmetic


def _elements(node: Node, batch: int, kept: Channels) -> tuple[int, int]:
    """Elements that flow in and out, pruned channels left out."""
    return batch * sum(kept.elements(node, i) for i in range(len(node.inputs))), batch * kept.elements_out(node)


def _rounded(work: Work, number: Number, elements: float) -> Work:
    if number == FLOAT32:
        return work
    stochastic = int(elements) if number.rounding == "stochastic" else 0
    return replace(work, requantized=int(elements), stochastic=stochastic)


def _kind(node: Node, precision: Precision) -> str:
    if node.kind == "norm":
        return f"norm:{variant(node, precision)}"
    return f"unknown:{node.label}" if node.kind == "unknown" else node.kind
