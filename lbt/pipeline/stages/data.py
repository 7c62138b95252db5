"""Digit and photo domains, and the architecture table, as Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lbt.data.beside import labels_beside
from lbt.data.params import DomainSpec
from lbt.params import Params
from lbt.pipeline.job import Job, Paths

SECTIONS = ("data",)
HEADLINE = ("train/count", "validation/count", "test/count", "skipped", "cells")
TABLE = "nasbench201"
SPLITS = ("train", "validation", "test")


def jobs(params: Params, made: Mapping[str, Job]) -> Iterator[Job]:
    """One job per domain, and one for the architecture table."""
    outputs = ("metrics.json", *(f"{split}.parquet" for split in SPLITS), "sheet.png")
    for name, spec in params.data.domains.items():
        yield Job("data", name, {f"data.domains.{name}": spec.model_dump()}, outputs, files=_own(spec), group=name)
    yield Job("data", TABLE, {}, ("metrics.json", "cells.parquet"), group=TABLE)


def _own(spec: DomainSpec) -> tuple[str, ...]:
    """The user's files that a domain is read from."""
    if spec.kind not in ("folder", "arrays") or spec.path is None:
        return ()
    labels = labels_beside(Path(spec.path))
    return (spec.path,) if labels is None else (spec.path, labels.as_posix())


def run(job: Job, paths: Paths) -> dict[str, Any]:
    """Prepare one domain or the table."""
    if job.name == TABLE:
        from lbt.nas.tables import write_nasbench201

        return write_nasbench201(paths.out("cells.parquet"))
    from lbt.data.params import DataParams
    from lbt.data.stage import Inputs, Outputs, run

    params = DataParams.model_validate({"domains": {job.name: job.params[f"data.domains.{job.name}"]}})
    splits = {split: paths.out(f"{split}.parquet") for split in SPLITS}
    return run(params, Inputs(domain=job.name), Outputs(**splits, sheet=paths.out("sheet.png")))
