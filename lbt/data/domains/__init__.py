"""One file per kind of domain; its ``load(spec) -> Splits`` is all that it needs. The file's name is the kind's name."""

from lbt.registry import Registry

DOMAINS = Registry("domain", "lbt.data.domains")
