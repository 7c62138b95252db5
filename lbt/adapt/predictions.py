"""The deployed network's prediction for each test image of the target: a table to read, and a sheet to look at."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from torch import Tensor

from lbt.artifacts import Images, atomic
from lbt.data.sheet import write_sheet

COLUMNS = ("image", "file", "label", "predicted", "confidence", "before", "before_confidence")
ACROSS = 14
"""Images in a row of the sheet: half of them the surest, half the least sure."""


def write_predictions(path: Path, images: Images, classes: tuple[str, ...], after: Tensor, before: Tensor) -> None:
    """A CSV with a row for each image, the least sure first.

    Its columns: ``image``, the row in the image table; ``file``, where the table has it; ``label``, empty where there
    is none; ``predicted`` class and its probability ``confidence``; ``before`` and ``before_confidence``, the same of
    the pretrained network.

    Args:
        path: the file.
        images: the test split.
        classes: names in the order of the probabilities.
        after: (N, classes) of the deployed network.
        before: the same of the pretrained one.
    """
    sure, predicted = (found.tolist() for found in after.max(1))
    sure_before, predicted_before = (found.tolist() for found in before.max(1))
    files = images.columns.get("file", [None] * len(images))
    names = [images.classes[n] if n >= 0 else "" for n in images.labels.tolist()]
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(COLUMNS)
        for n in sorted(range(len(images)), key=lambda n: (sure[n], n)):
            after_is, before_is = classes[predicted[n]], classes[predicted_before[n]]
            numbers = f"{sure[n]:.4f}", f"{sure_before[n]:.4f}"
            table.writerow((n, files[n] or "", names[n], after_is, numbers[0], before_is, numbers[1]))


def write_confidence_sheet(path: Path, images: Images, classes: tuple[str, ...], after: Tensor) -> None:
    """A PNG with a row for each predicted class: on the left its surest images, on the right its least sure ones."""
    sure, predicted = (found.numpy() for found in after.max(1))
    chosen = []
    for number in range(len(classes)):
        members = np.flatnonzero(predicted == number)
        members = members[np.argsort(-sure[members], kind="stable")]
        half = ACROSS // 2
        chosen.append(members if len(members) <= ACROSS else np.concatenate([members[:half], members[-half:]]))
    index = np.concatenate(chosen)
    write_sheet(path, Images(images.pixels[index], predicted[index], classes), columns=ACROSS)
