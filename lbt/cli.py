"""``lbt STAGE …``: the only way in which a rule or a DVC stage calls code, and the way to call it by hand."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import click

from lbt import reproducible
from lbt.errors import LbtError, one_line, told, unknown, warn
from lbt.memory import keep_freed_memory
from lbt.pipeline.execute import execute
from lbt.pipeline.plan import STAGES, Plan
from lbt.pipeline.summary import worth_a_line

DEFAULT = "params/default.yaml"
COUNT = click.IntRange(1, 1_000_000)
LARGEST_IMAGE = 4 * 1024 * 1024
"""Values of an image that ``lbt cost`` tries a network on: 1,182 pixels square in three channels."""
MOST_LANES = 1024


ELSEWHERE = {
    "choose": "lbt.nas.choose.command",
    "incremental": "lbt.edge.incremental.command",
    "personalise": "lbt.edge.users.command",
}
"""Commands that live beside their work: name → module, imported where the command is asked for."""


class Commands(click.Group):
    """The stages, then the tools; a wrong name gets its nearest neighbour."""

    def list_commands(self, context: click.Context) -> list[str]:
        stages = STAGES.names()
        return [*stages, *sorted({*super().list_commands(context), *ELSEWHERE} - set(stages))]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        tool = getattr(import_module(ELSEWHERE[name]), name) if name in ELSEWHERE else None
        if name in STAGES.names():
            return stage_command(name) if tool is None else either(stage_command(name), tool)
        if tool is not None:
            return tool  # type: ignore[no-any-return]
        return super().get_command(context, name)

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        if args and self.get_command(context, args[0]) is None:
            raise unknown("command", args[0], self.list_commands(context))
        return super().resolve_command(context, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="lbt")
def cli() -> None:
    """Low-bit training for small accelerators: each stage of the pipeline by itself, and the tools around it."""


params_option = click.option("--params", "params_file", default=DEFAULT, show_default=True, help="Params file.")


def stage_command(name: str) -> click.Command:
    """The command that runs one stage: all of its jobs that are not up to date, or one by name."""
    module = STAGES.load(name)

    @click.command(name, help=f"{(module.__doc__ or '').strip()}\n\n{_help_on_params(module.SECTIONS)}")
    @params_option
    @click.option("--job", "job_name", help="Run this one job, whether or not it is up to date. See --list.")
    @click.option("--list", "only_list", is_flag=True, help="List the stage's jobs, and why each would run.")
    @click.option("--force", is_flag=True, help="Run every job of the stage, also those that are up to date.")
    def command(params_file: str, job_name: str | None, only_list: bool, force: bool) -> None:
        plan = Plan(params_file)
        jobs = plan.stage(name) if job_name is None else [plan.job(name, job_name)]
        if not only_list:
            _prepare_process(plan)
        for job in jobs:
            reason = plan.stale(job)
            if only_list:
                click.echo(f"{job.name}\t{reason or 'up to date'}")
            elif reason or force or job_name:
                for need in job.needs.values():
                    plan.made(need, job.key)
                metrics = execute(plan, job)
                click.echo(f"{name} {job.name}: {_in_short(metrics, module.HEADLINE)}")
        plan.digest.save()

    return command


def either(stage: click.Command, tool: click.Command) -> click.Command:
    """One command for a stage and for the tool of its name: the tool where a path is given, the stage otherwise."""
    names = {command: [str(option.name) for option in command.params] for command in (stage, tool)}

    def callback(**values: Any) -> None:
        paths = [name for name in ("source", "target") if values[name] is not None]
        asked, other = (tool, stage) if paths else (stage, tool)
        _refuse_beside(f"--{paths[0]}" if paths else "the stage's options", names[other], names[asked])
        click.get_current_context().invoke(asked, **{name: values[name] for name in names[asked]})

    return click.Command(
        stage.name, params=[*tool.params, *stage.params], callback=callback, help=f"{tool.help}\n\n{stage.help}"
    )


def _prepare_process(plan: Plan) -> None:
    """Enter the mode that the params ask for, before a job imports NumPy or PyTorch."""
    keep_freed_memory()
    if plan.params.reproducible:
        reproducible.enter()
        if reason := reproducible.supported():
            warn(f"results are of this machine alone: {reason}")


def _in_short(metrics: dict[str, Any], headline: tuple[str, ...]) -> str:
    shown = {key: metrics[key] for key in worth_a_line(metrics, headline) or list(metrics)[:4]}
    told = {None: "not measured"}
    return ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {told.get(v, v)}" for k, v in shown.items())


def _help_on_params(sections: tuple[str, ...]) -> str:
    from lbt.params import Params
    from lbt.schema import describe

    lines = [f"  {line.key} = {line.default}  {line.text}" for name in sections for line in describe(Params, name)]
    return "\b\nParams:\n" + "\n".join(lines) if lines else ""


def _refuse_beside(option: str, others: Iterable[str], accepted: Iterable[str]) -> None:
    """Refuse those of ``others`` on the command line that would do nothing beside ``option``."""
    given = click.get_current_context().get_parameter_source
    useless = [n for n in others if n not in accepted and given(n) is not click.core.ParameterSource.DEFAULT]
    if useless:
        raise LbtError(f"{', '.join(f'--{name}' for name in useless)}: would do nothing beside {option}; leave it out")


@cli.command()
@params_option
@click.option("--verify", is_flag=True, help="Hash every file anew, also those whose size and times have not changed.")
def check(params_file: str, verify: bool) -> None:
    """Check a params file without running anything."""
    from lbt.pipeline.preflight import lines, used

    plan = Plan(params_file, verify)
    unused = sorted(set(plan.params.data.domains) - used(plan.params))
    for line in (*lines(plan.params), *(f"data.domains.{name}: no stage of this run needs it" for name in unused)):
        warn(line)
    stale = sum(bool(plan.stale(job)) for job in plan.jobs.values())
    plan.digest.save()
    click.echo(f"{params_file}: valid; {len(plan.jobs)} jobs, {stale} of them to run")


@cli.command()
@click.argument("path", type=Path)
@click.option("--layout", help="Meaning of the folders from the outside in, such as user/class.")
@click.option("--name", help="Pattern of the files' names, such as {label}_{user}_{index}.")
@click.option("--classes", help="Take these classes alone, in this order: cup,mug; or names of numbered ones.")
@click.option("--split-by", help="Images that stay together, or in order: image, user or time.")
@click.option("--size", type=int, help="Height and width of the images in pixels.")
@click.option("--channels", type=int, help="1: grey, 3: colour.")
@click.option("--max-skipped", type=float, help="Largest share of files that may be left out.")
@click.option("--sheet", type=Path, help="Also write a contact sheet (PNG) here, a class a row.")
def look(path: Path, classes: str | None, sheet: Path | None, **options: Any) -> None:
    """Tell how lbt understands images at PATH: format, classes, split, size, and what looks odd.

    The options are keys of a domain in a params file, whose line is printed last.
    """
    from lbt.data.look import describe, look, save_sheet

    seen = look(path, {**options, "classes": classes and classes.split(",")})
    click.echo("\n".join(describe(seen)))
    if sheet:
        save_sheet(seen, sheet)
        click.echo(f"{sheet}: contact sheet")


@cli.command()
@click.argument("folder", type=Path, default=Path())
@click.option("--source", type=Path, required=True, help="Labelled images: what the network learns first.")
@click.option("--target", type=Path, required=True, help="Images to adapt to, with or without labels.")
@click.option("--source-set", multiple=True, metavar="KEY=VALUE", help="A key of the source, as an option of `look`.")
@click.option(
    "--target-set", multiple=True, metavar="KEY=VALUE", help="A key of the target, such as layout=user/class."
)
@click.option("--params", "params_file", type=Path, default=DEFAULT, show_default=True, help="Params file to write.")
def init(
    folder: Path, source: Path, target: Path, source_set: tuple[str, ...], target_set: tuple[str, ...],
    params_file: Path,
) -> None:  # fmt: skip
    """Make a workspace in FOLDER: the workflow's files, and params that run on your images."""
    from lbt.options import domain_keys
    from lbt.workspace import init

    keys = {"source": domain_keys(source_set, "--source-set"), "target": domain_keys(target_set, "--target-set")}
    made = init(folder, source, target, params_file, keys)
    for name in made.kept:
        warn(f"{folder / name}: is there already, and not lbt's; left as it is")
    for line in made.notes:
        warn(line)
    click.echo(f"{folder / made.params}: written, with {len(made.written) - 1} other files")
    steps = [*([] if folder == Path() else [f"cd {folder}"]), "lbt check", "snakemake adapt", "lbt results"]
    own = f" --params {params_file}"
    options = {"lbt check": own, "snakemake adapt": f" --configfile {params_file}", "lbt results": own}
    shown = steps if params_file == Path(DEFAULT) else [step + options.get(step, "") for step in steps]
    click.echo(f"next: {'; '.join(shown)}")


@cli.command()
@params_option
@click.option("--pair", help="Source and target, written source-target.  [default: the first of the params]")
@click.option("--recipe", help="Number formats of all candidates.  [default: the first of the params]")
@click.option(
    "--set",
    "tried",
    multiple=True,
    metavar="KEY=VALUE,…",
    help="Values of an option below adapt, such as mean_teacher.weight=3,10; may be given again.",
)
def tune(params_file: str, pair: str | None, recipe: str | None, tried: tuple[str, ...]) -> None:
    """Choose the method, and options, of adaptation without a label of the target.

    The candidates are the methods of the params, with each combination of the values that --set gives. They are run
    on the data and networks of the run (`snakemake pretrain` makes them); what was run is kept.
    """
    plan = Plan(params_file)
    _prepare_process(plan)
    from lbt.options import read_tried
    from lbt.tune import told_choice, tune

    adapt = plan.params.adapt
    scores = tune(plan, pair or adapt.pair[0], recipe or adapt.recipe[0], read_tried(tried))
    click.echo(told_choice(scores, len(adapt.seed)))


@cli.command("serve-adapt")
@click.option("--model", type=Path, required=True, help="Weights file of a pretrained network.")
@click.option("--stream", required=True, help="Folder in which images appear, or - for frames on the standard input.")
@click.option(
    "--state", type=Path, required=True, help="Folder of answers, checkpoint and journal; a restart needs it."
)
@click.option("--method", default="rotta", show_default=True, help="A file of lbt/edge/methods.")
@click.option("--recipe", default="int8", show_default=True, help="Name or path of a recipe.")
@click.option("--batch", type=click.IntRange(1, 65536), default=16, show_default=True, help="Images that are one step.")
@click.option("--source", type=Path, help="Image table of the source (Parquet), for methods that measure there.")
@click.option("--once", is_flag=True, help="End when every file of the folder is answered.")
@click.option(
    "--every", type=click.FloatRange(0.01, 3600), default=1.0, show_default=True, help="Seconds between looks."
)
@click.option(
    "--set", "options", multiple=True, metavar="KEY=VALUE", help="Any key below edge, such as tent.lr=0.0001."
)
def serve_adapt(
    model: Path, stream: str, state: Path, method: str, recipe: str, batch: int, source: Path | None, once: bool,
    every: float, options: tuple[str, ...],
) -> None:  # fmt: skip
    """Answer images as they come, and adapt to them; a loop that may be killed at any instant.

    Each answer is a JSON object on a line of its own. What was answered is never lost: started again with the same
    arguments, the loop goes on where it was.
    """
    from lbt.edge.serve.start import Inputs, params_of, serve
    from lbt.options import one_value_each

    inputs = Inputs(model=model, stream=stream, source=source, state=state)
    server = serve(params_of(method, recipe, batch, one_value_each(options)), inputs, once, every)
    click.echo(f"{state}: {server.count} images, {server.step} steps; {method} in {recipe}", err=True)


@cli.command()
@params_option
def declare(params_file: str) -> None:
    """Write into dvc.yaml the code that each stage imports, and the files that the params name."""
    from lbt.pipeline.declare import declare_code, declare_inputs

    click.echo("\n".join(declare_code() + declare_inputs(params_file)) or "dvc.yaml: up to date")


@cli.command()
@click.option("--processor", "processors", multiple=True, help="'native' or a model of qemu-x86_64; may be repeated.")
@click.option("--params", "params_file", default="params/reproduce.yaml", show_default=True, help="Params file.")
def reproduce(processors: tuple[str, ...], params_file: str) -> None:
    """Run a short job of every stage here and on emulated processors; fail where their results differ by a bit."""
    from lbt.pipeline import reproduce

    first: dict[str, str] = {}
    differ = []
    for processor, stage, digest in reproduce.reproduce(processors or reproduce.PROCESSORS, params_file):
        same = first.setdefault(stage, digest) == digest
        click.echo(f"{stage:<10} {processor:<16} {digest[:16]}{'' if same else '  differs'}")
        differ += [] if same else [f"{stage} on {processor}"]
    if differ:
        raise LbtError(f"not the same bits: {', '.join(differ)}")


@cli.command()
@params_option
def results(params_file: str) -> None:
    """Print the short result table of a finished run, and where the rest is; without a report, what has ended."""
    page = _page(params_file)
    if not page.is_file() and page.parents[1].is_dir():
        from lbt.pipeline.so_far import so_far

        if found := so_far(page.parents[1]):
            click.echo("\n\n".join(found))
            click.echo(
                f"\nNo report yet: `snakemake --configfile {params_file}` makes it, with the stages that it needs."
            )
            return
    page = _results_page(params_file)
    click.echo(f"The whole report: {page.with_name('report.html')}\n")
    click.echo(page.read_text(encoding="utf-8").rstrip("\n"))


@cli.command()
@params_option
@click.option("--check", "only_check", is_flag=True, help="Write nothing; fail if the tables are not the run's.")
def readme(params_file: str, only_check: bool) -> None:
    """Put the result tables of a finished run into README.md."""
    from lbt.report.readme import update

    update(Path("README.md"), _results_page(params_file), only_check)


def _page(params_file: str) -> Path:
    return Path("results") / Path(params_file).stem / "report" / "results.md"


def _results_page(params_file: str) -> Path:
    page = _page(params_file)
    if not page.is_file():
        raise LbtError(f"{page}: no such file; make it with `snakemake --configfile {params_file}`")
    return page


@cli.command()
@click.option("--check", "only_check", is_flag=True, help="Write nothing; fail if a file is not up to date.")
def schema(only_check: bool) -> None:
    """Write the params files' JSON schema and docs/params.md from the typed configuration."""
    from lbt.artifacts import atomic
    from lbt.schema import generated

    files = generated()
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text]
    if only_check and stale:
        raise LbtError(f"{', '.join(map(str, stale))}: not up to date; run `lbt schema`")
    for path, text in files.items():
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


@cli.command()
@click.option(
    "--model",
    default="digit_cnn",
    show_default=True,
    help="A network's name, network.yaml, my_module:build, or a weights file of lbt's.",
)
@click.option("--recipe", default="int8", show_default=True, help="Name or path of a recipe.")
@click.option("--board", default="zcu102", show_default=True, help="Name or path of a board.")
@click.option("--batch", type=click.IntRange(1, 65536), default=32, show_default=True, help="Images per training step.")
@click.option("--shape", default="3,32,32", show_default=True, help="Shape of an image: channels,height,width.")
@click.option(
    "--classes",
    type=click.IntRange(1, 65536),
    default=10,
    show_default=True,
    help="Classes, for a network given by name.",
)
@click.option("--inference", is_flag=True, help="The forward pass alone.")
@click.option("--processor", help="Name or path of an int8 inference processor: its latency instead of a board's.")
@click.option("--compare", "side_by_side", is_flag=True, help="Also fp32, fp16 and 8 bits on the same board.")
@click.option("--array", help="Multiply-accumulators: ROWSxCOLS, square, or auto (the network's fastest; default).")
@click.option("--lanes", help="Lanes for norms, additions and the update: a number, or auto (default).")
@click.option("--clock", type=click.FloatRange(0.001, 2000), help="MHz, instead of the board's and its units'.")
@click.option(
    "--rounder",
    type=click.Choice(["lfsr", "hash"]),
    help="Random numbers of stochastic rounding: a shift register (default), or the trainer's bit-exact hash.",
)
def cost(
    model: str, recipe: str, board: str, batch: int, shape: str, classes: int, inference: bool, side_by_side: bool,
    processor: str | None, array: str | None, lanes: str | None, clock: float | None,
    rounder: str | None,
) -> None:  # fmt: skip
    """Estimate the cost of a network's training step on a board, and its bottleneck."""
    from lbt.hardware import cost
    from lbt.hardware.explore import compare
    from lbt.hardware.params import HardwareParams
    from lbt.models import allow, build, read_model
    from lbt.report.tables import markdown

    allow(model)
    image = _image_shape(shape)
    network = read_model(model)[0] if model.endswith(".safetensors") else build(model, classes, image[0])
    if processor is not None:
        from lbt.hardware.processor import infer

        if not inference or side_by_side or array or lanes or clock or rounder:
            raise LbtError(
                "--processor: a processor only infers, in int8; accepted: with --inference, without --compare, "
                "--array, --lanes, --clock and --rounder"
            )
        click.echo(infer(network, image, processor))
        return
    options = HardwareParams(batch=batch, array=_array(array), lanes=_lanes(lanes), clock=clock)
    if rounder is not None:
        options = options.model_copy(update={"rounder": rounder})
    click.echo(cost(network, image, recipe=recipe, board=board, batch=batch, training=not inference, options=options))
    if side_by_side:
        rows = compare(network, image, recipes=[recipe], boards=[board], options=options).to_pylist()
        shown = [[f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()] for row in rows]
        click.echo(markdown(rows[0], shown))


table_options = [
    click.option(
        "--blocks", default="mnasnet", show_default=True, help="Description of the networks: a name or a YAML."
    ),
    click.option("--processor", default="dpu-zcu102", show_default=True, help="Name or path of a processor."),
    click.option("--unit", type=click.Choice(["s", "ms", "us", "images/s"]), help="Of the measured column."),
]


def _with(options: list[Any]) -> Any:
    """A decorator that adds several options."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@cli.command()
@click.option("--table", type=Path, required=True, help="CSV or Parquet, a row a network.")
@_with(table_options)
@click.option("--measured", help="Column of measurements to compare with.")
@click.option("--out", type=Path, help="Write the table with the predictions to this Parquet file.")
def latency(table: Path, blocks: str, processor: str, unit: str | None, measured: str | None, out: Path | None) -> None:
    """Predict the latency of every network of a table on an inference processor."""
    from lbt.artifacts import write_table
    from lbt.hardware.calibrate import tau
    from lbt.hardware.latency_table import Networks
    from lbt.hardware.processor import Processor

    chosen, networks = Processor.load(processor), Networks.read(table, blocks)
    found = networks.milliseconds(chosen)
    click.echo(f"{table}: {len(found)} networks, {found.min():.3f} to {found.max():.3f} ms on {processor}")
    if measured is not None:
        index, times = networks.measured(measured, unit, chosen)
        error = abs(1e3 * found[index] / times - 1)
        shown = f"median error {sorted(error)[len(error) // 2]:.1%}, Kendall's tau {tau(found[index], times):.3f}"
        click.echo(f"against {measured}: {len(index)} measurements, {shown}")
    if out is not None:
        write_table(out, [{**row, "predicted_ms": ms} for row, ms in zip(networks.rows, found.tolist(), strict=True)])
        click.echo(f"{out}: the table with predicted_ms")


@cli.command()
@click.option("--measured", "table", type=Path, required=True, help="CSV or Parquet, a row a measured network.")
@click.option("--column", required=True, help="Column of the measurements; rows without one are left out.")
@_with(table_options)
@click.option("--out", type=Path, required=True, help="YAML file to write: the processor with fitted factors.")
def calibrate(table: Path, column: str, blocks: str, processor: str, unit: str | None, out: Path) -> None:
    """Fit a processor's data sheet to a few measurements, and say how far to trust it."""
    from lbt.artifacts import atomic
    from lbt.hardware.latency_table import Networks
    from lbt.hardware.processor import Processor, to_yaml

    fitted = Networks.read(table, blocks).calibrated(column, unit, Processor.load(processor))
    with atomic(out) as temporary:
        temporary.write_text(to_yaml(fitted.processor), encoding="utf-8")
    click.echo(f"{fitted}\n{out}: the processor; `lbt latency` and `lbt cost --inference` take it by --processor")


def _array(text: str | None) -> str:
    """``auto``, ``square`` or ``ROWSxCOLS``."""
    if text is None or text in ("auto", "square") or re.fullmatch(r"[1-9]\d{0,3}x[1-9]\d{0,3}", text, re.ASCII):
        return text or "auto"
    raise LbtError(f"--array: found {told(text)}; accepted: auto, square, or ROWSxCOLS of 1 to 9999, such as 32x16")


def _lanes(text: str | None) -> int | Literal["auto"]:
    """``auto``, or a number of lanes."""
    if text is None or text == "auto":
        return "auto"
    if re.fullmatch(r"[1-9]\d{0,3}", text, re.ASCII) and int(text) <= MOST_LANES:
        return int(text)
    raise LbtError(f"--lanes: found {told(text)}; accepted: auto, or a number from 1 to {MOST_LANES:,}")


def _image_shape(text: str) -> tuple[int, int, int]:
    """``channels,height,width``: positive numbers, and no more pixels than a network can be tried on."""
    if (match := re.fullmatch(r"([1-9]\d{0,4}),([1-9]\d{0,4}),([1-9]\d{0,4})", text, re.ASCII)) is None:
        raise LbtError(f"--shape: found {told(text)}; accepted: channels,height,width, such as 3,32,32")
    channels, height, width = (int(part) for part in match.groups())
    if channels * height * width > LARGEST_IMAGE:
        raise LbtError(f"--shape: found {text}; accepted: at most {LARGEST_IMAGE:,} values in an image")
    return channels, height, width


@cli.command()
@click.option("--table", type=Path, required=True, help="Parquet or CSV: 'architecture' and what was measured.")
@click.option("--space", required=True, help="A YAML file that describes the search space, or a space's name.")
@click.option("--target", help="Column to predict; needed where there are several.")
@click.option("--smaller", is_flag=True, help="A smaller value of the target is better: an error, a latency.")
@click.option("--features", help="Columns, joined by commas, that help to predict: flops,params.")
@click.option("--encoder", default="auto", show_default=True, help="A file of lbt/nas/predictors/encoders.")
@click.option("--candidates", help="Predictors, joined by commas, that auto weighs: mlp,onehot_gp.")
@click.option("--top", type=COUNT, default=10, show_default=True, help="Rows to show.")
@click.option(
    "--unseen",
    type=click.IntRange(0, 100_000),
    default=0,
    show_default=True,
    help="Also score so many architectures that the table lacks.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1, 100_000),
    default=200,
    show_default=True,
    help="Training epochs of a neural predictor.",
)
@click.option(
    "--members",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="Networks in a neural predictor's ensemble; best and auto train five.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Everything random follows from it.",
)
@click.option("--out", type=Path, help="Write all scores to this Parquet file instead of showing the best.")
@click.option("--save", type=Path, help="Also keep the fitted predictor in this file.")
@click.option("--fitted", type=Path, help="Score by a predictor that --save kept instead of fitting one.")
def predict(table: Path, space: str, out: Path | None, top: int, fitted: Path | None, **options: Any) -> None:
    """Order your own architectures: rows of a table without a value, from those with one."""
    from lbt.artifacts import write_table
    from lbt.nas.predictors.predict import choice_of, predict, predict_fitted, told_choice
    from lbt.report.tables import markdown

    shown = None if out else top
    options |= {name: _names(options[name]) for name in ("features", "candidates")}
    if fitted is None:
        if options["candidates"] and options["encoder"] != "auto":
            _refuse_beside(f"--encoder {options['encoder']}", ["candidates"], [])
        scores = predict(table, space, top=shown, **options)
    else:
        random = {name: options[name] for name in ("unseen", "seed")}
        _refuse_beside("--fitted", options, random if random["unseen"] else ["unseen"])
        scores = predict_fitted(table, space, fitted, top=shown, **random)
    if (choice := choice_of(scores)) is not None:
        click.echo(told_choice(choice), err=True)
    if out:
        write_table(out, scores)
        click.echo(f"{out}: {len(scores)} architectures, best first")
        return
    rows = [[f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()] for row in scores.to_pylist()]
    click.echo(markdown(scores.column_names, rows))


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def main(arguments: list[str] | None = None) -> None:
    """Entry point: a mistake of the user's is one line and exit code 2."""
    try:
        cli(arguments, standalone_mode=False)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        message = error.format_message()
        click.echo(message if "\n" in message else f"lbt: {one_line(message)}", err=True)  # several lines: the help
        sys.exit(error.exit_code)
    except (LbtError, OSError, RecursionError, MemoryError) as error:
        click.echo(f"lbt: {_fault(error)}", err=True)
        sys.exit(2)


def _fault(error: Exception) -> str:
    """One line for a mistake of the user's, or for what the system refuses."""
    if isinstance(error, OSError):
        return one_line(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else error)
    if isinstance(error, LbtError):
        return str(error)
    return "an input is nested too deeply" if isinstance(error, RecursionError) else "not enough memory"
