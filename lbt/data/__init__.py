"""Domains: labelled image sets with a name, brought to one form whatever they come from.

``load_domain(spec)`` gives the three fixed splits of a domain, ``to_input`` the tensor that a network takes.
"""

from __future__ import annotations

from lbt.lazy import exports

__getattr__, __dir__ = exports(
    __name__,
    {
        "DataParams": "lbt.data.params",
        "DomainSpec": "lbt.data.params",
        "Splits": "lbt.data.splits",
        "load_domain": "lbt.data.load",
        "match_classes": "lbt.data.images",
        "to_float": "lbt.data.images",
        "to_input": "lbt.data.inputs",
    },
)
