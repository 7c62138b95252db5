"""What is left to do after Snakemake has run: tidy up, and tell DVC."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from lbt.pipeline.plan import Plan

DVC_RUN = "default"
"""The run that ``dvc.yaml`` versions."""


def finish(plan: Plan) -> None:
    """Remove what earlier grids left, and record the finished stages in ``dvc.lock``, so that DVC has nothing to do.

    Nothing is recorded for other runs than the one that ``dvc.yaml`` declares, outside a DVC workspace, or when DVC
    itself is the caller (it records what its command made).
    """
    fresh = plan.fresh_stages()
    plan.prune(fresh)
    plan.digest.save()
    if plan.run == DVC_RUN and fresh and Path(".dvc").is_dir() and "DVC_STAGE" not in os.environ:
        subprocess.run(["dvc", "commit", "--quiet", "--force", *fresh], check=True)
