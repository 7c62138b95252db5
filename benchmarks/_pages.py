"""Tables of a page that are made from results: each stands between ``<!-- table NAME -->`` and ``<!-- end -->``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

MARKED = re.compile(r"<!-- table ([\w ]+) -->.*?<!-- end -->", re.DOTALL)


def table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines])


def fill(page: str, tables: Mapping[str, str]) -> str:
    """The page with every table that it marks put in its place.

    Raises:
        KeyError: the page marks a table that does not exist.
    """
    return MARKED.sub(lambda mark: f"<!-- table {mark[1]} -->\n\n{tables[mark[1]]}\n\n<!-- end -->", page)
