"""A small network trained in integers from the image to the update: the same bits on any machine."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn

from lbt.errors import LbtError
from lbt.nn.integer.conv import Geometry
from lbt.nn.integer.layers import AvgPool, BatchNorm, Codes, Conv, Layer, Moment, Narrow, ReLU
from lbt.nn.integer.softmax import PROBABILITY, cross_entropy_error
from lbt.nn.integer.update import IntegerSGD
from lbt.numerics.rounding import Key


class IntegerNetwork:
    """A chain of layers of :mod:`lbt.nn.integer.layers`, softmax cross-entropy, and integer SGD with momentum.

    The same start, batches and seed give the same weights to the last bit, whatever the number of threads, the number
    of parts in which a batch is processed, or the machine. ``fingerprint`` is a hash to compare.

    Args:
        model: ``nn.Sequential`` of Conv2d without bias, BatchNorm2d, ReLU, AvgPool2d, and at the end Flatten and a
            Linear without bias.
        image: C, H, W of the input.
        rule: learning rate, momentum, weight decay.
        seed: of stochastic rounding.

    Raises:
        LbtError: a layer that has no integer form here; names it.
    """

    def __init__(
        self, model: nn.Sequential, image: tuple[int, int, int], rule: IntegerSGD | None = None, seed: int = 0
    ) -> None:
        self.rule, self.seed, self.steps = rule or IntegerSGD(), seed, 0
        self.layers = build(model, image)
        self.loss_error = Narrow(8, "stochastic", "E", "loss")

    def calibrate(self, images: Tensor, labels: Tensor) -> None:
        """Find the first shifts and running statistics from one batch (nothing is learnt)."""
        self._part(images, labels, Moment(Key(self.seed), calibrating=True))
        for layer in self.layers:
            for parameter in layer.parameters:
                parameter.gradient.zero_()

    def step(self, images: Tensor, labels: Tensor, parts: int = 1) -> int:
        """One training step.

        Args:
            images: int8 codes (N, C, H, W), value = code · 2^-7.
            labels: int64 (N,).
            parts: process the batch in so many parts (the result does not depend on it).

        Returns:
            How many images were classified rightly (before the update).
        """
        if self.steps == 0:
            self.calibrate(images, labels)
        key, start, right = Key(self.seed, self.steps), 0, 0
        for x, y in zip(images.tensor_split(parts), labels.tensor_split(parts), strict=True):
            right += self._part(x, y, Moment(key, start))
            start += len(x)
        halvings = len(images).bit_length() - 1  # the mean over the batch, to a power of two
        for layer in self.layers:
            layer.finish(self.rule, key, halvings)
        self.loss_error.finish()
        self.steps += 1
        return right

    def logits(self, images: Tensor) -> Codes:
        """The network's output, int32 (N, classes), for int8 codes; changes nothing that training sees."""
        x, at = Codes(images, -7), Moment(Key(self.seed))
        kept = [(n, n.largest) for layer in self.layers for n in layer.narrows]
        sums = [(b, b.sums, b.n) for b in self.layers if isinstance(b, BatchNorm)]
        for layer in self.layers:
            x = layer.forward(x, at)
        for narrow, largest in kept:
            narrow.largest = largest
        for batch_norm, total, n in sums:
            batch_norm.sums, batch_norm.n = total, n
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
        total = cross_entropy_error(logits, x.exponent, labels)
        error = self.loss_error(total.view(x.codes.shape), -PROBABILITY, at)
        for layer in reversed(self.layers):
            error = layer.backward(error, at)
        return int((logits.argmax(1) == labels).sum())


def build(model: nn.Sequential, image: tuple[int, int, int]) -> list[Layer]:
    """The integer layers of a float network, weights rounded to master codes."""
    layers: list[Layer] = []
    channels, *size = image
    for name, module in model.named_children():
        match module:
            case nn.Conv2d(bias=None) if not isinstance(module.padding, str):
                (sh, sw), (ph, pw), (dh, dw) = module.stride, module.padding, module.dilation
                geometry = Geometry((sh, sw), (ph, pw), (dh, dw), module.groups)
                layers.append(Conv(name, module.weight, geometry))
                size = list(geometry.output((size[0], size[1]), (module.kernel_size[0], module.kernel_size[1])))
                channels = module.out_channels
            case nn.BatchNorm2d(affine=True):
                layers.append(BatchNorm(name, module.weight, module.bias, module.eps))
            case nn.ReLU():
                layers.append(ReLU())
            case nn.AvgPool2d(kernel_size=int(k)) if k & (k - 1) == 0 and size[0] % k == size[1] % k == 0:
                layers.append(AvgPool(name, k))
                size = [size[0] // k, size[1] // k]
            case nn.Flatten():
                pass
            case nn.Linear(bias=None) if module.in_features == channels * size[0] * size[1]:
                weight = module.weight.view(-1, channels, *size)
                layers.append(Conv(name, weight, Geometry(), bits=None))
                channels, size = module.out_features, [1, 1]
            case _:
                raise LbtError(
                    f"layer {name!r}: {module} has no integer form; accepted: Conv2d(bias=False), BatchNorm2d, ReLU, "
                    "AvgPool2d (2, 4, 8, dividing the image), Flatten, Linear(bias=False)"
                )
    return layers
