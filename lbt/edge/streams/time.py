"""Time: the images as they are, once, in the order of their time stamps."""

from __future__ import annotations

import numpy as np

from lbt.edge.streams import CLEAN, Order, Setting
from lbt.errors import LbtError


def order(setting: Setting) -> Order:
    """The images by time; those of equal time in the order of the table.

    Raises:
        LbtError: the images have no column ``time``, or one has no time.
    """
    if setting.times is None:
        raise LbtError(f"{setting.where}: no column time, by which the stream time orders the images")
    missing = sum(time is None or np.isnan(time) for time in setting.times)
    if missing:
        raise LbtError(f"{setting.where}: column time: {missing} of {len(setting.times)} images have none")
    image = np.argsort(np.array(setting.times, float), kind="stable").astype(np.int64)
    return Order(image, np.full(len(image), CLEAN))
