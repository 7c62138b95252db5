"""MNIST-M style digits: each embedded MNIST digit blended with a patch of a natural photo, colour, 32×32.

|patch − digit| per channel, as in Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 17 (2016),
section 5.2.3; they took BSDS500 patches, we take the photos that ship with scikit-image and scikit-learn. A split's
digits are the digits of the same split of ``mnist``, and its patches come from that split's own part of the photos.
"""

from __future__ import annotations

from lbt.data.blend import blend
from lbt.data.domains import mnist
from lbt.data.params import DomainSpec
from lbt.data.splits import DIGITS, Splits

CLASSES = DIGITS


def load(spec: DomainSpec) -> Splits:
    """The embedded digits over patches drawn with the spec's seed: 4,000 / 500 / 500."""
    return blend(mnist.load(spec), spec.seed)
