"""Digit and photo domains, and the architecture table, as Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lbt.data.beside import labels_beside
from lbt.data.params import NEEDS_PATH, DomainSpec
from lbt.params import Params
from lbt.pipeline.job import Job, Paths

SECTIONS = ("data",)
HEADLINE = ("train/count", "validation/count", "test/count", "skipped", "cells")
TABLE = "nasbench201"
SPLITS = {"train": "train.parquet", "validation": "validation.parquet", "test": "test.parquet"}
OUTPUTS = {**SPLITS, "sheet": "sheet.png"}
CELLS = "cells.parquet"


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """One job per domain, and one for the architecture table."""
    for name, spec in params.data.domains.items():
        knobs = {f"data.domains.{name}": spec.model_dump()}
        yield Job("data", name, knobs, tuple(OUTPUTS.values()), files=_own(spec), group=name)
    yield Job("data", TABLE, {}, (CELLS,), group=TABLE)


def _own(spec: DomainSpec) -> tuple[str, ...]:
    """The user's files that a domain is read from."""
    if spec.kind not in NEEDS_PATH or spec.path is None:
        return ()
    labels = labels_beside(Path(spec.path))
    return (spec.path,) if labels is None else (spec.path, labels.as_posix())


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Prepare one domain or the table."""
    if job.name == TABLE:
        from lbt.nas.tables import write_nasbench201

        return write_nasbench201(paths.out(CELLS))
    from lbt.data.params import DataParams
    from lbt.data.stage import Inputs, Outputs, run

    params = DataParams.model_validate({"domains": {job.name: job.params[f"data.domains.{job.name}"]}})
    return run(params, Inputs(domain=job.name), Outputs(**paths.outs(OUTPUTS)))


def splits(folder: Path) -> dict[str, Path]:
    """The files of a domain that was prepared in ``folder``, by the name of the split."""
    return {split: folder / name for split, name in SPLITS.items()}
