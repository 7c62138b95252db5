"""The scripts of benchmarks/ as modules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OF_CLAIMS = ("claims", "claims_page", "_runs", "_pages", "adaptation", "recipes", "predictors", "few_labels")


@pytest.fixture
def claims_scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The experiments on claims can be imported; none of their modules stays."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in OF_CLAIMS]:
        sys.modules.pop(name)
