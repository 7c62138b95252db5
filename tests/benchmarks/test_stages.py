"""benchmarks/dvc.yaml: a stage for everything that rides in git, a command that exists, a record of the bytes."""

from __future__ import annotations

import argparse
import hashlib
import runpy
import shlex
import sys
from collections import Counter
from pathlib import Path

import pytest

from lbt.config import read_yaml

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
STAGES = read_yaml(BENCHMARKS / "dvc.yaml")["stages"]
TABLES = [ROOT / "lbt/hardware" / name for name in ("units.parquet", "paths.parquet", "placed.json")]
SHIPPED = [*(ROOT / "docs/results").iterdir(), *TABLES]


def outs(stage: dict) -> list[str]:
    return [path for out in stage["outs"] for path in out]


def commands(stage: dict) -> list[list[str]]:
    found = [stage["cmd"]] if isinstance(stage["cmd"], str) else stage["cmd"]
    return [words for words in map(shlex.split, found) if words[:2] != ["rm", "-rf"]]


def test_every_shipped_file_is_an_output_of_one_stage():
    made = Counter(path for stage in STAGES.values() for path in outs(stage))
    assert set(made.values()) == {1}
    assert [str(f) for f in SHIPPED if f.relative_to(ROOT).as_posix() not in made] == []


def test_no_stage_runs_by_accident_or_fills_the_cache():
    for stage in STAGES.values():
        assert stage["frozen"] is True
        assert all(options["cache"] is False for out in stage["outs"] for options in out.values())


def test_the_dependencies_exist_and_have_the_script_that_makes_the_outputs():
    for stage in STAGES.values():
        assert [dep for dep in stage["deps"] if not (ROOT / dep).is_file()] == []
        scripts = [command[1] for command in commands(stage)]
        assert scripts[0] in ("-m", *stage["deps"])


def test_every_file_of_the_units_is_a_dependency():
    files = {f.relative_to(ROOT).as_posix() for f in (ROOT / "lbt/hardware/rtl").glob("*.py")}
    assert set(STAGES["units"]["deps"]) == files


class Parsed(Exception):
    """The options were accepted; the benchmark itself is not run."""


@pytest.mark.parametrize("name", STAGES)
def test_the_scripts_accept_their_options(name, monkeypatch):
    def stop(self, args=None):
        parse(self, args)
        raise Parsed

    parse = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    modules = set(sys.modules)
    for python, script, *options in commands(STAGES[name]):
        assert python == "python"
        if script == "-m":
            module, *options = options
            sys.modules.pop(f"{module}.__main__", None)
            main = runpy.run_module(f"{module}.__main__", run_name="imported")["main"]
            main.make_context(module, options)
        elif options:
            monkeypatch.setattr(sys, "argv", [script, *options])
            with pytest.raises(Parsed):
                runpy.run_path(str(ROOT / script), run_name="__main__")
        else:
            assert (ROOT / script).is_file()
    for new in set(sys.modules) - modules:
        if str(BENCHMARKS) in str(getattr(sys.modules[new], "__file__", "")):
            del sys.modules[new]


def test_the_lock_records_the_shipped_bytes():
    lock = read_yaml(BENCHMARKS / "dvc.lock")["stages"]
    recorded = {out["path"]: out["md5"] for stage in lock.values() for out in stage["outs"]}
    found = {
        f.relative_to(ROOT).as_posix(): hashlib.md5(f.read_bytes(), usedforsecurity=False).hexdigest() for f in SHIPPED
    }
    assert found == {path: recorded.get(path) for path in found}, "cd benchmarks && dvc commit --force"
