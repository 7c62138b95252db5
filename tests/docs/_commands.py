"""Checks of a command line as its program would parse it; only lbt's cheap commands are ever run."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from unittest import mock

import click
import yaml
from click.testing import CliRunner

from lbt.cli import cli
from lbt.pipeline.plan import STAGES, Plan

from ._blocks import ROOT
from ._yaml import check_params

CHEAP = ("check", "cost", "predict", "look", "init")


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a shell block as words, without comments and environment variables; ``a && b`` is two."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, "&&"]:
            if word not in ("&&", ";"):
                words.append(word)
            elif words:
                yield words
                words = []


def check_line(text: str, run: bool = False) -> None:
    """Parse each command as its program would, and look up the files, targets and keys that it names.

    Args:
        text: one or more lines of a shell.
        run: also run lbt's cheap commands.

    Raises:
        AssertionError, LbtError, click.ClickException, OSError: it is wrong.
    """
    for words in commands(text):
        check(words, run)


def check(words: list[str], run: bool = False) -> None:
    """One command; see :func:`check_line`."""
    while re.fullmatch(r"\w+=\S*", words[0]):
        words = words[1:]
    program, *arguments = words
    assert program in CHECKS, f"no check for {program!r}"
    CHECKS[program](arguments)
    if run and program == "lbt" and (arguments[0] in CHEAP or {"--help", "--list"} & set(arguments)):
        result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output


@contextlib.contextmanager
def parsing() -> Iterator[None]:
    """A parser that prints its usage and exits is a failed assertion with the last line that it prints."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            yield
    except SystemExit as stop:
        if stop.code:
            raise AssertionError(said.getvalue().strip().rpartition("\n")[2]) from None


def check_lbt(arguments: list[str]) -> None:
    name, command, rest = cli.resolve_command(click.Context(cli), arguments)
    assert name is not None
    assert command is not None
    try:
        given = command.make_context(name, list(rest)).params
    except click.exceptions.Exit:  # --help
        return
    if name in STAGES.names() and given["job_name"]:
        Plan(given["params_file"]).job(name, given["job_name"])


def check_snakemake(arguments: list[str]) -> None:
    from snakemake.cli import get_argument_parser

    with parsing():
        given = get_argument_parser().parse_args(arguments)
    files = [ROOT / "Snakefile", *ROOT.glob("workflow/rules/*.smk")]
    rules = {name for file in files for name in re.findall(r"^rule (\w+):", file.read_text(), re.MULTILINE)}
    assert set(given.targets) <= rules | set(STAGES.names()), given.targets  # a stage's summary has the stage's name
    for file in given.configfile:
        check_params(yaml.safe_load((ROOT / file).read_text()))


def _stages() -> set[str]:
    """The stages of the pipeline, and those that remake what rides in git."""
    files = (ROOT / "dvc.yaml", ROOT / "benchmarks/dvc.yaml")
    return {name for file in files for name in yaml.safe_load(file.read_text())["stages"]}


def check_dvc(arguments: list[str]) -> None:
    from dvc.cli import DvcParserError, parse_args

    with contextlib.redirect_stdout(io.StringIO()):
        try:
            given = parse_args(arguments)
        except DvcParserError as error:
            raise AssertionError(f"dvc {shlex.join(arguments)}: {error}") from None
    if given.cmd == "repro":
        assert set(given.targets) <= _stages(), given.targets
    for setting in getattr(given, "set_param", None) or []:
        file, _, change = setting.partition(":")
        assert (ROOT / file).is_file(), file
        key, _, text = change.partition("=")
        value = yaml.safe_load(text)
        for part in reversed(key.split(".")):
            value = {part: value}
        check_params(value)


def check_python(arguments: list[str]) -> None:
    if arguments[0] == "-m":
        assert find_spec(arguments[1]), arguments[1]
        return
    script = ROOT / arguments[0]
    assert script.is_file(), script
    if "parse_args" not in script.read_text(encoding="utf-8"):
        return

    class Parsed(Exception):
        pass

    parse = argparse.ArgumentParser.parse_args

    def only_parse(parser: argparse.ArgumentParser) -> None:
        with parsing():
            parse(parser, arguments[1:])
        raise Parsed

    path = [str(script.parent), *sys.path]
    with (
        mock.patch.object(sys, "path", path),
        mock.patch.object(argparse.ArgumentParser, "parse_args", only_parse),
        contextlib.suppress(Parsed),
    ):
        runpy.run_path(str(script), run_name="__main__")


def check_make(arguments: list[str]) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(arguments) <= targets, arguments


def check_pip(arguments: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for names in re.findall(r"\[([\w,]+)\]", " ".join(arguments)):
        assert set(names.split(",")) <= set(extras), names


def check_pytest(arguments: list[str]) -> None:
    for path in arguments:
        assert (ROOT / path.partition("::")[0]).exists() or not path.startswith("tests/"), path


def check_torchrun(arguments: list[str]) -> None:
    from torch.distributed.run import get_args_parser

    with parsing():
        given = get_args_parser().parse_args(arguments)
    script = [given.training_script, *given.training_script_args]
    check(script if given.no_python else ["python", *script])


def nothing_to_check(arguments: list[str]) -> None:
    """Outside of the repository: ``git clone``, the folder that it makes, the environment that make makes."""


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "lbt": check_lbt,
    "snakemake": check_snakemake,
    "dvc": check_dvc,
    "python": check_python,
    "make": check_make,
    "pip": check_pip,
    "pytest": check_pytest,
    "torchrun": check_torchrun,
    **dict.fromkeys(("git", "cd", "."), nothing_to_check),
}
