"""``lbt choose``: which network, which bits, for two folders of images and a board."""

from __future__ import annotations

from pathlib import Path

import click

from lbt import reproducible
from lbt.config import parse
from lbt.errors import LbtError
from lbt.memory import keep_freed_memory
from lbt.options import one_value_each


@click.command("choose")
@click.option("--source", type=Path, help="Labelled images: what the network learns first.")
@click.option("--target", type=Path, help="Images to adapt to, with or without labels.")
@click.option("--board", default="zcu102", show_default=True, help="Name or path of a board.")
@click.option("--energy", help="Most a trained image may take, such as 0.05mJ.  [default: half of digit_cnn's in int8]")
@click.option("--memory", help="Most a training step may hold, such as 256kB.  [default: the board's]")
@click.option("--minutes", type=click.FloatRange(0, 100_000), default=30.0, show_default=True, help="Of searching.")
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=3, show_default=True, help="Final trainings of each network."
)
@click.option("--out", type=Path, default=Path("choice"), show_default=True, help="Folder of the results.")
@click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help="Any key of lbt/nas/choose/options.py.")
def choose(
    source: Path | None, target: Path | None, board: str, energy: str | None, memory: str | None, minutes: float,
    seeds: int, out: Path, given: tuple[str, ...],
) -> None:  # fmt: skip
    """Choose a network and its number formats for your images and board, and show what they are worth.

    Networks are trained on the source, watched on the unlabelled target and priced on the board; the best are trained
    in full, get formats by layer under the limits, and are adapted beside the hand-made digit_cnn. What is in the
    folder of the results is not done again: after a kill, give the same command.

    Without --source and --target: the stage of the pipeline, for the domains of a params file.
    """
    if source is None or target is None:
        raise LbtError("--source and --target: both are needed where one is given")
    from lbt.nas.choose.limits import Limits
    from lbt.nas.choose.options import Options

    limits = Limits.read(energy, memory)
    options = parse(Options, one_value_each(given), "--set")
    keep_freed_memory()
    reproducible.enter()
    from lbt.nas.choose.run import choose as run

    run(source, target, board, out, limits=limits, minutes=minutes, seeds=seeds, options=options, say=click.echo)
    click.echo(f"{out}/: network.yaml, recipe.yaml, report.md, report.json, front.png")
