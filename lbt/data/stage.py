"""The data stage: one domain → Parquet per split, a contact sheet, and counts."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lbt.artifacts import Images, write_images
from lbt.data.load import load_domain
from lbt.data.params import DataParams
from lbt.data.sheet import write_sheet
from lbt.errors import unknown


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Which domain to prepare. Paths in its spec are relative to the working directory."""

    domain: str


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Where the splits (Parquet) and the contact sheet (PNG) go."""

    train: Path
    validation: Path
    test: Path
    sheet: Path


def run(params: DataParams, inputs: Inputs, outputs: Outputs) -> dict[str, float | int | str]:
    """Prepare one domain.

    Returns:
        per split ``count``, ``unlabelled``, ``class/NAME`` and the ``sha256`` of pixels and labels; ``skipped``: files
        that could not be read.
    """
    if inputs.domain not in params.domains:
        raise unknown("domain", inputs.domain, params.domains, "data.domains")
    splits = load_domain(params.domains[inputs.domain], inputs.domain)
    for name in splits.skipped[:10]:
        print(f"data.domains.{inputs.domain}: skipped {name}: not a readable image", file=sys.stderr)
    metrics: dict[str, float | int | str] = {"skipped": len(splits.skipped)}
    for part, images in splits.items():
        write_images(getattr(outputs, part), images)
        counts = np.bincount(images.labels[images.labels >= 0], minlength=len(images.classes))
        metrics[f"{part}/count"] = len(images)
        metrics[f"{part}/unlabelled"] = int((images.labels < 0).sum())
        metrics[f"{part}/sha256"] = _sha256(images)
        metrics |= {f"{part}/class/{name}": int(n) for name, n in zip(images.classes, counts, strict=True)}
    write_sheet(outputs.sheet, splits.train)
    return metrics


def _sha256(images: Images) -> str:
    return hashlib.sha256(images.pixels.tobytes() + images.labels.astype("<i8").tobytes()).hexdigest()
