"""dvc.yaml declares what the code really imports: neither engine can miss a change."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from lbt.errors import LbtError
from lbt.pipeline.declaration import read_declarations

ROOT = Path(__file__).resolve().parents[2]
DECLARATIONS = read_declarations(ROOT / "dvc.yaml")
ENGINE = ("lbt/pipeline/", "lbt/params.py", "lbt/__init__.py", "lbt/lazy.py")
"""What carries jobs out, checks the params file as a whole, or only says where a name lives: it decides nothing about a
job's outputs."""


def module_file(dotted: str) -> Path | None:
    base = ROOT / Path(*dotted.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def imports(path: Path) -> set[Path]:
    """The files of lbt that a file imports, anywhere in it (a registry counts as its whole package)."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("lbt."):
            names = [node.value]
        for name in filter(lambda n: n.startswith("lbt"), names):
            file = module_file(name)
            if file:
                found.add(file)
    return found


def closure(start: Path) -> set[str]:
    seen: set[Path] = set()
    queue = [start]
    while queue:
        file = queue.pop()
        if file in seen:
            continue
        seen.add(file)
        queue += [f for f in imports(file) if not f.relative_to(ROOT).as_posix().startswith(ENGINE)]
    return {file.relative_to(ROOT).as_posix() for file in seen}


@pytest.mark.parametrize("stage", DECLARATIONS)
def test_a_stage_declares_everything_that_it_imports(stage):
    declared = DECLARATIONS[stage].code
    needed = closure(ROOT / f"lbt/pipeline/stages/{stage}.py") - {"lbt/params.py"}
    needed = {file for file in needed if not file.startswith(ENGINE) or file == f"lbt/pipeline/stages/{stage}.py"}
    missing = sorted(f for f in needed if not any(f == d or f.startswith(f"{d}/") for d in declared))
    assert missing == []


@pytest.mark.parametrize("stage", DECLARATIONS)
def test_declared_code_exists(stage):
    assert [path for path in DECLARATIONS[stage].code if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("outs", ["[{}]", "3", "[[]]", "[results/other]"])
def test_outputs_that_are_none_are_one_line(outs, tmp_path):
    path = tmp_path / "dvc.yaml"
    path.write_text(f"stages: {{data: {{cmd: x, outs: {outs}}}}}")
    with pytest.raises(LbtError, match=r"dvc.yaml"):
        read_declarations(path)
