"""Any domain, in the form that its spec asks for."""

from __future__ import annotations

import numpy as np

from lbt.artifacts import Images
from lbt.data.domains import DOMAINS
from lbt.data.images import convert, select_classes
from lbt.data.params import DomainSpec
from lbt.data.splits import Splits
from lbt.errors import LbtError, unknown


def load_domain(spec: DomainSpec, name: str = "") -> Splits:
    """The splits of one domain, with the classes, the number of images, the size and the channels that ``spec`` asks.

    Args:
        spec: what to load.
        name: the domain's name, for error messages. Default: its kind.

    Raises:
        LbtError: data that cannot be had or read, unknown or empty classes, fewer images than asked for.
    """
    where = f"data.domains.{name or spec.kind}"
    try:
        splits: Splits = DOMAINS.load(spec.kind).load(spec)
    except LbtError as error:
        raise LbtError(f"{where}: {error}") from None
    wanted = {"train": spec.train, "validation": spec.validation, "test": spec.test}
    splits = splits.map(lambda part, images: _prepare(images, spec, wanted[part], f"{where}.{part}"))
    train = splits.train
    counts = np.bincount(train.labels[train.labels >= 0], minlength=len(train.classes))
    if counts.any() and not counts.all() and (train.labels >= 0).all():
        raise LbtError(f"{where}: no training images in class {', '.join(np.array(train.classes)[counts == 0])}")
    return splits


def _prepare(images: Images, spec: DomainSpec, count: int | None, where: str) -> Images:
    if spec.classes is not None and images.classes != tuple(spec.classes):
        for name in spec.classes:
            if name not in images.classes:
                raise unknown("class", name, images.classes, where.rpartition(".")[0] + ".classes")
        images = select_classes(images, spec.classes)
    if count is not None and count > len(images):
        raise LbtError(f"{where}: found {count}; this domain has {len(images)} images there")
    images = images.take(slice(count))
    if not len(images):
        raise LbtError(f"{where}: no images")
    return convert(images, spec.channels, spec.size)
