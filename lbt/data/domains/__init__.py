"""One file per kind of domain, named after it, with one function: ``load(spec) -> Splits``."""

from lbt.registry import Registry

DOMAINS = Registry("domain", "lbt.data.domains")
