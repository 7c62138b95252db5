"""The fenced blocks and the inline commands of the documentation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md"))]
FENCE = re.compile(r"^[ ]*```(?P<tag>[^\n`]*)\n(?P<text>.*?)^[ ]*```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the page and line (of the opening fence) where it stands."""

    tag: str
    text: str
    page: str
    line: int

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [Block(m["tag"].strip(), m["text"], page, text.count("\n", 0, m.start()) + 1) for m in FENCE.finditer(text)]


def inline(page: str) -> list[str]:
    """Everything that stands between single backquotes in a page's prose."""
    return INLINE.findall(FENCE.sub("", (ROOT / page).read_text(encoding="utf-8")))
