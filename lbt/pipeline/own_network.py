"""Inputs of a job whose network is a user's own code, or described by a user's own file.

``pretrain.model: my_package.my_module:build`` or ``pretrain.model: inputs/network.yaml``.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lbt.models import allow, is_file, is_own, source
from lbt.params import Params
from lbt.pipeline.declaration import files_below
from lbt.pipeline.job import Job

KEY = "pretrain.model"


def params_of(params: Params) -> dict[str, Any]:
    """The part of a job's params that names the network, and a hash of its code if an installed package holds it."""
    name = params.pretrain.model
    if not is_own(name):
        return {}
    found = {KEY: name}
    if source(name) is None:
        found[f"{KEY}.code"] = _installed(name.partition(":")[0].partition(".")[0])
    return found


def files_of(params: Params) -> tuple[str, ...]:
    """The file or folder of the workspace that holds the code or the description."""
    name = params.pretrain.model
    if is_file(name):
        return (name,)
    code = source(name) if is_own(name) else None
    return () if code is None else (code.as_posix(),)


def allow_in(job: Job) -> None:
    """Let the job import the network that its params name."""
    if KEY in job.params:
        allow(job.params[KEY])


def _installed(top: str) -> str:
    """SHA-256 over the files of an installed package or module; ``missing`` where there is none."""
    spec = find_spec(top)
    if spec is None or spec.origin is None:
        return "missing"
    root = Path(spec.origin)
    root = root.parent if spec.submodule_search_locations else root
    total = hashlib.sha256()
    for file in files_below(root):
        total.update(file.name.encode() + file.read_bytes())
    return total.hexdigest()
