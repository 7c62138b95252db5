"""Training on the device against adapting on a server and sending: joules, bytes, seconds, points, privacy.

A calculation, with the accuracies of docs/results/adaptation.parquet: a mean teacher on optdigits→mnist, as long as
params/digits.yaml says. On the device: lbt's cost model of `digit_cnn` on ``zcu102`` (arithmetic and memory in 45 nm,
:mod:`lbt.hardware.energy`; a whole board spends more); a step trains on a batch of each domain, and the teacher reads
one. ``forward only`` is AdaBN: one pass over the target images.

On a server the device sends its target images as PNG, or as the raw bytes that it would keep, and receives the float32
weights; the server's own energy is not counted. Joules a bit of a phone's radio are those that Aalborg University
measured when receiving 500 kB (mobiledevices.kom.aau.dk, "Energy measurements on mobile phones: data download for
different technologies"): a + b·(rate - c), taken at the fastest rate of the fit and for sending too. Radios of today
spend less, and so do chips of today.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _runs
import numpy as np
from PIL import Image

from lbt.artifacts import read_table
from lbt.data.load import load_domain
from lbt.data.params import DomainSpec
from lbt.hardware.estimate import cost
from lbt.models.digit_cnn import build
from lbt.params import load_params

from . import _rows
from . import _setting as setting

NUMBER, SEED, BOARD, SHAPE = 12, setting.SEEDS[0], "zcu102", (3, 32, 32)
TABLE = Path(__file__).parents[2] / "docs" / "results" / "adaptation.parquet"
LOCAL = {"device, int8": "int8", "device, fp32": "fp32"}


@dataclass(frozen=True)
class Radio:
    """Fit of joules a bit: ``a + b · (rate − c)``, ``rate`` in kbit/s, its largest."""

    a: float
    b: float
    c: float
    rate: float

    @property
    def joules_per_byte(self) -> float:
        """At the fastest rate, where a bit is cheapest."""
        return 8 * (self.a + self.b * (self.rate - self.c))

    def seconds(self, sent: float) -> float:
        """Time on air of so many bytes."""
        return 8 * sent / (1000 * self.rate)


RADIOS = {
    "Wi-Fi": Radio(6.45e-7, -1.27e-10, 2130, 5000),
    "Bluetooth": Radio(5.72e-7, -4.89e-10, 685, 850),
    "HSDPA": Radio(1.13e-5, -7.21e-9, 101, 1500),
}


NAMES = (*LOCAL, "forward only, int8", *(f"server, {name}, {packed}" for name in RADIOS for packed in ("PNG", "raw")))
UNITS = {"joules": "J", "seconds": "s", "bytes": "B", "images": "1"}


def jobs() -> Iterator[tuple[str, int, Any]]:
    """One job a row of the table; nothing is random."""
    for name, recipe in LOCAL.items():
        yield name, SEED, functools.partial(local, recipe)
    yield "forward only, int8", SEED, forward_only
    for name in NAMES[len(LOCAL) + 1 :]:
        yield name, SEED, functools.partial(remote, *name.split(", ")[1:])


def local(recipe: str) -> dict[str, float]:
    """Training on the device; nothing leaves it."""
    job = load_params(Path("params/digits.yaml")).adapt.job(setting.PAIR, "mean_teacher", recipe, SEED)
    model = build(10, SHAPE[0])
    student, teacher = (
        cost(model, SHAPE, recipe=recipe, board=BOARD, batch=job.batch, training=training) for training in (True, False)
    )
    joules = job.batch * job.steps * (2 * student.joules_per_image + teacher.joules_per_image)
    seconds = job.steps * (2 * student.seconds + teacher.seconds)
    return {"joules": joules, "seconds": seconds, "bytes": 0.0, "images": 0.0}


def forward_only() -> dict[str, float]:
    """AdaBN: every target image is read once."""
    read = cost(build(10, SHAPE[0]), SHAPE, recipe="int8", board=BOARD, batch=32, training=False)
    count = kept()[1] / np.prod(SHAPE)
    return {"joules": count * read.joules_per_image, "seconds": count / 32 * read.seconds, "bytes": 0.0, "images": 0.0}


def remote(name: str, packed: str) -> dict[str, float]:
    """Sending all target images and receiving the network."""
    weights, images = kept()
    count = float(images / np.prod(SHAPE))
    sent = weights + (images if packed == "raw" else count * png())
    radio = RADIOS[name]
    return {
        "joules": sent * radio.joules_per_byte,
        "seconds": radio.seconds(sent),
        "bytes": float(sent),
        "images": count,
    }


def kept() -> tuple[float, float]:
    """Bytes of the float32 weights and of the target images on the device."""
    one = next(row for row in results() if row["recipe"] == "fp32" and row["method"] == "mean_teacher")
    return float(one["memory/weights_bytes"]), float(one["memory/target_data_bytes"])


@functools.cache
def results() -> list[dict[str, Any]]:
    """Adaptations of the pair."""
    return [row for row in read_table(TABLE).to_pylist() if row["pair"] == setting.PAIR]


def accuracies(name: str) -> list[float]:
    """Accuracies of each seed: AdaBN's where nothing is trained; a server trains in float32."""
    recipe = "int8" if name.endswith("int8") else "fp32"
    method = "adabn" if name.startswith("forward") else "mean_teacher"
    return [row["target_accuracy"] for row in results() if (row["recipe"], row["method"]) == (recipe, method)]


@functools.cache
def png() -> float:
    """Bytes of one of MNIST's digits as PNG, mean over 500."""
    pixels = load_domain(DomainSpec(kind="mnist")).train.pixels[:500, :, :, 0]
    sizes = []
    for one in pixels:
        file = io.BytesIO()
        Image.fromarray(one).save(file, "PNG", optimize=True)
        sizes.append(file.tell())
    return float(np.mean(sizes))


def rows(found: _rows.Found) -> list[_rows.Row]:
    """The table's numbers, and joules of each server over those of the device in int8."""
    made: list[_rows.Row] = []
    device = found.get("device, int8", {}).get(SEED)
    for name, seeds in found.items():
        for metric, unit in UNITS.items():
            made.append(_runs.row(f"claim/{NUMBER}/{name}/{metric}", [seeds[SEED][metric]], unit))
        made.append(_runs.row(f"claim/{NUMBER}/{name}/target_accuracy", accuracies(name), "%"))
        if device:
            ratio = seeds[SEED]["joules"] / device["joules"]
            made.append(_runs.row(f"claim/{NUMBER}/{name}/joules_x_device", [ratio], "x"))
    return made
