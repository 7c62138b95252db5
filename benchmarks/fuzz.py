"""Hostile inputs: every reader either takes a mutated file, or refuses it in one line; a traceback is a fault.

    python benchmarks/fuzz.py [--quick] [--seed N] [--json FILE]

Valid files of each kind are changed at random (the values in them, their structure, their bytes) and read in this
process, as the stages and the commands read them; what is taken is used once. ``refused`` counts errors of one line,
``tracebacks`` every other exception, and readers that take longer than 30 seconds. The same seed gives the same inputs.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _fuzz_images
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from torch import nn

from lbt import artifacts, cli
from lbt.adapt.read import read_adapted
from lbt.data.domains import arrays
from lbt.data.params import DomainSpec
from lbt.errors import LbtError
from lbt.hardware import Board, cost
from lbt.models import MODELS, Architecture, build, build_with, read_model, write_model
from lbt.nas.predictors import ENCODERS
from lbt.nas.predictors.predict import predict
from lbt.nas.space import load as load_space
from lbt.nn import quantize, separate_statistics
from lbt.numerics.ranges import RANGES
from lbt.pipeline.declaration import read_declarations
from lbt.pipeline.job import HashCache, Job, freshness, read_record
from lbt.pipeline.plan import Plan
from lbt.recipe import NORMS, Recipe
from lbt.train import checkpoints

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 30

VALUES: list[Any] = [
    0, -1, 1, 2**31, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308, 5e-324, float("inf"), float("-inf"), float("nan"),
    True, None, "", " ", "a\nb", "\x07", "\x00", "../..", "/", "x" * 5000, "1e999", "٣", "int8", "2001-99-99",
    [], {}, [[]], [0, 0], {"a": {}}, {"": 0}, [None], ["a", "a"], {"kind": "int", "bits": 99},
]  # fmt: skip

NAMES = [
    "int1", "int2", "int16", "uint2", "e1m0", "e5m2", "e8m7", "fp16", "ternary", "sign", "mls-e2m1", "mxint4", "bfp2",
    "tensor", "channel", "sample", "block(1)", "block(3)", "block(99999)", "nearest", "stochastic", "floor",
    {"format": "int8", "granularity": "channel"}, {"format": "int4", "range": "sigma"}, {"rule": "percentile"},
    *RANGES.names(), *NORMS.names(), "float", "integer", "dynamic", "pow2", "edge", "node", "sgd", "adam", "energy",
    "cycles", "weights", 0.001, 3, 17, 64,
]  # fmt: skip
"""Names and numbers that are right somewhere."""

TEXTS = [
    b"", b"\x00", b"\xff\xfe", b"\t", b"[" * 10_000, b"{a: " * 10_000, b"? [a]\n: 1\n", b"{a: 1}: 2\n", b"1: 2\n",
    b"!!int ''\n", b"a: 2001-99-99\n", b"a: !!binary x\n", b"a: !!python/object:os.x {}\n", b"&a [*a]\n", b"<<: 1\n",
    b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9))
                                               for c in range(ord("b"), ord("m"))),
    b"---\na: 1\n---\nb: 2\n", b"a: 1\na: 2\n", b"%YAML 9.9\n---\n", b"'", b"null", b"NaN", b"[]", b"0",
]  # fmt: skip

SPACE = """
name: chain
operations_on: node
nodes: 4
operations: [conv3x3, conv1x1, skip]
edges: [[0, 1], [1, 2], [2, 3], [0, 2]]
identity: skip
weights: {conv3x3: 9, conv1x1: 1}
"""


class TooLong(BaseException):
    """A reader did not end."""


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise :class:`TooLong` in the block after ``seconds``."""

    def stop(*_: object) -> None:
        raise TooLong(f"still at it after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# ------------------------------------------------------------------------------------------------------------ mutations


def places(tree: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in ``tree``, by keys and indices."""
    yield above
    for key, item in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(item, (*above, key))


def change(tree: Any, draw: random.Random, way: tuple[Any, ...] | None = None) -> Any:
    """``tree`` with one value in it (at ``way``) replaced, removed, doubled, or put under another key."""
    way = draw.choice(list(places(tree))) if way is None else way
    if not way:
        return draw.choice(draw.choice([VALUES, NAMES]))
    key, *below = way
    item = tree[key]
    kind = "replace" if below else draw.choice(["replace", "replace", "replace", "remove", "move"])
    if isinstance(tree, list):
        new = {"replace": lambda: [change(item, draw, tuple(below))], "remove": list, "move": lambda: [item, item]}
        return [*tree[:key], *new[kind](), *tree[key + 1 :]]
    changed = {name: value for name, value in tree.items() if name != key or kind == "replace"}
    if kind == "replace":
        changed[key] = change(item, draw, tuple(below))
    elif kind == "move":
        changed[draw.choice(["", f"{key}x", "a.b", "\n"])] = item
    return changed


def scramble(content: bytes, draw: random.Random) -> bytes:
    """``content`` cut off, with bytes changed, or with a hostile text put in."""
    match draw.randrange(4):
        case 0:
            return content[: draw.randrange(len(content) + 1)]
        case 1 if content:
            changed = bytearray(content)
            for _ in range(draw.choice([1, 1, 4, 64])):
                changed[draw.randrange(len(changed))] = draw.randrange(256)
            return bytes(changed)
        case 2:
            place = draw.randrange(len(content) + 1)
            return content[:place] + draw.choice(TEXTS) + content[place:]
        case _:
            return draw.choice(TEXTS)


def bytes_of(path: Path, draw: random.Random) -> None:
    path.write_bytes(scramble(path.read_bytes(), draw))


def yaml_of(path: Path, draw: random.Random) -> None:
    if draw.random() < 0.25:
        return bytes_of(path, draw)
    tree = change(yaml.safe_load(path.read_text(encoding="utf-8")), draw)
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")


def json_of(path: Path, draw: random.Random) -> None:
    if draw.random() < 0.25:
        return bytes_of(path, draw)
    path.write_text(json.dumps(change(json.loads(path.read_text(encoding="utf-8")), draw)), encoding="utf-8")


def recipe_of(path: Path, draw: random.Random) -> None:
    path.write_bytes(draw.choice(sorted((ROOT / "params" / "recipes").iterdir())).read_bytes())
    yaml_of(path, draw)


def column(rows: int, draw: random.Random) -> pa.Array:
    """A column of some type that the reader does not expect."""
    values: list[Any] = [draw.choice([0, 1, -1, 2, 300]) for _ in range(rows)]
    kind = draw.choice(["int64", "uint64", "float64", "float16", "string", "binary", "bool", "null", "date32", "list"])
    match kind:
        case "uint64":
            return pa.array([draw.choice([0, 2**64 - 1, 2**53 + 1]) for _ in values], kind)
        case "float64":
            return pa.array([draw.choice([0.0, 1.0, None, np.nan, np.inf, 1e308, -1e308]) for _ in values], kind)
        case "float16":
            return pa.array(np.array(values, np.float16))
        case "string" | "binary":
            texts = ["", "|none~0|", "a\nb", "|" * 99, "|a~" + "9" * 5000 + "|"]
            return pa.array([draw.choice(texts) for _ in values], pa.string()).cast(kind)
        case "bool":
            return pa.array([value > 0 for value in values])
        case "null":
            return pa.nulls(rows)
        case "date32":
            return pa.array(values, pa.int32()).cast("date32")
        case "list":
            return pa.array([[value] for value in values])
        case _:
            return pa.array([draw.choice([value, None]) for value in values], kind)


def parquet_of(path: Path, draw: random.Random) -> None:
    if draw.random() < 0.2:
        return bytes_of(path, draw)
    table = pq.read_table(path)
    metadata = dict(table.schema.metadata or {})
    index = draw.randrange(table.num_columns)
    name = table.column_names[index]
    match draw.randrange(5):
        case 0:
            table = table.set_column(index, name, column(len(table), draw))
        case 1:
            table = table.append_column(draw.choice([name, "other", "", "a\nb"]), column(len(table), draw))
        case 2:
            table = table.slice(draw.randrange(len(table)), draw.choice([0, 1, 3])) if len(table) else table
        case 3:
            table = table.remove_column(index) if draw.random() < 0.5 else pa.concat_tables([table, table])
        case _ if metadata:
            key = draw.choice(sorted(metadata))
            changed = change(json.loads(metadata[key]), draw)
            metadata[key] = draw.choice([json.dumps(changed).encode(), scramble(metadata[key], draw)])
    pq.write_table(table.replace_schema_metadata(metadata or None), path)


def tensors_of(path: Path, draw: random.Random) -> None:
    if draw.random() < 0.2:
        return bytes_of(path, draw)
    tensors, extra = artifacts.read_tensors(path)
    name = draw.choice(sorted(tensors))
    match draw.randrange(6):
        case 0:
            del tensors[name]
        case 1:
            tensors[name] = draw.choice(
                [torch.zeros(0), torch.zeros(1, 1, dtype=torch.complex64), torch.ones(3, dtype=torch.int8),
                 torch.full_like(tensors[name].float(), float("nan")), tensors[name].double()]
            )  # fmt: skip
        case _:
            extra = change(extra, draw)
    header = {"lbt": json.dumps(change({"extra": extra}, draw) if draw.random() < 0.1 else {"extra": extra})}
    from safetensors.torch import save_file

    save_file({key: value.contiguous() for key, value in tensors.items()}, path, header)


def npz_of(path: Path, draw: random.Random) -> None:
    if draw.random() < 0.2:
        return bytes_of(path, draw)
    with np.load(path) as held:
        content = dict(held)
    key = draw.choice(sorted(content))
    content[key] = draw.choice(
        [np.zeros(0), np.array(5), np.array(["a", "b"]), np.full((6, 8, 8), np.nan), np.arange(6) + 2**62,
         np.zeros((6, 0, 4, 1), np.uint8), np.array([None] * 6), np.arange(12.0).reshape(6, 2), np.full(6, -2),
         np.array([b"\xff"] * 6), content[key][:3]]
    )  # fmt: skip
    np.savez(path, **content)


# ---------------------------------------------------------------------------------------------------------------- kinds


@dataclass(frozen=True)
class Kind:
    """A kind of input: writes a valid file, changes it, and uses it as lbt does."""

    make: Callable[[Path], object]
    mutate: Callable[[Path, random.Random], object]
    use: Callable[[Path], object]
    suffix: str
    share: float = 1.0
    """Share of the inputs that a run spends on other kinds, for a slow one."""


def copied(source: str) -> Callable[[Path], object]:
    return lambda path: path.write_bytes((ROOT / source).read_bytes())


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 2)
    )


def use_recipe(path: Path) -> None:
    recipe = Recipe.load(path)
    str(recipe)
    quantize(network(), recipe)(torch.randn(4, 3, 8, 8)).sum().backward()
    str(cost(network(), (3, 8, 8), recipe=recipe))


def use_space(path: Path) -> None:
    space = load_space(path)
    rows = space.sample(3, 0)
    space.encode(space.format(row) for row in rows)
    space.graph(rows)


def make_table(path: Path) -> None:
    space = load_space("nasbench201")
    rows = space.sample(12, 0)
    values = [float(row.sum()) if index < 9 else None for index, row in enumerate(rows)]
    artifacts.write_table(path, {"architecture": [space.format(row) for row in rows], "score": values})


def make_images(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    artifacts.write_images(path, artifacts.Images(pixels, np.arange(12) % 3 - 1, ("a", "b")))


def make_npz(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8)
    np.savez(path, images=pixels, labels=np.arange(6) % 2, classes=np.array(["a", "b"]))


def use_file(path: Path) -> None:
    arrays.load(DomainSpec(kind="arrays", path=path.name))


ARCHITECTURE = Architecture("digit_cnn", ("a", "b"), 3, 16)


def make_model(path: Path) -> None:
    write_model(path, build("digit_cnn", 2, 3), ARCHITECTURE)


def make_weights(path: Path) -> None:
    torch.save({"state_dict": build("digit_cnn", 2, 3).state_dict()}, path)


def use_weights(path: Path) -> None:
    build_with(ARCHITECTURE, path)


def make_adapted(path: Path) -> None:
    adapted = quantize(build("digit_cnn", 2, 3), "int8")
    separate_statistics(adapted, ["target"])
    write_model(path, adapted, ARCHITECTURE, recipe="int8", domains=["target"])


def make_checkpoint(path: Path) -> None:
    state = {"step": 3, "identity": {"a": "b"}, "curve": [{"step": 3}], "networks": {"student": {"w": torch.ones(4)}}}
    checkpoints.save(path, state)


def make_record(path: Path) -> None:
    artifacts.write_json(path, {"fingerprint": "f", "outputs": {"a": "0"}, "params": {}})


def use_record(path: Path) -> None:
    (path.parent / "job.json").write_bytes(path.read_bytes())
    read_record(path.parent)
    freshness(Job("data", "a", {}, ("a",)), path.parent, "f", lambda _: "0")


def use_hashes(path: Path) -> None:
    cache = HashCache(path)
    cache(Path(path.name))
    cache.save()


def make_hashes(path: Path) -> None:
    artifacts.write_json(path, {path.name: [[1, 2, 3], "digest"], "other": [[0, 0, 0], "digest"]})


def command(arguments: list[str]) -> None:
    """Run ``lbt`` in this process. Raises LbtError for an error that is told in one line."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        try:
            cli.main(arguments)
        except SystemExit as stop:
            if stop.code and (stop.code != 2 or told.getvalue().count("\n") != 1):
                raise RuntimeError(f"exit code {stop.code}: {told.getvalue()!r}") from None
            if stop.code:
                raise LbtError(told.getvalue()) from None


OPTIONS = {
    "cost": ["--model=digit_cnn", "--recipe=int8", "--board=zcu102", "--batch=2", "--shape=3,8,8", "--classes=2"],
    "predict": ["--table=table.parquet", "--space=nasbench201", "--encoder=mlp", "--epochs=1", "--members=1",
                "--target=score", "--top=3", "--unseen=2", "--seed=0", "--out=scores.parquet"],
    "check": ["--params=params.yaml"],
}  # fmt: skip
WORDS = ["0", "-1", "1", "2", "", "x", "nan", "1e9", "1180591620717411303424", "3,1,1", "1,8,8", "-3,32,32", "3,0,8",
         "3,99999,99999", "3,8", "/", "/dev/null", "/proc/version", "missing.yaml", "x.yaml", ".", "\x00"[:0], "a\nb",
         "x" * 300, "x" * 5000 + ".yaml", "resnet20", "efficientnet_lite0", "fp8", "wage", "model.safetensors",
         "table.parquet", "params.yaml", "４", "+2", "1_0"]  # fmt: skip


LIKELY = {
    "--model": [*MODELS.names(), "model.safetensors"],
    "--recipe": Recipe.names(),
    "--board": Board.names(),
    "--batch": ["1", "65536"],
    "--shape": ["3,1,1", "1,8,8", "2,8,8", "3,2,2", "3,8,1", "3,5,7", "3,33,64"],
    "--classes": ["1", "65536"],
    "--encoder": ENCODERS.names(),
    "--top": ["1", "1000000"],
    "--unseen": ["0", "1000"],
    "--members": ["1", "3"],
    "--seed": ["4294967295"],
    "--out": ["/dev/null", ".", "table.parquet/x", "new/scores.parquet"],
}
"""Values that an option accepts, or that are refused only late."""


def make_options(path: Path) -> None:
    make_table(path.parent / "table.parquet")
    make_model(path.parent / "model.safetensors")
    copied("tests/workflow/tiny.yaml")(path.parent / "params.yaml")
    _fuzz_images.make_folder(path.parent / "made.json", path.parent / "inputs" / "mine")
    path.write_text('["cost"]', encoding="utf-8")


def mutate_options(path: Path, draw: random.Random) -> None:
    name = draw.choice(["cost", "cost", "predict", "predict", "check"])
    options = list(OPTIONS[name])
    for _ in range(draw.choice([1, 1, 2])):
        index = draw.randrange(len(options))
        option = options[index].partition("=")[0]
        options[index] = f"{option}={draw.choice(draw.choice([WORDS, LIKELY.get(option, WORDS)]))}"
    extra = draw.choice([[]] * 9 + [["--inference"], ["--compare"], ["--shap=3"], ["x"]])
    path.write_text(json.dumps([name, *options, *extra]), encoding="utf-8")


KINDS = {
    "params": Kind(copied("params/default.yaml"), yaml_of, lambda path: Plan(path).jobs, ".yaml"),
    "recipe": Kind(copied("params/recipes/thesis.yaml"), recipe_of, use_recipe, ".yaml"),
    "board": Kind(
        copied("params/boards/zcu102.yaml"), yaml_of, lambda p: cost(network(), (3, 8, 8), board=Board.load(p)), ".yaml"
    ),
    "space": Kind(lambda path: path.write_text(SPACE, encoding="utf-8"), yaml_of, use_space, ".yaml"),
    "declaration": Kind(copied("dvc.yaml"), yaml_of, read_declarations, ".yaml"),
    "table": Kind(
        make_table, parquet_of, lambda p: predict(p, "nasbench201", encoder="mlp", epochs=1, members=1), ".parquet"
    ),
    "images": Kind(make_images, parquet_of, use_file, ".parquet"),
    "arrays": Kind(make_npz, npz_of, use_file, ".npz"),
    "folder": Kind(_fuzz_images.make_folder, _fuzz_images.mutate_tree(scramble), _fuzz_images.use_folder, ".json"),
    "layouts": Kind(
        _fuzz_images.make_layouts, _fuzz_images.mutate_tree(scramble, ("layout",)), _fuzz_images.use_tree, ".json"
    ),
    "names": Kind(
        _fuzz_images.make_names, _fuzz_images.mutate_tree(scramble, ("name",)), _fuzz_images.use_tree, ".json"
    ),
    "wav": Kind(_fuzz_images.make_wav, _fuzz_images.mutate_tree(scramble), _fuzz_images.use_tree, ".json", 0.5),
    "keras": Kind(_fuzz_images.make_keras, _fuzz_images.mutate_arrays, _fuzz_images.use, ".npz"),
    "shard": Kind(_fuzz_images.make_shard, parquet_of, _fuzz_images.use, ".parquet"),
    "npy": Kind(_fuzz_images.make_npy, bytes_of, _fuzz_images.use, ".npy", 0.5),
    "mat": Kind(_fuzz_images.make_mat, bytes_of, _fuzz_images.use, ".mat", 0.5),
    "libsvm": Kind(
        _fuzz_images.make_libsvm, _fuzz_images.mutate_libsvm(scramble), _fuzz_images.use, ".libsvm.bz2", 0.5
    ),
    "idx": Kind(
        _fuzz_images.make_idx, _fuzz_images.mutate_idx(scramble), _fuzz_images.use, "-images-idx3-ubyte.gz", 0.5
    ),
    "weights": Kind(make_weights, bytes_of, use_weights, ".pth", 0.5),
    "model": Kind(make_model, tensors_of, read_model, ".safetensors"),
    "adapted": Kind(make_adapted, tensors_of, read_adapted, ".safetensors", 0.5),
    "checkpoint": Kind(make_checkpoint, tensors_of, checkpoints.load, ".safetensors"),
    "metrics": Kind(make_record, json_of, artifacts.read_json, ".json"),
    "record": Kind(make_record, json_of, use_record, ".json"),
    "hashes": Kind(make_hashes, json_of, use_hashes, ".json"),
    "options": Kind(
        make_options, mutate_options, lambda p: command(json.loads(p.read_text(encoding="utf-8"))), ".json"
    ),
}


def judge(use: Callable[[Path], object], path: Path) -> tuple[str, str]:
    """``taken``, ``refused`` or ``tracebacks``, and what was said."""
    try:
        with limited(SECONDS), contextlib.redirect_stderr(io.StringIO()):
            use(path)
    except LbtError as error:
        return "refused", str(error)
    except (Exception, TooLong) as error:
        return "tracebacks", f"{type(error).__name__}: {error}"
    return "taken", ""


@contextlib.contextmanager
def workspace(suffix: str) -> Iterator[Path]:
    """The path of an input in a workspace of its own, which is the working folder in the block."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name in ("params", "dvc.yaml", "lbt", "workflow"):
            Path(name).symlink_to(ROOT / name)
        yield Path(folder) / f"input{suffix}"


def fuzz(kind: Kind, name: str, count: int, seed: int) -> Counter[str]:
    """Counts of what became of ``count`` inputs; a traceback is printed with the input that gave it.

    Raises:
        LbtError: the valid file is refused, so that its mutations would show nothing.
    """
    with workspace(kind.suffix) as path:
        kind.make(path)
        kind.use(path)
    found: Counter[str] = Counter()
    for number in range(count):
        with workspace(kind.suffix) as path:
            kind.make(path)
            kind.mutate(path, random.Random(f"{seed} {name} {number}"))
            outcome, said = judge(kind.use, path)
            found[outcome] += 1
            if outcome == "tracebacks":
                print(f"{name} {number}: {said[:400]}\n    {path.read_bytes()[:400]!r}", flush=True)
    return found


def run(counts: int, seed: int, kinds: list[str] | None = None) -> list[dict[str, object]]:
    """Fuzz each kind, print a table, and return its rows."""
    rows: list[dict[str, object]] = []
    print(f"{'kind of input':<16}{'inputs':>8}{'taken':>8}{'refused':>9}{'tracebacks':>12}", flush=True)
    for name in kinds or KINDS:
        count = max(1, round(counts * KINDS[name].share))
        found = fuzz(KINDS[name], name, count, seed)
        print(f"{name:<16}{count:>8}{found['taken']:>8}{found['refused']:>9}{found['tracebacks']:>12}", flush=True)
        rows += [
            {"name": f"fuzz/{name}/{outcome}", "value": found[outcome], "unit": "inputs", "n": count}
            for outcome in ("taken", "refused", "tracebacks")
        ]
    return rows


def joined(old: list[dict[str, object]], new: list[dict[str, object]]) -> list[dict[str, object]]:
    """The rows of both, in the order of the kinds; the new ones where both have one."""
    rows = {str(row["name"]): row for row in [*old, *new]}
    kinds = list(KINDS)
    return sorted(rows.values(), key=lambda row: kinds.index(str(row["name"]).split("/")[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="60 inputs of a kind instead of 600")
    parser.add_argument("--seed", type=int, default=0, help="which inputs")
    parser.add_argument(
        "--kind", action="append", choices=list(KINDS), help="this kind alone; may be repeated; a file keeps the others"
    )
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    rows = run(60 if options.quick else 600, options.seed, options.kind)
    if options.json and options.kind and options.json.is_file():
        rows = joined(json.loads(options.json.read_text(encoding="utf-8")), rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
