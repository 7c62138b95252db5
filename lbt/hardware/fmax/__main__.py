"""``python -m lbt.hardware.fmax``: the tables that clocks are estimated from, and compared with, anew."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from lbt.errors import LbtError
from lbt.hardware.fmax.paths import CACHE, run_paths
from lbt.hardware.fmax.place import run_place

OUT = click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
NETLISTS = click.option("--cache", type=click.Path(path_type=Path), default=CACHE, show_default=True, help="Netlists.")


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@OUT
@NETLISTS
@click.option("--jobs", default=1, show_default=True, help="Yosys processes side by side.")
def paths(out: Path, cache: Path, jobs: int) -> None:
    """Slowest paths of the units, a Parquet table."""
    click.echo(f"{out}: {_told(lambda: run_paths(out, jobs, cache))} paths")


@main.command()
@OUT
@NETLISTS
def place(out: Path, cache: Path) -> None:
    """Clocks of units placed and routed on ECP5, a JSON file."""
    click.echo(f"{out}: {_told(lambda: run_place(out, cache))} units")


def _told(work: Callable[[], int]) -> int:
    """The number that ``work`` returns; an error ends in one line."""
    try:
        return work()
    except LbtError as error:
        sys.exit(f"lbt: {error}")


if __name__ == "__main__":
    main()
