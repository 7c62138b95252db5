"""A model as a graph of operations with shapes, recorded while one batch flows through it.

Modules that have a rule (convolution, linear, norms, pooling, activations) are recorded whole; between them every
tensor operation is seen through a dispatch mode, so that an addition or a concatenation written in ``forward`` counts
too. Whatever has no rule is recorded as ``unknown`` under its own name: it must never count as zero silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from lbt.errors import LbtError
from lbt.nn.copies import copied
from lbt.nn.inputs import Inputs, call

PRODUCTS = ("conv", "linear")
"""Kinds of nodes that multiply by weights."""


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes:
        name: path of the module, followed by ``.<operation>`` if it is written in a ``forward``; unique.
        kind: ``conv``, ``linear``, ``pair`` (a product of two activations), ``norm`` (batch norm), ``layer_norm``,
            ``softmax``, ``curve`` (any other function of one element), ``relu``, ``max_pool``, ``avg_pool``, ``sum``
            (over an axis), ``add``, ``mul``, ``affine`` (a product and a sum), ``divide``, ``cat``, ``view``,
            ``identity`` or ``unknown``.
        inputs: the values that flow in (constants and parameters left out).
        output: the value that flows out.
        shapes: their shapes, first axis the batch.
        shape: shape of ``output``.
        weights: number of weights (without bias).
        biases: number of biases.
        trainable: true if its weights are trained.
        taps: kernel positions per input channel (k_h·k_w for a convolution, 1 for a linear layer).
        stride: product of the strides.
        groups: of a convolution.
        window: elements per output of a pooling; elements of a row of a softmax or layer norm.
        variant: of a norm: its file name in ``lbt/nn/norms``.
        label: name of the operation in an error or a table, such as ``Softmax``.
    """

    name: str
    kind: str
    inputs: tuple[int, ...]
    output: int
    shapes: tuple[tuple[int, ...], ...]
    shape: tuple[int, ...]
    weights: int = 0
    biases: int = 0
    trainable: bool = False
    taps: int = 1
    stride: int = 1
    groups: int = 1
    window: int = 1
    variant: str = ""
    label: str = ""

    @property
    def c_in(self) -> int:
        """Input channels (features of a linear layer)."""
        return self.shapes[0][-1] if self.kind == "linear" else self.shapes[0][1]

    @property
    def c_out(self) -> int:
        """Output channels (features of a linear layer)."""
        return self.shape[-1] if self.kind == "linear" else self.shape[1]

    @property
    def pixels_in(self) -> int:
        """Input positions per image."""
        return prod(self.shapes[0][1:]) // self.c_in

    @property
    def pixels_out(self) -> int:
        """Output positions per image."""
        return prod(self.shape[1:]) // self.c_out


@dataclass(frozen=True)
class Graph:
    """The nodes in the order of the forward pass, and the values at both ends."""

    nodes: tuple[Node, ...]
    sources: tuple[int, ...]
    results: tuple[int, ...]

    def needs_error(self) -> set[int]:
        """Values that a gradient must reach: those that depend on a trained weight."""
        needed: set[int] = set()
        for node in self.nodes:
            if node.trainable or needed.intersection(node.inputs):
                needed.add(node.output)
        return needed


Example = Sequence[int] | Inputs
"""The shape of one image, or the arguments of a network (:data:`lbt.nn.inputs.Inputs`)."""


def trace(model: nn.Module, example: Example) -> Graph:
    """Record ``model`` on one sample.

    Args:
        model: any module; it is copied, so its state does not change.
        example: the shape of one image, (C, H, W) or (features,); or the model's arguments, of which the first sample
            is taken: a tensor, a tuple, or a mapping by name, where every tensor's first axis is the batch.

    Returns:
        The graph; all shapes have a batch of 1.

    Raises:
        LbtError: the shape is not positive integers, the tensors differ in the size of their batch, or the model does
            not accept them.
    """
    model = copied(model, "cost").eval()
    inputs, what = _one_sample(model, example)
    try:
        return _Recorder(model).run(inputs)
    except LbtError:
        raise
    except Exception as error:  # whatever the user's own forward raises
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise LbtError(f"{what}: the model does not accept it: {reason}") from None


def _one_sample(model: nn.Module, example: Example) -> tuple[Inputs, str]:
    """The arguments of a forward pass of one sample, and how an error calls them."""
    if isinstance(example, Tensor | Mapping) or any(not isinstance(n, int | float) for n in example):
        given = _tensors(example)
        sizes = sorted({len(t) if t.dim() else 0 for t in given})
        if len(sizes) != 1 or sizes[0] < 1:
            raise LbtError(
                f"example: found tensors with first axes of {', '.join(map(str, sizes)) or 'no size'}; accepted: a "
                "batch, whose tensors have one first axis, or one sample, where it is 1"
            )
        cut = torch.utils._pytree.tree_map(lambda t: t[:1].detach() if isinstance(t, Tensor) else t, example)
        return cut, f"example of {', '.join(str(tuple(t.shape)) for t in _tensors(cut))}"
    shape = tuple(example)
    if not shape or any(not isinstance(n, int) or isinstance(n, bool) or n < 1 for n in shape):
        raise LbtError(f"input shape: found {shape!r}; accepted: positive integers such as 3, 32, 32")
    parameter = next(model.parameters(), torch.empty(0))
    dtype = parameter.dtype if parameter.dtype.is_floating_point else torch.float32
    image = torch.linspace(-1, 1, prod(shape), dtype=dtype, device=parameter.device).reshape(1, *shape)
    return image, f"input shape {shape}"


class _Recorder(TorchDispatchMode):
    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled under this mode, and to skip the compiler would be to import it

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.nodes: list[Node] = []
        self.values: dict[int, int] = {}  # storage -> the value that it holds now
        self.alive: list[Tensor] = []  # no storage may be reused while we record
        self.path: list[str] = []
        self.owner: nn.Module | None = None  # the module with a rule that we are inside of
        self.names: dict[str, int] = {}
        self.parameters = {_storage(p): p for p in model.parameters()}

    def run(self, inputs: Inputs) -> Graph:
        sources = tuple(self._new_value(tensor) for tensor in _tensors(inputs))
        hooks = []
        for path, module in self.model.named_modules():
            hooks.append(module.register_forward_pre_hook(self._enter(path)))
            hooks.append(module.register_forward_hook(self._leave, always_call=True))
        with torch.no_grad(), _written_out_attention(), self:
            result = call(self.model, inputs)
        tensors = [t for t in torch.utils._pytree.tree_leaves(result) if isinstance(t, Tensor)]
        return Graph(tuple(self.nodes), sources, tuple(v for t in tensors if (v := self._value(t)) is not None))

    def _enter(self, path: str) -> Callable[..., None]:
        def hook(module: nn.Module, arguments: Any) -> None:
            self.path.append(path)
            if self.owner is None and _module_kind(module):
                self.owner = module

        return hook

    def _leave(self, module: nn.Module, arguments: Any, output: Any) -> None:
        path = self.path.pop()
        if self.owner is module:
            self.owner = None
            if isinstance(output, Tensor):
                self._record(path, _module_kind(module), _tensors(arguments), output, _module_facts(module))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if self.owner is None:
            name = func.overloadpacket.__name__
            tensors = _tensors((args, kwargs))
            result = next(iter(_tensors(output)), None)
            kind = OPERATIONS.get(name, "unknown")
            if result is not None and kind == "view":
                self._alias(tensors, result)
            elif kind == "attention":
                self._attention(tensors, result)
            elif result is not None and any(self._value(t) is not None for t in tensors):
                path = ".".join(part for part in (self.path[-1] if self.path else "", name.strip("_")) if part)
                self._record(path, kind, tensors, result, self._call_facts(name, args, tensors))
        return output

    def _attention(self, tensors: list[Tensor], output: Tensor | None) -> None:
        """Softmax(q·kᵀ)·v in one call: its two products and what is between them."""
        assert output is not None
        q, k, v = tensors[:3]
        scores, weights = (torch.empty(*q.shape[:-1], k.shape[-2], device="meta") for _ in range(2))
        path = self.path[-1] if self.path else "attention"
        for name, kind, inputs, result in (
            ("scores", "pair", [q, k], scores),
            ("softmax", "softmax", [scores], weights),
            ("values", "pair", [weights, v], output),
        ):
            facts = {"label": name, "window": k.shape[-2] if kind == "softmax" else 1}
            self._record(f"{path}.{name}", kind, inputs, result, facts)

    def _alias(self, tensors: list[Tensor], result: Tensor) -> None:
        """A view keeps its source's value; a copy becomes a new name for it."""
        source = next((v for t in tensors if (v := self._value(t)) is not None), None)
        if source is not None and self._value(result) != source:
            self.alive.append(result)
            self.values[_storage(result)] = source
        elif tensors and _storage(tensors[0]) in self.parameters:
            self.alive.append(result)
            self.parameters[_storage(result)] = self.parameters[_storage(tensors[0])]

    def _call_facts(self, name: str, args: Any, tensors: list[Tensor]) -> dict[str, Any]:
        """Attributes of an operation that was called as a function."""
        weights = [self.parameters[_storage(t)] for t in tensors if _storage(t) in self.parameters]
        facts: dict[str, Any] = {"label": name.strip("_")}
        if name == "convolution" and args[6]:
            facts["label"] = "conv_transpose"
        elif weights and name in ("convolution", "addmm", "mm"):
            weight = next(w for w in weights if w.dim() > 1)
            facts |= {"weights": weight.numel(), "trainable": weight.requires_grad}
            facts["biases"] = sum(w.numel() for w in weights if w.dim() == 1)
            if name == "convolution":
                facts |= {"taps": prod(weight.shape[2:]), "stride": prod(args[3]), "groups": args[8]}
        if name in ("native_layer_norm", "native_group_norm"):
            first = dict(zip(("weights", "biases"), (w.numel() for w in weights), strict=False))
            row = prod(args[1]) if name == "native_layer_norm" else args[4] * args[5] // args[6]
            facts |= {"window": row, "trainable": any(w.requires_grad for w in weights), **first}
        if name == "_softmax":
            facts["window"] = tensors[0].shape[args[1]]
        if name in ("max_pool2d_with_indices", "avg_pool2d"):
            facts["window"] = prod(args[1]) if len(args[1]) > 1 else args[1][0] ** 2
        return facts

    def _record(self, path: str, kind: str, tensors: list[Tensor], output: Tensor, facts: dict[str, Any]) -> None:
        if all(self._value(t) is None for t in tensors):
            return
        if kind in PRODUCTS and not facts.get("weights"):
            kind = "pair" if kind == "linear" and len(tensors) == 2 else "unknown"  # unknown: a transposed convolution
        self.names[path] = self.names.get(path, 0) + 1
        name = path if self.names[path] == 1 else f"{path}#{self.names[path]}"
        pairs = [(v, _of_one_image(kind, t)) for t in tensors if (v := self._value(t)) is not None]
        value = self._new_value(output)
        inputs, shapes = tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
        if kind == "divide" and len(pairs) == 1:
            kind = "mul"  # by a constant, whose inverse is prepared
        if not output.numel():  # a part that the data of this sample do not reach, such as an expert
            kind, facts = "unknown", {"label": f"{facts.get('label', kind)} of no elements"}
        node = Node(name or "model", kind, inputs, value, shapes, _of_one_image(kind, output))
        self.nodes.append(_with_window(replace(node, **facts)))

    def _value(self, tensor: Tensor) -> int | None:
        return self.values.get(_storage(tensor))

    def _new_value(self, tensor: Tensor) -> int:
        self.alive.append(tensor)
        value = self.values[_storage(tensor)] = len(self.alive)
        return value


@contextmanager
def _written_out_attention() -> Iterator[None]:
    """Without PyTorch's fused layers of inference, in which no product can be seen."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


OPERATIONS = {
    **dict.fromkeys(
        [
            f"{name}{mark}"
            for name in ("relu", "hardtanh", "leaky_relu", "clamp", "clamp_min", "clamp_max")
            for mark in ("", "_")
        ],
        "relu",
    ),
    **dict.fromkeys(("add", "add_", "sub", "sub_"), "add"),
    **dict.fromkeys(("mul", "mul_"), "mul"),
    **dict.fromkeys(("convolution",), "conv"),
    **dict.fromkeys(("addmm", "mm"), "linear"),
    **dict.fromkeys(("native_batch_norm", "cudnn_batch_norm", "_native_batch_norm_legit_no_training"), "norm"),
    **dict.fromkeys(("max_pool2d_with_indices",), "max_pool"),
    **dict.fromkeys(("avg_pool2d", "_adaptive_avg_pool2d", "mean"), "avg_pool"),
    **dict.fromkeys(("cat", "stack"), "cat"),
    **dict.fromkeys(("sum",), "sum"),
    **dict.fromkeys(("constant_pad_nd",), "identity"),
    **dict.fromkeys(("bmm",), "pair"),
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
        ),
        "attention",
    ),
    **dict.fromkeys(("_softmax",), "softmax"),
    **dict.fromkeys(("native_layer_norm", "native_group_norm"), "layer_norm"),
    **dict.fromkeys(("addcmul", "addcmul_"), "affine"),
    **dict.fromkeys(("div", "div_"), "divide"),
    **dict.fromkeys(
        [
            f"{name}{mark}"
            for name in (
                "gelu",
                "silu",
                "sigmoid",
                "tanh",
                "hardswish",
                "hardsigmoid",
                "mish",
                "elu",
                "softplus",
                "exp",
                "erf",
            )
            for mark in ("", "_")
        ],
        "curve",
    ),
    **dict.fromkeys(
        [
            "view",
            "_unsafe_view",
            "reshape",
            "_reshape_alias",
            "t",
            "transpose",
            "permute",
            "squeeze",
            "unsqueeze",
            "expand",
            "clone",
            "contiguous",
            "detach",
            "alias",
            "copy_",
            "_to_copy",
            "to",
            "select",
            "slice",
            "flatten",
            "as_strided",
            "split",
            "split_with_sizes",
            "unsafe_split",
            "chunk",
            "unbind",
        ],
        "view",
    ),
}
"""Tensor operations (ATen names) that have a rule; the others are unknown."""

_MODULES: tuple[tuple[tuple[type[nn.Module], ...], str], ...] = (
    ((nn.Conv1d, nn.Conv2d), "conv"),
    ((nn.Linear,), "linear"),
    ((nn.BatchNorm1d, nn.BatchNorm2d), "norm"),
    ((nn.LayerNorm, nn.GroupNorm), "layer_norm"),
    (
        (
            nn.GELU,
            nn.SiLU,
            nn.Sigmoid,
            nn.Tanh,
            nn.Hardswish,
            nn.Hardsigmoid,
            nn.Mish,
            nn.ELU,
            nn.CELU,
            nn.SELU,
            nn.Softplus,
        ),
        "curve",
    ),
    ((nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.LeakyReLU), "relu"),
    ((nn.MaxPool1d, nn.MaxPool2d), "max_pool"),
    ((nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d), "avg_pool"),
    ((nn.Identity, nn.Dropout, nn.Dropout2d), "identity"),
)


def _module_kind(module: nn.Module) -> str:
    """The rule that counts this whole module; an empty string if its inside must be looked at."""
    if _norm_variant(module):
        return "norm"
    if type(module).__name__ == "Add" and type(module).__module__.startswith("lbt.nn."):
        return "add"
    return next((kind for types, kind in _MODULES if isinstance(module, types)), "")


def _norm_variant(module: nn.Module) -> str:
    package, _, name = type(module).__module__.rpartition(".")
    if package == "lbt.nn.norms" and not name.startswith("_"):
        return name
    return "float_bn" if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) else ""


def _module_facts(module: nn.Module) -> dict[str, Any]:
    own = dict(module.named_parameters(recurse=False))
    weight = own.get("weight")
    facts: dict[str, Any] = {"label": type(module).__name__, "variant": _norm_variant(module)}
    if weight is not None:
        facts |= {"weights": weight.numel(), "trainable": weight.requires_grad}
        facts["biases"] = own["bias"].numel() if "bias" in own else 0
    if isinstance(module, nn.LayerNorm):
        facts["window"] = prod(module.normalized_shape)
    if isinstance(module, nn.GroupNorm):
        facts["groups"] = module.num_groups
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        facts |= {"taps": prod(module.kernel_size), "stride": prod(module.stride), "groups": module.groups}
    return facts


def _of_one_image(kind: str, tensor: Tensor) -> tuple[int, ...]:
    """A shape whose first axis is the batch of one, where the model has folded windows, heads or tokens into it."""
    first, *rest = shape = tuple(tensor.shape) or (1,)
    if first == 1 and kind != "pair":
        return shape
    if kind in ("conv", "norm") and len(rest) > 1:  # their channels stay the second axis
        return (1, rest[0], first * rest[1], *rest[2:])
    return (1, *shape)


def _with_window(node: Node) -> Node:
    """The window: what the module says, or what follows from the sizes where it gives none."""
    if node.kind in ("max_pool", "avg_pool") and node.window == 1:
        return replace(node, window=max(1, prod(node.shapes[0]) // max(1, prod(node.shape))))
    if node.kind == "layer_norm" and node.window == 1:  # of a module with groups
        return replace(node, window=prod(node.shape) // node.groups)
    return node


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in torch.utils._pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
