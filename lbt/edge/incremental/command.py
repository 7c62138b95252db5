"""``lbt incremental``: classes or domains arrive one after another, and what is remembered of the old ones."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import click

from lbt.config import parse
from lbt.edge.incremental.options import Job, Knobs
from lbt.errors import LbtError
from lbt.memory import keep_freed_memory
from lbt.options import given_values, one_value_each, section_options


@click.command("incremental")
@click.option("--source", help="One domain, whose classes arrive in groups: --domains for a single one.")
@click.option("--domains", help="Domains in the order of their arrival, joined by commas: embedded ones or paths.")
@click.option("--out", type=Path, required=True, help="Folder for networks and scores.")
@click.option("--method", "methods", multiple=True, default=["replay"], show_default=True, help="May be repeated.")
@click.option("--recipe", "recipes", multiple=True, default=["int8"], show_default=True, help="May be repeated.")
@click.option("--seeds", type=click.IntRange(1, 1000), default=1, show_default=True, help="Runs with seeds 0, 1, …")
@click.option("--budget", help="Bytes of a memory, such as 64kB; for methods that have one.")
@click.option(
    "--set", "given", multiple=True, metavar="KEY=VALUE", help="An option of the method, such as policy=reservoir."
)
@click.option("--layout", help="Meaning of your folders, such as user/class.  [default: by their names]")
@click.option("--name", "pattern", help="Pattern of your file names that holds a label: {label}_{index}.")
@section_options(Knobs)
def incremental(
    source: str | None, domains: str | None, out: Path, methods: tuple[str, ...], recipes: tuple[str, ...], seeds: int,
    budget: str | None, given: tuple[str, ...], layout: str | None, pattern: str | None, **knobs: Any,
) -> None:  # fmt: skip
    """Let classes or domains arrive one after another; predict and learn each batch; test on all that came before."""
    shared = parse(Knobs, given_values(knobs), "lbt incremental")
    settings = {**one_value_each(given), **({} if budget is None else {"budget": budget})}
    keep_freed_memory()
    from lbt.edge.incremental.run import options_of, run
    from lbt.edge.incremental.tasks import read_tasks
    from lbt.recipe import Recipe
    from lbt.train.threads import fixed_threads

    chosen = {method: options_of(method, settings) for method in methods}
    for recipe in recipes:
        Recipe.load(recipe)
    jobs = [
        Job(**shared.model_dump(), method=method, recipe=recipe, seed=seed, options=options)
        for method, options in chosen.items()
        for recipe in recipes
        for seed in range(seeds)
    ]
    names = _names(source, domains)
    tasks = read_tasks(names, shared.channels, shared.size, shared.classes_per_task, shared.images, layout, pattern)
    click.echo(f"{len(tasks)} tasks: " + "; ".join(f"{task.name} ({len(task.train)} images)" for task in tasks))
    with fixed_threads():
        rows = []
        for row in run(jobs, tasks, out):
            rows.append(row)
            click.echo(line(row))
    for text in summary(rows):
        click.echo(text)
    click.echo(f"{out / 'incremental.parquet'}: all scores")


def _names(source: str | None, domains: str | None) -> list[str]:
    """The domains, in their order.

    Raises:
        LbtError: both options or neither.
    """
    if (source is None) == (domains is None):
        found = "neither" if source is None else "both"
        raise LbtError(f"lbt incremental: found {found}; accepted: --source DOMAIN or --domains FIRST,SECOND,…")
    names = [source] if source is not None else [one.strip() for one in str(domains).split(",") if one.strip()]
    if twice := [name for name in names if names.count(name) > 1]:
        raise LbtError(f"--domains: {twice[0]!r} is there twice")
    return names


def line(row: dict[str, Any]) -> str:
    """One run's scores."""
    return (
        f"{row['method']} {row['recipe']} seed {row['seed']}: {row['accuracy']:.1f} %, forgetting "
        f"{row['forgetting']:.1f}, backward transfer {row['backward_transfer']:+.1f}, online "
        f"{row['online_accuracy']:.1f} %, {row['method_bytes']:,} bytes"
    )


def summary(rows: list[dict[str, Any]]) -> list[str]:
    """Mean and spread over seeds of each method and recipe, where there are several."""
    groups: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["recipe"]), []).append(row["accuracy"])
    return [
        f"{method} {recipe}: {fmean(found):.1f} ± {stdev(found):.1f} % over {len(found)} seeds"
        for (method, recipe), found in groups.items()
        if len(found) > 1
    ]
