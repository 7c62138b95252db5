"""A small network trained in integers from the image to the update: the same bits on any machine."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from lbt.distributed import share, total
from lbt.errors import LbtError
from lbt.fixed.softmax import PROBABILITY, cross_entropy_error
from lbt.fixed.update import IntegerSGD
from lbt.integer.layers import BatchNorm, Codes, Conv, Layer, Moment, Narrow, ReLU, exchange
from lbt.integer.pooling import AvgPool, MaxPool
from lbt.kernels.geometry import Geometry
from lbt.numerics.rounding import Key


class IntegerNetwork:
    """A chain of layers of :mod:`lbt.integer.layers`, softmax cross-entropy, and integer SGD with momentum.

    The same start, batches and seed give the same weights to the last bit, whatever the number of threads, of parts in
    which a batch is processed, of processes that share it (``torchrun``), or the machine. ``fingerprint`` is a hash to
    compare.

    Args:
        model: ``nn.Sequential`` of Conv2d, BatchNorm2d, ReLU, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d(1), and at the
            end Flatten and a Linear.
        image: C, H, W of the input.
        rule: learning rate, momentum, weight decay.
        seed: of stochastic rounding.
        frozen: batch norms keep the statistics of the first batch.

    Raises:
        LbtError: a layer that has no integer form here; names it.
    """

    def __init__(
        self,
        model: nn.Sequential,
        image: tuple[int, int, int],
        rule: IntegerSGD | None = None,
        seed: int = 0,
        *,
        frozen: bool = False,
    ) -> None:
        self.rule, self.seed, self.steps = rule or IntegerSGD(), seed, 0
        self.layers = build(model, image)
        self.loss_error = Narrow(8, "stochastic", "E", "loss")
        for layer in self.layers:
            if isinstance(layer, BatchNorm):
                layer.frozen = frozen

    def calibrate(self, images: Tensor, labels: Tensor, start: int = 0) -> None:
        """Find the first shifts and running statistics from one batch, of which this process's share begins at
        ``start`` (nothing is learnt)."""
        self._part(images, labels, Moment(Key(self.seed), start, calibrating=True))
        for layer in self.layers:
            for parameter in layer.parameters:
                parameter.gradient.zero_()

    def step(self, images: Tensor, labels: Tensor, parts: int = 1) -> int:
        """One training step.

        Args:
            images: int8 codes (N, C, H, W), value = code · 2^-7. Processes that share the work are all given the whole
                batch, and take their share of it.
            labels: int64 (N,).
            parts: process the batch in so many parts (the result does not depend on it).

        Returns:
            How many images of the whole batch were classified rightly (before the update).
        """
        own = share(len(images))
        halvings = len(images).bit_length() - 1  # the mean over the batch, to a power of two
        images, labels = images[own], labels[own]
        if self.steps == 0:
            self.calibrate(images, labels, own.start)
        key, start, right = Key(self.seed, self.steps), own.start, torch.zeros(1, dtype=torch.int64)
        for x, y in zip(images.tensor_split(parts), labels.tensor_split(parts), strict=True):
            right += self._part(x, y, Moment(key, start))
            start += len(x)
        exchange(self.layers, self.loss_error)
        for layer in self.layers:
            layer.finish(self.rule, key, halvings)
        self.loss_error.finish()
        self.steps += 1
        return int(total([right])[0])

    def logits(self, images: Tensor) -> Codes:
        """The network's output, int32 (N, classes), for int8 codes; changes nothing that training sees."""
        x, at = Codes(images, -7), Moment(Key(self.seed))
        kept = [(n, n.largest) for layer in self.layers for n in layer.narrows]
        seen = [(b, b.seen) for b in self.layers if isinstance(b, BatchNorm)]
        for layer in self.layers:
            x = layer.forward(x, at)
        for narrow, largest in kept:
            narrow.largest = largest
        for batch_norm, before in seen:
            batch_norm.seen = before
        return Codes(x.codes.flatten(1), x.exponent)

    def fingerprint(self) -> str:
        """SHA-256 of all master weights, velocities and running statistics."""
        digest = hashlib.sha256()
        for layer in self.layers:
            tensors = [t for p in layer.parameters for t in (p.master, p.velocity)]
            if isinstance(layer, BatchNorm):
                tensors += [layer.mean, layer.variance]
            for tensor in tensors:
                digest.update(tensor.contiguous().to(torch.int64).numpy().astype("<i8").tobytes())
        return digest.hexdigest()

    def _part(self, images: Tensor, labels: Tensor, at: Moment) -> int:
        x = Codes(images, -7)
        for layer in self.layers:
            x = layer.forward(x, at)
        logits = x.codes.flatten(1)
        error = self.loss_error(cross_entropy_error(logits, x.exponent, labels).view(x.codes.shape), -PROBABILITY, at)
        for layer in reversed(self.layers):
            error = layer.backward(error, at)
        return int((logits.argmax(1) == labels).sum())


def build(model: nn.Sequential, image: tuple[int, int, int]) -> list[Layer]:
    """The integer layers of a float network, weights rounded to master codes."""
    layers: list[Layer] = []
    channels, size = image[0], image[1:]
    names = [name for name, module in model.named_children() if not isinstance(module, nn.Flatten | nn.Identity)]
    children = dict(model.named_children())
    for name, module in children.items():
        follower = next((children[n] for n in names[names.index(name) + 1 :]), None) if name in names else None
        # the last layer leaves its sums; a norm reads 16 bits, and a product or a pool 8
        bits = None if follower is None else 16 if isinstance(follower, nn.BatchNorm2d) else 8
        match module:
            case nn.Conv2d() if not isinstance(module.padding, str) and module.padding_mode == "zeros":
                geometry = Geometry(_pair(module.stride), _pair(module.padding), _pair(module.dilation), module.groups)
                layers.append(Conv(name, module.weight, geometry, module.bias, bits))
                height, width = geometry.output(size, _pair(module.kernel_size))
                size, channels = (height, width), module.out_channels
            case nn.BatchNorm2d(affine=True):
                layers.append(BatchNorm(name, module.weight, module.bias, module.eps))
            case nn.ReLU():
                layers.append(ReLU())
            case nn.MaxPool2d(dilation=1, ceil_mode=False):
                pool = MaxPool(name, _pair(module.kernel_size), _pair(module.stride), _pair(module.padding))
                layers.append(pool)
                size = pool.output(size)
            case nn.AvgPool2d(padding=0) if _tiles(_pair(module.kernel_size), _pair(module.stride), size):
                window = _pair(module.kernel_size)
                layers.append(AvgPool(name, window))
                size = (size[0] // window[0], size[1] // window[1])
            case nn.AdaptiveAvgPool2d(output_size=1 | (1, 1)):
                layers.append(AvgPool(name, size))
                size = (1, 1)
            case nn.Flatten() | nn.Identity():
                pass
            case nn.Linear() if module.in_features == channels * size[0] * size[1]:
                weight = module.weight.view(-1, channels, *size)
                layers.append(Conv(name, weight, Geometry(), module.bias, bits))
                channels, size = module.out_features, (1, 1)
            case _:
                raise LbtError(
                    f"layer {name!r}: {module} has no integer form; accepted: Conv2d, BatchNorm2d, ReLU, MaxPool2d, "
                    "AvgPool2d (windows that tile the image), AdaptiveAvgPool2d(1), Flatten, Linear"
                )
    return layers


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _tiles(window: tuple[int, int], stride: tuple[int, int], size: tuple[int, int]) -> bool:
    return window == stride and size[0] % window[0] == size[1] % window[1] == 0
