"""MNIST-M style digits from all of MNIST (see ``mnist_full`` for the files, ``mnistm`` for how they are blended)."""

from __future__ import annotations

from lbt.data.blend import blend
from lbt.data.domains import mnist_full
from lbt.data.params import DomainSpec
from lbt.data.splits import DIGITS, Splits

CLASSES = DIGITS


def load(spec: DomainSpec) -> Splits:
    """The published MNIST digits over photo patches drawn with the spec's seed: 55,000 / 5,000 / 10,000."""
    digits = spec if spec.path else spec.model_copy(update={"path": "inputs/mnist_full"})
    return blend(mnist_full.load(digits), spec.seed)
