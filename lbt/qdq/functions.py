"""The operators of functions and methods in a model's own forward, with PyTorch's signatures.

Each takes the graph, then what PyTorch's function takes; tensors of the graph come as :class:`~lbt.qdq.graph.Value`.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lbt.qdq.graph import Graph, Unknown, Value

Function = Callable[..., "str | list[str]"]


def need(condition: bool) -> None:
    """Refuse a combination of arguments."""
    if not condition:
        raise Unknown


def binary(kind: str) -> Function:
    """An operator of two broadcast operands."""

    def write(g: Graph, a: Any, b: Any) -> str:
        return g.add(kind, [g.operand(a), g.operand(b)])

    return write


def add(g: Graph, a: Any, b: Any, *, alpha: float = 1, kind: str = "Add") -> str:
    """a + α·b, or a − α·b."""
    right = g.operand(b) if alpha == 1 else g.add("Mul", [g.operand(b), g.constant("alpha", alpha)])
    return g.add(kind, [g.operand(a), right])


def sub(g: Graph, a: Any, b: Any, *, alpha: float = 1) -> str:
    """a − α·b."""
    return add(g, a, b, alpha=alpha, kind="Sub")


def activation(g: Graph, word: str, x: Value) -> str:
    """An activation without options."""
    match word:
        case "relu" | "sigmoid" | "tanh":
            return g.add(word.capitalize(), [x.name])
        case "relu6":
            return g.add("Clip", [x.name, g.constant("low", 0), g.constant("high", 6)])
        case "silu":
            return g.add("Mul", [x.name, g.add("Sigmoid", [x.name])])
        case "hardsigmoid":
            return g.add("HardSigmoid", [x.name], alpha=1 / 6, beta=0.5)
        case "hardswish":
            return g.add("Mul", [x.name, g.add("HardSigmoid", [x.name], alpha=1 / 6, beta=0.5)])
    raise Unknown


def simple(word: str) -> Function:
    """An activation as a function."""

    def write(g: Graph, input: Value, inplace: bool = False) -> str:
        return activation(g, word, input)

    return write


def gelu(g: Graph, input: Value, approximate: str = "none") -> str:
    """x·Φ(x), or its approximation by tanh."""
    x = input.name
    half, one = g.constant("half", 0.5), g.constant("one", 1)
    if approximate == "none":
        inner = g.add("Erf", [g.add("Mul", [x, g.constant("root", math.sqrt(0.5))])])
    else:
        cube = g.add("Mul", [g.add("Mul", [g.add("Mul", [x, x]), x]), g.constant("cubic", 0.044715)])
        inner = g.add("Tanh", [g.add("Mul", [g.add("Add", [x, cube]), g.constant("root", math.sqrt(2 / math.pi))])])
    return g.add("Mul", [g.add("Mul", [x, half]), g.add("Add", [inner, one])])


def softmax(g: Graph, input: Value, dim: int | None = None, *_: Any, **options: Any) -> str:
    """Along one dimension."""
    need(dim is not None and options.get("dtype") is None)
    return g.add("Softmax", [input.name], axis=dim)


def clamp(g: Graph, input: Value, min: float | None = None, max: float | None = None) -> str:
    """Between two numbers."""
    ends = ["" if end is None else g.constant("end", end) for end in (min, max)]
    return g.add("Clip", [input.name, *ends])


def reshape(g: Graph, input: Value, *shape: Any) -> str:
    """``view`` and ``reshape``; the sizes are those of the example."""
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list, torch.Size)) else shape
    need(all(isinstance(size, int) for size in sizes))
    return g.reshaped(input.name, input.shape, input.example.reshape(tuple(sizes)).shape)


def reshape_as(g: Graph, input: Value, other: Value) -> str:
    """In the shape of another tensor."""
    return g.reshaped(input.name, input.shape, other.shape)


def addcmul(g: Graph, input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> str:
    """input + value · tensor1 · tensor2."""
    product = g.add("Mul", [g.operand(tensor1), g.operand(tensor2)])
    return g.add("Add", [g.operand(input), g.add("Mul", [product, g.constant("value", value)])])


def flatten(g: Graph, input: Value, start_dim: int = 0, end_dim: int = -1) -> str:
    """Dimensions from ``start_dim`` to ``end_dim`` as one."""
    if start_dim == 1 and end_dim in (-1, input.example.dim() - 1):
        return g.add("Flatten", [input.name])
    return g.reshaped(input.name, input.shape, input.example.flatten(start_dim, end_dim).shape)


def permute(g: Graph, input: Value, *dims: Any) -> str:
    """Dimensions in another order."""
    order = dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims
    return g.add("Transpose", [input.name], perm=[d % input.example.dim() for d in order])


def transpose(g: Graph, input: Value, dim0: int, dim1: int) -> str:
    """Two dimensions exchanged."""
    order = list(range(input.example.dim()))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return g.add("Transpose", [input.name], perm=order)


def unsqueeze(g: Graph, input: Value, dim: int) -> str:
    """A dimension of size 1 more."""
    return g.add("Unsqueeze", [input.name, g.ints([dim])])


def squeeze(g: Graph, input: Value, dim: int) -> str:
    """A dimension of size 1 less."""
    return g.add("Squeeze", [input.name, g.ints([dim])])


def mean(g: Graph, input: Value, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> str:
    """The mean over some dimensions."""
    need(dim is not None and dtype is None)
    axes = [d % input.example.dim() for d in ([dim] if isinstance(dim, int) else dim)]
    return g.add("ReduceMean", [input.name], axes=axes, keepdims=int(keepdim))


def cat(g: Graph, tensors: Sequence[Any], dim: int = 0) -> str:
    """Tensors after one another."""
    return g.add("Concat", [g.operand(t) for t in tensors], axis=dim)


def stack(g: Graph, tensors: Sequence[Any], dim: int = 0) -> str:
    """Tensors along a new dimension other than the first."""
    need(dim != 0)
    return g.add("Concat", [g.add("Unsqueeze", [g.operand(t), g.ints([dim])]) for t in tensors], axis=dim)


def total(g: Graph, input: Value, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> str:
    """The sum over some dimensions."""
    need(dim is not None and dtype is None)
    axes = [d % input.example.dim() for d in ([dim] if isinstance(dim, int) else dim)]
    return g.add("ReduceSum", [input.name, g.ints(axes)], keepdims=int(keepdim))


def split(g: Graph, input: Value, sizes: Any, dim: int = 0) -> list[str]:
    """Pieces of given sizes along a dimension other than the batch's."""
    parts = [part.shape[dim] for part in input.example.split(sizes, dim)]
    return _pieces(g, input, parts, dim)


def chunk(g: Graph, input: Value, chunks: int, dim: int = 0) -> list[str]:
    """Equal pieces."""
    return _pieces(g, input, [part.shape[dim] for part in input.example.chunk(chunks, dim)], dim)


def unbind(g: Graph, input: Value, dim: int = 0) -> list[str]:
    """One piece for each index."""
    count = input.shape[dim]
    return [g.add("Squeeze", [piece, g.ints([dim])]) for piece in _pieces(g, input, [1] * count, dim)]


def _pieces(g: Graph, input: Value, sizes: list[int], dim: int) -> list[str]:
    need(dim % input.example.dim() != 0 or len(sizes) > 1)
    ends = np.cumsum([0, *sizes]).tolist()
    return [_slice(g, input.name, a, b, dim) for a, b in itertools.pairwise(ends)]


def _slice(g: Graph, x: str, start: int, stop: int, dim: int, step: int = 1) -> str:
    return g.add("Slice", [x, *(g.ints([v]) for v in (start, stop, dim, step))])


def getitem(g: Graph, input: Any, index: Any) -> str:
    """Whole numbers, slices, ``None`` and ``...`` of a tensor."""
    need(isinstance(input, Value))
    given = list(index) if isinstance(index, tuple) else [index]
    need(all(i is None or i is Ellipsis or isinstance(i, (int, slice)) for i in given))
    if Ellipsis in given:
        place, named = given.index(Ellipsis), sum(i is not None and i is not Ellipsis for i in given)
        given[place : place + 1] = [slice(None)] * (input.example.dim() - named)
    x, dim, dropped, inserted = input.name, 0, list[int](), list[int]()
    for position, one in enumerate(given):
        if one is None:
            inserted.append(position)
            continue
        if isinstance(one, int):
            stop = one + 1 if one != -1 else np.iinfo(np.int64).max
            x = _slice(g, x, one, stop, dim)
            dropped.append(dim)
        elif one != slice(None):
            need(one.step is None or one.step > 0)
            stop = np.iinfo(np.int64).max if one.stop is None else one.stop
            x = _slice(g, x, one.start or 0, stop, dim, one.step or 1)
        dim += 1
    need(not (dropped and inserted))
    x = g.add("Squeeze", [x, g.ints(dropped)]) if dropped else x
    return g.add("Unsqueeze", [x, g.ints(inserted)]) if inserted else x


def layer_norm(
    g: Graph, input: Value, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> str:
    """Over the last dimensions."""
    shape = tuple(normalized_shape)
    scale = torch.ones(shape) if weight is None else weight
    names = [g.operand(scale), *([] if bias is None else [g.operand(bias)])]
    return g.add("LayerNormalization", [input.name, *names], axis=-len(shape), epsilon=eps)


def group_norm(g: Graph, input: Value, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> str:
    """Over the channels of each group: an instance norm of the groups, then weight and bias."""
    shape = input.shape
    grouped = g.add("Reshape", [input.name, g.ints([0, num_groups, -1])])
    ones, zeros = g.constant("ones", np.ones(num_groups)), g.constant("zeros", np.zeros(num_groups))
    y = g.add("InstanceNormalization", [grouped, ones, zeros], epsilon=eps)
    y = g.add("Reshape", [y, g.ints([0, *shape[1:]])])
    each = (-1, *(1,) * (len(shape) - 2))
    if isinstance(weight, Tensor):
        y = g.add("Mul", [y, g.operand(weight.view(each))])
    return g.add("Add", [y, g.operand(bias.view(each))]) if isinstance(bias, Tensor) else y


def batch_norm(
    g: Graph, input: Value, running_mean: Tensor, running_var: Tensor, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> str:  # fmt: skip
    """With the running statistics."""
    need(not training and isinstance(running_mean, Tensor) and isinstance(running_var, Tensor))
    four = (torch.ones_like(running_mean) if weight is None else weight.detach(),
            torch.zeros_like(running_mean) if bias is None else bias.detach(), running_mean, running_var)  # fmt: skip
    names = [g.constant("norm", v.float().numpy()) for v in four]
    return g.add("BatchNormalization", [input.name, *names], epsilon=eps)


def adaptive_avg_pool(g: Graph, input: Value, output_size: Any) -> str:
    """To size 1, or where each window has the same size."""
    dims = input.example.dim() - 2
    sizes = (output_size,) * dims if isinstance(output_size, int) else tuple(output_size)
    if all(size == 1 for size in sizes):
        return g.add("GlobalAveragePool", [input.name])
    own = input.shape[2:]
    sizes = tuple(o if size is None else size for size, o in zip(sizes, own, strict=True))
    need(all(o % size == 0 for size, o in zip(sizes, own, strict=True)))
    window = [o // size for size, o in zip(sizes, own, strict=True)]
    return g.add("AveragePool", [input.name], kernel_shape=window, strides=window)


_POOLING: dict[str, tuple[Any, ...]] = {
    "dilation": (1, (1,), (1, 1)), "ceil_mode": (False,), "return_indices": (False,), "count_include_pad": (True,),
    "divisor_override": (None,),
}  # fmt: skip


def pool(kind: str) -> Function:
    """Max or average pooling in one or two dimensions, with PyTorch's defaults for all but window and padding."""

    def write(
        g: Graph, input: Value, kernel_size: Any, stride: Any = None, padding: Any = 0, *rest: Any, **options: Any
    ) -> str:
        need(not rest and all(value in _POOLING[name] for name, value in options.items()))
        dims = input.example.dim() - 2
        given = (kernel_size, stride or kernel_size, padding)
        three = [(v,) * dims if isinstance(v, int) else tuple(v) for v in given]
        more: dict[str, Any] = {"count_include_pad": 1} if kind == "AveragePool" else {}
        return g.add(kind, [input.name], kernel_shape=three[0], strides=three[1], pads=[*three[2], *three[2]], **more)

    return write


def pad(g: Graph, input: Value, pad: Any, mode: str = "constant", value: float | None = None) -> str:
    """Zeros or another number around."""
    need(mode == "constant")
    before, after = [0] * input.example.dim(), [0] * input.example.dim()
    for place, (left, right) in enumerate(zip(pad[::2], pad[1::2], strict=True)):
        before[-1 - place], after[-1 - place] = left, right
    return g.add("Pad", [input.name, g.ints([*before, *after]), g.constant("value", value or 0.0)])


def attention(
    g: Graph, query: Value, key: Value, value: Value, attn_mask: Any = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> str:  # fmt: skip
    """``scaled_dot_product_attention``."""
    need(not is_causal and not enable_gqa)
    order = list(range(key.example.dim()))
    order[-1], order[-2] = order[-2], order[-1]
    factor = scale if scale is not None else 1 / math.sqrt(query.shape[-1])
    scores = g.matmul(query.name, g.add("Transpose", [key.name], perm=order), "scores")
    scores = g.add("Mul", [scores, g.constant("scale", factor)])
    if attn_mask is not None:
        need(isinstance(attn_mask, (Value, Tensor)) and getattr(attn_mask, "dtype", torch.float32) != torch.bool)
        scores = g.add("Add", [scores, g.operand(attn_mask)])
    return g.matmul(g.add("Softmax", [scores], axis=-1), value.name, "values")


def matmul(g: Graph, a: Any, b: Any) -> str:
    """Of two matrices, or batches of them."""
    return g.matmul(g.operand(a), g.operand(b))


def linear(g: Graph, input: Value, weight: Any, bias: Any = None) -> str:
    """In float."""
    return g.linear(input.name, input.shape, g.operand(weight), None if bias is None else g.operand(bias))


def same(g: Graph, input: Value, *_: Any, **__: Any) -> str:
    """A function that changes nothing in evaluation."""
    return input.name


def expand(g: Graph, input: Value, *sizes: Any) -> str:
    """Along dimensions of size 1; the batch's own stays free."""
    wanted = list(sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes)
    need(len(wanted) == input.example.dim() and wanted[0] in (-1, input.shape[0]))
    return g.add("Expand", [input.name, g.ints([1, *(1 if size == -1 else size for size in wanted[1:])])])


FUNCTIONS: dict[Any, Function] = {
    functional.batch_norm: batch_norm, functional.layer_norm: layer_norm, functional.group_norm: group_norm,
    functional.linear: linear, functional.gelu: gelu, functional.pad: pad, torch.clamp: clamp, "clamp": clamp,
    functional.scaled_dot_product_attention: attention, torch.flatten: flatten, "flatten": flatten,
    functional.max_pool1d: pool("MaxPool"), functional.avg_pool1d: pool("AveragePool"),
    functional.max_pool2d: pool("MaxPool"), functional.avg_pool2d: pool("AveragePool"),
    functional.adaptive_avg_pool2d: adaptive_avg_pool, functional.adaptive_avg_pool1d: adaptive_avg_pool,
    operator.getitem: getitem, torch.cat: cat, torch.concat: cat, torch.stack: stack, torch.sum: total,
    "sum": total, "expand": expand,
}  # fmt: skip
"""By PyTorch's function, or a method's name."""
for _word in ("relu", "relu6", "sigmoid", "tanh", "silu", "hardswish", "hardsigmoid"):
    for _home in (torch, functional):
        if hasattr(_home, _word):
            FUNCTIONS[getattr(_home, _word)] = simple(_word)
    FUNCTIONS[_word] = FUNCTIONS[f"{_word}_"] = simple(_word)
for _kind, _words in {"Mul": ("mul",), "Div": ("div", "true_divide", "truediv"), "Pow": ("pow",)}.items():
    for _word in _words:
        for _home in (torch, operator):
            if hasattr(_home, _word):
                FUNCTIONS[getattr(_home, _word)] = binary(_kind)
        FUNCTIONS[_word] = FUNCTIONS[f"{_word}_"] = binary(_kind)
FUNCTIONS |= {operator.imul: binary("Mul"), operator.itruediv: binary("Div")}
_sums: dict[str, Function] = {"add": add, "sub": sub}
for _name, _write in _sums.items():
    FUNCTIONS |= {getattr(operator, _name): _write, getattr(operator, f"i{_name}"): _write}
    FUNCTIONS |= {getattr(torch, _name): _write, _name: _write, f"{_name}_": _write}
for _name in ("matmul", "bmm"):
    FUNCTIONS |= {getattr(torch, _name): matmul, _name: matmul}
FUNCTIONS[operator.matmul] = matmul
_moves: dict[str, Function] = {"reshape": reshape, "permute": permute, "transpose": transpose, "unsqueeze": unsqueeze,
                               "squeeze": squeeze, "mean": mean, "split": split, "chunk": chunk, "unbind": unbind,
                               "softmax": softmax}  # fmt: skip
for _name, _write in _moves.items():
    FUNCTIONS |= {getattr(torch, _name): _write, _name: _write}
FUNCTIONS |= {
    "view": reshape,
    "reshape_as": reshape_as,
    "view_as": reshape_as,
    torch.addcmul: addcmul,
    "addcmul": addcmul,
    functional.softmax: softmax,
}
for _name in ("dropout", "dropout1d", "dropout2d", "alpha_dropout"):
    FUNCTIONS[getattr(functional, _name)] = same
for _name in ("contiguous", "clone", "detach", "float"):
    FUNCTIONS[_name] = same
