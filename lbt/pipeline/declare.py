"""Writing into ``dvc.yaml`` what a params file makes a stage read: a user's images, recipes and boards."""

from __future__ import annotations

from pathlib import Path

from lbt.artifacts import atomic
from lbt.errors import LbtError
from lbt.pipeline.declaration import DVC_YAML, read_declarations
from lbt.pipeline.plan import Plan


def declare(params_file: str | Path) -> list[tuple[str, str]]:
    """Add each file of a job that ``dvc.yaml`` does not declare to its stage's ``deps``; return what was added.

    Comments and order of ``dvc.yaml`` stay as they are.

    Raises:
        LbtError: the params are wrong, or their run is not the one that ``dvc.yaml`` versions.
    """
    from ruamel.yaml import YAML

    declarations = read_declarations()
    plan = Plan(params_file, check_files=False)
    if not plan.versioned:
        raise LbtError(f"{params_file}: {DVC_YAML} does not version {plan.root}, so that nothing has to be declared")
    missing = dict.fromkeys(
        (job.stage, file)
        for job in plan.jobs.values()
        for file in job.files
        if not declarations[job.stage].allows_file(file)
    )
    if missing:
        yaml = YAML()
        yaml.width = 200
        yaml.indent(mapping=2, sequence=4, offset=2)
        document = yaml.load(DVC_YAML.read_text(encoding="utf-8"))
        for stage, file in missing:
            document["stages"][stage]["deps"].insert(0, file)
        with atomic(DVC_YAML) as temporary, temporary.open("w", encoding="utf-8") as text:
            yaml.dump(document, text)
    return list(missing)
