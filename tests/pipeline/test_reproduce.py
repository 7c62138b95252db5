"""The same bits on other processors: the mode's settings, and a short job of every stage under an emulator."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lbt import reproducible
from lbt.errors import LbtError
from lbt.pipeline import reproduce
from lbt.pipeline.declaration import read_declarations

ROOT = Path(__file__).resolve().parents[2]


def test_the_mode_is_refused_once_a_library_has_been_loaded_without_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", object())
    with pytest.raises(LbtError, match="is loaded already, without ATEN_CPU_CAPABILITY=avx2"):
        reproducible.enter({})
    reproducible.enter(dict(reproducible.SETTINGS))


def test_libraries_obey_the_mode():
    code = (
        "from lbt import reproducible; reproducible.enter(); import torch, numpy; "
        "from numpy._core._multiarray_umath import __cpu_dispatch__ as kernels, __cpu_features__ as on; "
        "assert torch.backends.cpu.get_cpu_capability() in ('AVX2', 'DEFAULT'); "
        "assert torch.get_num_threads() == 1; assert not any(on[name] for name in kernels)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_default_params_are_reproducible():
    from lbt.params import load_params

    assert all(load_params(ROOT / f"params/{name}.yaml").reproducible for name in ("default", "reproduce"))


def test_a_processor_that_the_emulator_lacks_is_one_line(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(reproduce, "EMULATOR", "no-such-emulator")
    with pytest.raises(LbtError, match=r"no-such-emulator is not installed; .*qemu-user"):
        list(reproduce.reproduce(["Haswell"]))


@pytest.mark.slow
@pytest.mark.emulated
@pytest.mark.skipif(shutil.which(reproduce.EMULATOR) is None, reason="qemu-user is not installed")
def test_an_emulated_processor_makes_the_same_bits(monkeypatch):
    monkeypatch.chdir(ROOT)
    hashes: dict[str, set[str]] = {}
    for _, stage, digest in reproduce.reproduce(("native", "Haswell")):
        hashes.setdefault(stage, set()).add(digest)
    assert {stage: len(found) for stage, found in hashes.items()} == dict.fromkeys(hashes, 1)
    assert set(hashes) == set(read_declarations(ROOT / "dvc.yaml"))


def test_reading_any_params_loads_no_library_that_has_to_know_the_mode():
    code = (
        "import sys, lbt.cli; from lbt.config import yaml_names, find_yaml; from lbt.recipe import Recipe; "
        "from lbt.pipeline.plan import Plan; from lbt.reproducible import LIBRARIES; "
        "[Recipe.load(name) for name in yaml_names('recipes')]; "
        "[Plan(f'params/{name}.yaml').jobs for name in ('default', 'digits', 'photos', 'paper')]; "
        "assert not set(LIBRARIES) & set(sys.modules), set(LIBRARIES) & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
