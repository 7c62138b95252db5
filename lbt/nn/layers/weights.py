"""Products by a weight that a forward makes by functions: the layer's product that each call is.

A form takes what PyTorch's function takes, and returns None where the call is no product by a weight.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from lbt.kernels import floats
from lbt.kernels.geometry import Geometry
from lbt.kernels.kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Frames(threading.local):
    def __init__(self) -> None:
        self.stack: list[nn.Module] = []


frames = _Frames()
"""The modules whose forward runs in this thread, the innermost last; functions are those of that one."""


class Call(NamedTuple):
    """A product by a weight.

    Attributes:
        x: activation, as the kernel takes it.
        weight: (O, I, …); a parameter, or made from parameters.
        bias: (O,).
        kernel: the bilinear operation.
        finish: from the kernel's result to that of the function.
    """

    x: Tensor
    weight: Tensor
    bias: Tensor | None
    kernel: Kernel
    finish: Callable[[Tensor], Tensor]


def by_weight(word: str, args: Any, kwargs: dict[str, Any]) -> Call | None:
    """The product by a weight that a function computes, None if it is none. One that writes ``out=`` is left alone."""
    if word not in FORMS or "out" in kwargs:
        return None
    return FORMS[word](*args, **renamed(kwargs))


def renamed(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``mm``, ``bmm`` and the methods by the names of ``matmul``."""
    if "mat1" in kwargs or not kwargs.keys() & {"mat2", "tensor2"}:
        return kwargs
    return {"other" if name in ("mat2", "tensor2") else name: value for name, value in kwargs.items()}


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Call | None:
    """``F.linear``: input (*, I), weight (O, I)."""
    x = input
    if not isinstance(x, Tensor) or not isinstance(weight, Tensor) or weight.dim() != 2:
        return None
    shape = (*x.shape[:-1], weight.shape[0])
    kernel = replace(floats.linear(), rows=math.prod(x.shape[1:-1]))
    return Call(x.reshape(-1, x.shape[-1]), weight, bias, kernel, lambda y: y.reshape(shape))


def _conv(
    dims: int, input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Call | None:  # fmt: skip
    x = input
    if not isinstance(x, Tensor) or not isinstance(weight, Tensor):
        return None
    batched = x.dim() == dims + 2
    x = x if batched else x.unsqueeze(0)
    stride, dilation = _each(stride, dims), _each(dilation, dims)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        sides = [side for t in reversed(total) for side in (t // 2, t - t // 2)]
        x, padding = functional.pad(x, sides), 0
    geometry = Geometry(stride, _each(0 if padding == "valid" else padding, dims), dilation, groups)
    kernel = floats.convolution(geometry, x.shape, weight.shape)
    return Call(x, weight, bias, kernel, lambda y: y if batched else y.squeeze(0))


def _each(value: int | Sequence[int], dims: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * dims if len(values) == 1 else values


def _matmul(input: Tensor, other: Tensor) -> Call | None:
    return linear(input, other.t()) if _is_weight(other) and other.dim() == 2 and input.dim() > 1 else None


def _addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Call | None:
    if not _is_weight(mat2) or input.dim() != 1 or (beta, alpha) != (1, 1):
        return None
    return linear(mat1, mat2.t(), input)


def _is_weight(x: Any) -> bool:
    """True for a parameter or a view of one."""
    return isinstance(x, Tensor) and bool(parameters_of(x, frames.stack[-1]))


FORMS: dict[str, Callable[..., Call | None]] = {
    "linear": linear,
    "conv1d": functools.partial(_conv, 1),
    "conv2d": functools.partial(_conv, 2),
    "matmul": _matmul,
    "addmm": _addmm,
}
SITES = {"linear": "linear()", "conv1d": "conv1d()", "conv2d": "conv2d()", "matmul": "matmul(weight)",
         "addmm": "addmm(weight)"}  # fmt: skip
"""Names of the products by a weight; one of two activations may stand beside it."""


def parameters_of(weight: Tensor, module: nn.Module) -> list[nn.Parameter]:
    """The parameter that ``weight`` is, or is a view of."""
    if isinstance(weight, nn.Parameter):
        return [weight]
    if not weight.is_inference() and weight._is_view() and isinstance(weight._base, nn.Parameter):
        return [weight._base]
    if weight.grad_fn is not None or weight.device.type == "meta":
        return []
    start = weight.untyped_storage().data_ptr()  # without gradients a view is not known as one
    return [p for p in module.parameters() if p.untyped_storage().data_ptr() == start]


def parameters_behind(weight: Tensor) -> list[nn.Parameter]:
    """The parameters that ``weight`` was computed from, as far as autograd knows."""
    found, waiting, seen = list[nn.Parameter](), [weight.grad_fn], set[Any]()
    while waiting and len(seen) < 200:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        found += [variable] if isinstance(variable, nn.Parameter) else []
        waiting += [before for before, _ in node.next_functions]
    return found
