"""``lbt personalise``: a package for each user, and what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lbt.config import parse
from lbt.edge.users.options import RunOptions
from lbt.memory import keep_freed_memory
from lbt.options import given_values, section_options


@click.command("personalise")
@click.argument("images")
@click.option("--out", type=Path, required=True, help="Folder for packages, backbones and scores.")
@click.option(
    "--backbone", type=Path, help="Weights file of lbt's.  [default: one a fold, from the other users' images]"
)
@click.option("--user", "users", multiple=True, help="Whom to personalise for; may be repeated.  [default: everybody]")
@section_options(RunOptions)
def personalise(images: str, out: Path, backbone: Path | None, users: tuple[str, ...], **given: Any) -> None:
    """Make each user's package over one backbone, and test it on the user's later images.

    IMAGES is an embedded set of made users (fonts, styles), or images that name their users: a table or CSV with a
    column user (and time, if you have it), or a folder of folders, one a user with a folder for each class.
    """
    options = parse(RunOptions, given_values(given), "lbt personalise")
    keep_freed_memory()
    from lbt.edge.users.run import run
    from lbt.train.threads import fixed_threads

    with fixed_threads():
        rows = []
        for row in run(images, out, options, backbone, users):
            rows.append(row)
            click.echo(line(row))
    click.echo(summary(rows))
    click.echo(f"{out / 'users.parquet'}: all scores")


def line(row: dict[str, Any]) -> str:
    """One user's score."""
    moved = f"{row['user']}: {_percent(row['before'])} → {_percent(row['after'])}"
    asked = f"; {row['answered']} of {row['asked']} questions answered" if row["asked"] else ""
    if row["rolled_back"]:
        return f"{moved}, rolled back (would be {_percent(row['adapted'])}): the backbone serves, no package{asked}"
    return (
        f"{moved}; package "
        f"{row['package_bytes']:,} bytes, {100 * row['share_of_backbone']:.1f} % of the backbone; "
        f"{100 * row['operations']:.0f} % of its operations{asked}"
    )


def summary(rows: list[dict[str, Any]]) -> str:
    """The mean over users that have labels to be tested on, and the worst of them."""
    known = [row for row in rows if row["before"] is not None]
    if not known:
        return f"{len(rows)} users; accuracy is not measured: no later image has a label"
    before, after = (sum(row[key] for row in known) / len(known) for key in ("before", "after"))
    worst = min(row["after"] - row["before"] for row in known)
    back = sum(row["rolled_back"] for row in rows)
    return f"{len(known)} users: {before:.1f} % → {after:.1f} %, worst change {worst:+.1f} points, {back} rolled back"


def _percent(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1f} %"
