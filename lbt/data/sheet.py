"""A contact sheet: one look shows what a domain looks like, and whether its labels are right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lbt.artifacts import Images, atomic

CELL = 48
"""Side of one image on the sheet, in pixels."""
_MARGIN = 96  # room for a class name


def write_sheet(path: str | Path, images: Images, columns: int = 14, rows: int = 32) -> None:
    """The first ``columns`` images of each of the first ``rows`` classes as a PNG, one class a row.

    Images without a label come last, under "no label". The bytes are a pure function of the images.
    """
    groups = [(name, np.flatnonzero(images.labels == i)) for i, name in enumerate(images.classes[:rows])]
    groups.append(("no label", np.flatnonzero(images.labels < 0)))
    groups = [(name, members) for name, members in groups if len(members)]
    sheet = Image.new("RGB", (_MARGIN + columns * CELL, len(groups) * CELL), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    for row, (name, members) in enumerate(groups):
        draw.text((6, row * CELL + CELL // 2), name[:12], fill="black", font=font, anchor="lm")
        for column, index in enumerate(members[:columns]):
            pixels = images.pixels[index]
            picture = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0]).convert("RGB")
            picture = picture.resize((CELL - 2, CELL - 2), Image.Resampling.BICUBIC)
            sheet.paste(picture, (_MARGIN + column * CELL, row * CELL))
    with atomic(path) as temporary:
        sheet.save(temporary, format="PNG")
