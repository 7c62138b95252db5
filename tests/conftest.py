"""Settings of every test."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("lbt", deadline=None)  # a first call may compile; a busy machine is no failure
settings.load_profile("lbt")

ROOT = Path(__file__).parent
FLOAT = {"adapt", "error_analysis", "fixed", "integer", "kernels", "models", "nas", "nn", "numerics"}
FLOAT |= {"pretrain", "train"}
"""Folders whose tests run float kernels: by folder, so that no new test can lack the mark."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(ROOT).parts[0] in FLOAT:
            item.add_marker(pytest.mark.float)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)  # so that no core idles behind a long one
