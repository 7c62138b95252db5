"""One file per kind of domain, named after it, with a function ``load(spec) -> Splits``.

Beside it ``CLASSES``, the names of its classes, or, where a user's data say them, ``listing(spec) -> Listing``.
"""

from lbt.registry import Registry

DOMAINS = Registry("domain", "lbt.data.domains")
