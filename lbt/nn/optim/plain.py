"""PyTorch's SGD, Adam and AdamW in processes that compile nothing.

PyTorch's optimizers import its compiler when they are made and at their first step, to tell it what it must not trace:
over a second of every process. Outside of ``torch.compile`` these run the same code without that.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch


class _Uncompiled(torch.optim.Optimizer):
    """Mixin: each method that PyTorch keeps from the compiler, as it is where nothing is being compiled."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """One update without gradients of its own; returns the loss of ``closure``, if there is one."""
        method = self._of_torch().step
        if torch.compiler.is_compiling():
            return method(self, closure)
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            return inspect.unwrap(method)(self, closure)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, as PyTorch's."""
        inspect.unwrap(torch.optim.Optimizer.add_param_group)(self, param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients, as PyTorch's."""
        inspect.unwrap(torch.optim.Optimizer.zero_grad)(self, set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """State and options of the groups, as PyTorch's."""
        return inspect.unwrap(torch.optim.Optimizer.state_dict)(self)  # type: ignore[no-any-return]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave."""
        inspect.unwrap(torch.optim.Optimizer.load_state_dict)(self, state_dict)

    def _of_torch(self) -> Any:
        """PyTorch's class that this one is."""
        return next(kind for kind in type(self).__mro__ if kind.__module__.startswith("torch.optim."))


class SGD(_Uncompiled, torch.optim.SGD):
    """:class:`torch.optim.SGD`."""


class Adam(_Uncompiled, torch.optim.Adam):
    """:class:`torch.optim.Adam`."""


class AdamW(_Uncompiled, torch.optim.AdamW):
    """:class:`torch.optim.AdamW`."""
