"""Writing the ``deps`` of ``dvc.yaml``: the code that a stage imports, and the files that a params file names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lbt.artifacts import atomic
from lbt.pipeline.declaration import DVC_YAML, read_declarations
from lbt.pipeline.imports import PACKAGE, Imports
from lbt.pipeline.plan import Plan

ENGINE = ("lbt/pipeline/", "lbt/params.py", "lbt/__init__.py", "lbt/lazy.py")
"""Code that carries jobs out, checks the params as a whole, or says where a name lives: no job's outputs rest on it."""
ALWAYS = ("lbt/pipeline/summary.py", "lbt/reproducible.py")
"""Those files of the engine that every job's outputs do rest on."""


def code_of(stage: str, imports: Imports) -> list[str]:
    """The files and folders of ``lbt/`` on which the outputs of ``stage`` rest, sorted."""
    return imports.folded(imports.closure((f"lbt/pipeline/stages/{stage}.py", *ALWAYS)))


def declare_code() -> list[str]:
    """Write into ``dvc.yaml`` the files of ``lbt/`` that each stage imports, directly or not.

    Dependencies outside ``lbt/``, comments and the order of the others stay as they are.

    Returns:
        A line with the number of dependencies, if any was added or removed: the code is lbt's, and nobody chose it.
    """
    imports = Imports(beside=ENGINE)
    added, removed = {}, {}
    for name, stage in read_declarations().items():
        old, new = {path for path in stage.code if path.startswith(f"{PACKAGE}/")}, set(code_of(name, imports))
        added[name], removed[name] = sorted(new - old), sorted(old - new)
    _change(added, removed)
    stages = [name for name in added if added[name] or removed[name]]
    counts = [sum(map(len, changed.values())) for changed in (added, removed)]
    return [f"{DVC_YAML}: code of {', '.join(stages)}: {counts[0]} added, {counts[1]} removed"] if stages else []


def declare_inputs(params_file: str | Path) -> list[str]:
    """Write into ``dvc.yaml`` the images, recipes and boards of a params file that it does not declare.

    Returns:
        A line for each dependency that was added, or one that ``dvc.yaml`` does not version the run of these params.

    Raises:
        LbtError: the params are wrong.
    """
    declarations = read_declarations()
    plan = Plan(params_file, check_files=False)
    if not plan.versioned:
        return [f"{params_file}: {DVC_YAML} does not version {plan.root}, so that its inputs need no declaration"]
    missing: dict[str, list[str]] = {}
    for job in plan.jobs.values():
        for file in job.files:
            known = missing.setdefault(job.stage, [])
            if file not in known and not declarations[job.stage].allows_file(file):
                known.append(file)
    return _change(missing, {})


def _change(added: Mapping[str, list[str]], removed: Mapping[str, list[str]]) -> list[str]:
    """Add and remove dependencies of each stage: what is added stands before the first that sorts after it."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 200
    yaml.indent(mapping=2, sequence=4, offset=2)
    lines = []
    document = yaml.load(DVC_YAML.read_text(encoding="utf-8"))
    for stage in document["stages"]:
        deps = document["stages"][stage]["deps"]
        for file in removed.get(stage, []):
            deps.remove(file)
            lines.append(f"{DVC_YAML}: stages.{stage}.deps: {file} removed")
        for file in added.get(stage, []):
            deps.insert(next((index for index, other in enumerate(deps) if other > file), len(deps)), file)
            lines.append(f"{DVC_YAML}: stages.{stage}.deps: {file} added")
    if lines:
        with atomic(DVC_YAML) as temporary, temporary.open("w", encoding="utf-8") as text:
            yaml.dump(document, text)
    return lines
