"""The base of all batch norms: the constructor, parameters, buffers and evaluation mode of ``nn.BatchNorm2d``."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from lbt.errors import LbtError
from lbt.nn.norms._cost import NormCost


def per_channel(vector: Tensor, like: Tensor) -> Tensor:
    """(C,) as (1, C, 1, …), to broadcast against ``like`` of shape (N, C, *)."""
    return vector.view(1, -1, *(1,) * (like.dim() - 2))


def reduced(x: Tensor) -> list[int]:
    """The dimensions of (N, C, *) that a per-channel statistic runs over."""
    return [d for d in range(x.dim()) if d != 1]


class Norm(nn.BatchNorm2d):
    """Base of the batch norms: whatever the variant, state dicts load to and from ``nn.BatchNorm*``.

    Takes inputs of shape (N, C, *) with any number of trailing dimensions. A variant overrides
    :meth:`training_forward`. All per-domain state lives in buffers whose names start with ``running_`` or
    ``num_batches_tracked``.

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: weight of the newest batch in the running statistics; ``None`` for the plain average of all batches.
        affine: learn a weight γ and a bias β per channel.
        track_running_stats: keep running statistics for the evaluation mode.
    """

    cost: ClassVar[NormCost]
    needs_running: ClassVar[bool] = False
    """The training mode itself reads the running statistics."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if self.needs_running and not track_running_stats:
            raise LbtError(f"{type(self).__name__}: track_running_stats=False, but it normalises with these statistics")
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype)

    @classmethod
    def from_batch_norm(cls, batch_norm: nn.Module, **options: Any) -> Self:
        """This variant in place of ``batch_norm``: the same parameter and buffer objects, mode, eps and momentum.

        Args:
            batch_norm: any ``nn.BatchNorm1d/2d/3d`` or another variant.
            options: the variant's own options.

        Raises:
            LbtError: it is no batch norm, or an option is not one of this variant's.
        """
        if not isinstance(batch_norm, nn.modules.batchnorm._BatchNorm):
            raise LbtError(f"{cls.__name__}: expected a batch norm to replace, found {type(batch_norm).__name__}")
        try:
            new = cls(
                batch_norm.num_features,
                batch_norm.eps,
                batch_norm.momentum,
                batch_norm.affine,
                batch_norm.track_running_stats,
                device="meta",  # replaced in the next lines
                **options,
            )
        except TypeError as error:
            raise LbtError(f"{cls.__name__}: {str(error).split('() ')[-1]}") from None
        new._parameters.update(batch_norm._parameters)
        new._buffers.update(batch_norm._buffers)
        new.train(batch_norm.training)
        return new

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, *) → (N, C, *): the variant's own way in training, y = γ(x − μ)/√(σ² + ε) + β in evaluation."""
        self._check_input_dim(input)
        if not input.numel():  # as PyTorch: an empty result, and statistics as they were
            return functional.batch_norm(input, None, None, self.weight, self.bias, True, 0.0, self.eps)
        if self.training or self.running_mean is None:
            return self.training_forward(input)
        return self.normalize_with(input, self.running_mean, self.running_var)

    def training_forward(self, x: Tensor) -> Tensor:
        """(N, C, *) → (N, C, *) in training mode, accumulating the running statistics."""
        raise NotImplementedError

    def normalize_with(self, x: Tensor, mean: Tensor | None, variance: Tensor | None) -> Tensor:
        """γ(x − mean)/√(variance + ε) + β with the statistics as constants, in the backward pass too."""
        return functional.batch_norm(x, mean, variance, self.weight, self.bias, False, 0.0, self.eps)

    def running(self) -> tuple[Tensor, Tensor]:
        """The running mean and variance, (C,) each, for the variants that cannot do without."""
        assert self.running_mean is not None
        assert self.running_var is not None
        return self.running_mean, self.running_var

    @torch.no_grad()
    def batch_statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and biased variance of each channel, (C,) and (C,), after accumulating them.

        A single value per channel says nothing about the variance: the running statistics then stay as they are.
        """
        several = x.numel() // x.shape[1] > 1
        if self.running_mean is not None and self.training and several:
            # one fused pass; it also folds them into the running statistics (the variance unbiased, as torch does)
            return torch.batch_norm_update_stats(x, self.running_mean, self.running_var, self.count_batch())
        variance, mean = torch.var_mean(x, reduced(x), correction=0)
        return mean, variance

    @torch.no_grad()
    def accumulate(self, mean: Tensor, variance: Tensor, n: int) -> None:
        """Fold a batch's mean and biased variance (C,) over ``n`` values per channel into the running statistics."""
        if self.running_mean is None or self.running_var is None or not self.training:
            return
        factor = self.count_batch()
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), factor)
        self.running_var.lerp_(variance.to(self.running_var.dtype) * (n / (n - 1)), factor)

    def count_batch(self) -> float:
        """Count one more batch; the weight that its statistics get."""
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        if self.momentum is not None:
            return self.momentum
        return 1.0 / float(self.num_batches_tracked) if self.num_batches_tracked is not None else 0.0

    def check_batch(self, x: Tensor) -> int:
        """Values per channel, n = N·H·W.

        Raises:
            LbtError: there are fewer than two, so that a statistic of this batch alone would be meaningless.
        """
        n = x.numel() // x.shape[1]
        if n < 2:
            raise LbtError(
                f"{type(self).__name__}({self.num_features}): {n} value per channel in training, but the statistics of "
                "a batch need at least 2; use larger batches, or a norm that uses running statistics (running_bn)"
            )
        return n

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2 or input.shape[1] != self.num_features:
            raise LbtError(
                f"{type(self).__name__}: expected an input of shape (N, {self.num_features}, *), "
                f"found {tuple(input.shape)}"
            )
