"""The tables of README.md, taken from the ``results.md`` of a run.

A table stands between two markers below a line that begins with its title in bold; the rest of that line is the
page's own::

    **Search: regret by number of evaluated architectures** (three seeds):

    <!-- results: start -->
    <!-- results: end -->
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lbt.artifacts import atomic
from lbt.errors import LbtError, unknown

START, END = "<!-- results: start -->", "<!-- results: end -->"
MARKED = re.compile(rf"^(\*\*(?P<title>[^*\n]+)\*\*[^\n]*\n\n{START}\n).*?^{END}$", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"^(?P<title>[^|\n]+)\n\n(?P<table>(?:^\|.*\n?)+)", re.MULTILINE)


def tables(results: Path) -> dict[str, str]:
    """The Markdown tables of a ``results.md`` by their titles."""
    found = {match["title"]: match["table"].rstrip("\n") for match in TABLE.finditer(results.read_text("utf-8"))}
    if not found:
        raise LbtError(f"{results}: no table with a title")
    return found


def filled(page: str, found: Mapping[str, str], name: str = "README.md") -> str:
    """``page`` with each marked table replaced by the one of its title.

    Raises:
        LbtError: nothing is marked, a marker has no partner or no title, or no table has the title.
    """
    for marker in (START, END):
        if page.count(marker) != len(MARKED.findall(page)) or marker not in page:
            raise LbtError(f"{name}: expected tables of the form '**Title** …', blank line, '{START}', table, '{END}'")

    def replace(match: re.Match[str]) -> str:
        if match["title"] not in found:
            raise unknown("table", match["title"], found, where=name)
        return f"{match[1]}\n{found[match['title']]}\n\n{END}"

    return MARKED.sub(replace, page)


def update(page: Path, results: Path, check: bool = False) -> None:
    """Put the tables of ``results`` into ``page``; with ``check`` write nothing.

    Raises:
        LbtError: as :func:`filled`; ``page`` is missing; or, with ``check``, its tables are not those of ``results``.
    """
    if not page.is_file():
        raise LbtError(f"{page}: no such file; run this in the folder that holds it")
    text = page.read_text("utf-8")
    wanted = filled(text, tables(results), str(page))
    if check and wanted != text:
        raise LbtError(f"{page}: its tables are not those of {results}; run `lbt readme`")
    if wanted != text:
        with atomic(page) as temporary:
            temporary.write_text(wanted, "utf-8")
