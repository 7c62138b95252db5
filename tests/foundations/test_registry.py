import subprocess
import sys

import pytest

from lbt.errors import LbtError
from lbt.registry import Registry


def test_names_are_files_and_helpers_are_left_out():
    names = Registry("stage", "lbt.pipeline.stages").names()
    assert {"data", "adapt", "report"} <= set(names)
    assert not any(name.startswith("_") for name in names)


def test_an_unknown_name_gets_its_nearest_spelling():
    with pytest.raises(LbtError, match=r"unknown method 'mean_techer'.*did you mean 'mean_teacher'"):
        Registry("method", "lbt.adapt.methods").check("mean_techer")


def test_the_command_line_starts_without_torch():
    code = "import sys, lbt.cli; lbt.cli.Plan('params/default.yaml').jobs; print('torch' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "False"
