"""The pipeline's jobs: what there is to do, what is already done, and doing it. Both engines ask here."""

from lbt.pipeline.job import Job
from lbt.pipeline.plan import Plan

__all__ = ["Job", "Plan"]
