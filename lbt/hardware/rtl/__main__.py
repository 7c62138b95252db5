"""``python -m lbt.hardware.rtl``: synthesise the unit library anew. What the workflow's rule ``synthesis`` calls."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lbt.errors import LbtError
from lbt.hardware.rtl.grid import STYLES
from lbt.hardware.rtl.synthesis import CACHE, SynthesisParams, run_synthesis


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The Parquet library to write.")
@click.option("--jobs", default=1, show_default=True, help="Yosys processes side by side.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(STYLES)), help="Only units of this kind.")
@click.option(
    "--cache", type=click.Path(path_type=Path), default=CACHE, show_default=True, help="What is done already."
)
def main(out: Path, jobs: int, kinds: tuple[str, ...], cache: Path) -> None:
    try:
        found = run_synthesis(SynthesisParams(jobs=jobs, kinds=list(kinds)), out, cache)
    except LbtError as error:
        sys.exit(f"lbt: {error}")
    click.echo(f"{out}: {found['units']} units, {found['synthesised']} of them synthesised now")


if __name__ == "__main__":
    main()
