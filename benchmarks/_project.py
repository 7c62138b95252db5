"""A small project for whatever has to run the real engines: this tree's files, the tiny params, a user's few images."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
TINY = ROOT / "tests" / "workflow" / "tiny.yaml"


def environment(folder: Path) -> dict[str, str]:
    """The variables of a shell in the project ``folder``: its code, this interpreter's commands, an author for git."""
    who = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", "t"), ("EMAIL", "t@t"))
    }
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "GIT_"))},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        **who,
    }


def copy(folder: Path) -> None:
    """Copy this tree's files, committed or not, into ``folder``; not the lock, and nothing that git ignores."""
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    for name in filter(None, files):
        if (ROOT / name).is_file() and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def make(folder: Path) -> None:
    """Fill ``folder`` with a fresh clone that has the tiny params; nothing has been made in it."""
    copy(folder)
    shutil.copy(TINY, folder / "params/default.yaml")
    random = np.random.default_rng(0)
    for shape in ("dark", "light"):
        (folder / "inputs/mine" / shape).mkdir(parents=True)
        for index in range(30):
            pixels = random.integers(0, 128, (32, 32, 3)) + 127 * (shape == "light")
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "inputs/mine" / shape / f"{index}.png")
    for command in (
        ["lbt", "declare"],
        ["git", "init", "--quiet"],
        ["git", "add", "--all"],
        ["git", "add", "--force", "inputs/mine"],
        ["git", "commit", "--quiet", "--message", "start"],
    ):
        subprocess.run(command, cwd=folder, env=environment(folder), check=True, stdout=subprocess.DEVNULL)
