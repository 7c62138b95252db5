"""The data stage: one domain → Parquet per split, a contact sheet, and counts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lbt.artifacts import Images, write_images
from lbt.data.load import load_domain
from lbt.data.own import told
from lbt.data.params import DataParams
from lbt.data.sheet import write_sheet
from lbt.errors import unknown, warn


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
        per split ``count``, ``unlabelled``, ``class/NAME`` and the ``sha256`` of pixels and labels; ``skipped``: number
        of files that were left out, and ``skipped/REASON``; ``warnings``: number of lines on what looks odd.
    """
    if inputs.domain not in params.domains:
        raise unknown("domain", inputs.domain, params.domains, "data.domains")
    splits = load_domain(params.domains[inputs.domain], inputs.domain)
    for line in told(splits.notes, splits.skipped):
        warn(f"data.domains.{inputs.domain}: {line}")
    metrics: dict[str, float | int | str] = {"skipped": sum(map(len, splits.skipped.values()))}
    metrics |= {f"skipped/{reason}": len(names) for reason, names in splits.skipped.items()}
    if splits.notes:
        metrics["warnings"] = len(splits.notes)
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
    digest = hashlib.sha256(np.ascontiguousarray(images.pixels).data)
    digest.update(images.labels.astype("<i8").tobytes())
    return digest.hexdigest()
