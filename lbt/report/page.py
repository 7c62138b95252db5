"""One self-contained HTML page: figures inline, no script, nothing loaded from anywhere."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup
from matplotlib.figure import Figure

from lbt.artifacts import atomic

TEMPLATE = Path(__file__).with_name("page.html.jinja")


@dataclass(frozen=True)
class Block:
    """One finding.

    Attributes:
        title: a line.
        text: caption, with how it was measured.
        figure: the picture.
        data: the numbers behind the picture, header first.
        table: the numbers worth reading, as a Markdown table; empty if the picture says it all.
        closing: lines below the table where there is no picture, on a terminal.
    """

    title: str
    text: str
    figure: Figure
    data: Sequence[Sequence[Any]]
    table: str = ""
    closing: str = ""

    @property
    def cells(self) -> list[list[str]]:
        """The table's cells, header first."""
        lines = [line.strip("|").split("|") for line in self.table.splitlines()]
        return [[cell.strip() for cell in line] for index, line in enumerate(lines) if index != 1]


def write_page(path: Path, folder: Path, blocks: Mapping[str, Block], sheets: Mapping[str, Path]) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        folder: where the blocks' SVG files are.
        blocks: by name, in order.
        sheets: a contact sheet (PNG) per domain.
    """
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    pictures = {name: Markup(_inline_svg(folder / f"{name}.svg")) for name in blocks}
    encoded = {name: base64.b64encode(sheet.read_bytes()).decode() for name, sheet in sheets.items()}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    with atomic(path) as temporary:
        temporary.write_text(template.render(blocks=blocks, pictures=pictures, sheets=encoded), encoding="utf-8")


def _inline_svg(path: Path) -> str:
    """The SVG element alone, its ids made unique by the figure's name so that two figures on a page do not mix."""
    text = path.read_text(encoding="utf-8")
    text = text[text.index("<svg") :]
    for mark in ('id="', 'href="#', "url(#"):
        text = text.replace(mark, f"{mark}{path.stem}-")
    return text
