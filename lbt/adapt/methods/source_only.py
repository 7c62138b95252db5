"""No adaptation: the lower bound. The network sees source labels only, in the recipe's numbers.

A float network that is only rounded would confuse "does not adapt" with "was never trained in these numbers"; so every
recipe, fp32 included, does the same ``source_steps`` of training on the source first, as all source-free methods do.
"""

from __future__ import annotations

from lbt.adapt.method import Base


class Method(Base):
    prepared = True
    uses_source = uses_target = False
    batches_in_flight = 0
    domains = ("source",)

    @property
    def steps(self) -> int:
        return 0
