"""README, CONTRIBUTING and docs can be pasted from: every block is executed, or parsed as its program would."""

from __future__ import annotations

import pydoc
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click import ClickException
from PIL import Image
from safetensors.torch import save_file

from lbt.artifacts import write_images, write_table
from lbt.data import DomainSpec, load_domain
from lbt.errors import LbtError
from lbt.models import Architecture, build, write_model
from lbt.nas.space import load

from ._blocks import PAGES, ROOT, Block, blocks, inline
from ._commands import CHECKS, check_line
from ._yaml import check_yaml

SKIPPED = ("text", "mermaid")
SPACE = "operations_on: edge\nnodes: 3\noperations: [none, conv1x1, conv3x3]\nnone: none\n"


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the pages say a reader has: a pretrained run, a search space and a table."""
    folder = tmp_path_factory.mktemp("owned")
    _pretrained(folder / "results/default")
    _table(folder)
    _photos(folder)
    return folder


@pytest.fixture
def workspace(owned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with this tree's params and code, and a reader's own files."""
    shutil.copytree(owned, tmp_path, dirs_exist_ok=True)
    for name in ("params", "lbt", "workflow", "dvc.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.manual_seed(0)
    yield tmp_path
    torch.set_num_threads(threads)


def _pretrained(run: Path) -> None:
    """Data and a network as ``snakemake pretrain`` leaves them, of few images and without training."""
    for kind in ("mnist", "optdigits"):
        for part, images in load_domain(DomainSpec(kind=kind, train=64, validation=30, test=30)).items():
            write_images(run / f"data/{kind}/{part}.parquet", images)
    architecture = Architecture("digit_cnn", images.classes, channels=3, size=32)
    write_model(run / "pretrain/mnist/model.safetensors", build("digit_cnn", 10, 3), architecture)


def _photos(folder: Path) -> None:
    """Cups and mugs of a shop, and photos that a phone took of them, without labels; weights of a network."""
    random = np.random.default_rng(0)
    for number in range(40):
        for place in (f"inputs/shop/{('cup', 'mug')[number % 2]}", "inputs/phone"):
            pixels = random.integers(0, 200, (48, 48, 3), dtype=np.uint8)
            (folder / place).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / place / f"{number}.png")
    pixels = random.integers(0, 256, (40, 28, 28), dtype=np.uint8)
    np.savez(
        folder / "inputs/mine.npz", x_train=pixels, y_train=np.arange(40) % 4, x_test=pixels, y_test=np.arange(40) % 4
    )
    layers = [torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.BatchNorm2d(16), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(16, 2))
    save_file(network.state_dict(), folder / "inputs/net.safetensors")


def _table(folder: Path) -> None:
    """A search space and a table of one's own."""
    (folder / "my_space.yaml").write_text(SPACE)
    space = load(folder / "my_space.yaml")
    cells = [space.format(row) for row in np.unique(space.sample(100, 0), axis=0)]
    accuracy = [cell.count("conv3x3") if number % 3 else None for number, cell in enumerate(cells)]
    write_table(folder / "my.parquet", {"architecture": cells, "accuracy": accuracy})


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_its_language(page):
    assert all(block.tag in (*RUN, *SKIPPED) for block in blocks(page)), [(str(b), b.tag) for b in blocks(page)]
    assert (ROOT / page).read_text(encoding="utf-8").count("```") == 2 * len(blocks(page))


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
def test_every_block_runs(page, workspace):
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.tag not in SKIPPED:
            try:
                RUN[block.tag](block, names)
            except Exception as error:
                error.add_note(f"in the block {block}")
                raise


def run_python(block: Block, names: dict[str, object]) -> None:
    """A block whose first line is ``# NAME.py`` is also the file of that name for what comes after it."""
    first = block.text.partition("\n")[0].removeprefix("# ")
    if first.endswith(".py"):
        Path(first).write_text(block.text, encoding="utf-8")
    code = "\n" * block.line + block.text  # a traceback gives the page's own lines
    exec(compile(code, ROOT / block.page, "exec"), names)


def run_yaml(block: Block, names: dict[str, object]) -> None:
    """A block whose first line is ``# NAME.yaml`` is also the file of that name for what comes after it."""
    check_yaml(block.text)
    first = block.text.partition("\n")[0].removeprefix("# ")
    if first.endswith(".yaml"):
        Path(first).write_text(block.text, encoding="utf-8")


def run_sh(block: Block, names: dict[str, object]) -> None:
    check_line(block.text, run=True)


RUN = {"python": run_python, "yaml": run_yaml, "sh": run_sh}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_in_the_prose_exists(page):
    for code in inline(page):
        program, _, rest = code.removeprefix("OMP_NUM_THREADS=1 ").partition(" ")
        if program in CHECKS and rest:
            check_line(code)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_every_name_in_the_prose_exists(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    files = re.findall(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)", text)
    assert [file for file in files if not (ROOT / page).parent.joinpath(file).exists()] == []
    dotted = {match[0] for code in inline(page) if (match := re.match(r"lbt(\.\w+)+", code))}
    assert [name for name in sorted(dotted) if pydoc.locate(name) is None] == []


@pytest.mark.parametrize(
    "command",
    [
        "lbt adpat --list",
        "lbt cost --modle digit_cnn",
        "lbt cost --batch many",
        "lbt adapt --job mnist-optdigits/adabn/int9/0",
        "snakemake --cores all adpt",
        "snakemake --core-s all",
        "snakemake --cores all --configfile params/none.yaml",
        "dvc reproo",
        "dvc repro adpt",
        "dvc exp run -S params/default.yaml:adapt.recpie=int4",
        "dvc exp run -S params/default.yaml:adapt.recipe=int9",
        "python benchmarks/none.py",
        "python benchmarks/hardware.py --qick",
        "python -m lbt.hardwear",
        "make tset",
        "pip install 'lbt[rtll]'",
        "pytest tests/none.py",
        "torchrun --nproc-per-node 2 --no-python lbt adpat",
        "make test && lbtt adapt",
        "conda install lbt",
    ],
)
def test_a_wrong_command_is_found(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises((AssertionError, LbtError, ClickException, OSError)):
        check_line(command)
