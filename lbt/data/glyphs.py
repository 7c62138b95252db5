"""The ten digits in many faces: the DejaVu fonts that ship with matplotlib and the stroke fonts of Hershey-Fonts."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lbt.data.packages import package_file

BOX = 48
"""Side of a glyph's image, in pixels."""
HEIGHT = 32
"""Height of a digit in it."""

DEJAVU = (
    *("Sans", "Sans-Bold", "Sans-Oblique", "Sans-BoldOblique"),
    *("SansMono", "SansMono-Bold", "SansMono-Oblique", "SansMono-BoldOblique"),
    *("Serif", "Serif-Bold", "Serif-Italic", "Serif-BoldItalic"),
)
HERSHEY = ("futural", "futuram", "cursive", "rowmand", "rowmant", "timesr", "timesi", "timesrb", "timesib")
STROKES = (2, 4)
"""Widths of the pen for the stroke fonts, in pixels at HEIGHT."""

_OVER = 4  # supersampling of the stroke fonts, which PIL draws without antialiasing


@cache
def atlas() -> np.ndarray:
    """Coverage of each digit in each face: float32 (faces, 10, BOX, BOX) in [0, 1], digits centred."""
    faces = [[_dejavu(face, digit) for digit in range(10)] for face in DEJAVU]
    for face in HERSHEY:
        strokes = _strokes(face)
        faces += [[_drawn(lines, pen) for lines in strokes] for pen in STROKES]
    return np.array(faces, dtype=np.float32) / 255


def _dejavu(face: str, digit: int) -> np.ndarray:
    # the height of DejaVu's digits is 0.73 em in every cut
    font = ImageFont.truetype(str(package_file("matplotlib", f"mpl-data/fonts/ttf/DejaVu{face}.ttf")), HEIGHT / 0.73)
    image = Image.new("L", (BOX, BOX))
    left, top, right, bottom = font.getbbox(str(digit))
    origin = ((BOX - left - right) / 2, (BOX - top - bottom) / 2)
    ImageDraw.Draw(image).text(origin, str(digit), fill=255, font=font)
    return np.asarray(image)


def _strokes(face: str) -> list[np.ndarray]:
    """The lines of each digit in a stroke font: float arrays (lines, 2 ends, xy)."""
    from HersheyFonts import HersheyFonts

    fonts = HersheyFonts()
    fonts.load_default_font(face)
    return [np.array(list(fonts.lines_for_text(str(digit))), dtype=float) for digit in range(10)]


def _drawn(strokes: np.ndarray, pen: int) -> np.ndarray:
    low, high = strokes.min(axis=(0, 1)), strokes.max(axis=(0, 1))
    scale = _OVER * (HEIGHT - pen) / (high[1] - low[1])
    points = (strokes - (low + high) / 2) * scale + _OVER * BOX / 2
    image = Image.new("L", (_OVER * BOX, _OVER * BOX))
    draw = ImageDraw.Draw(image)
    radius = _OVER * pen / 2
    for start, end in points:
        draw.line([*start, *end], fill=255, width=_OVER * pen)
        draw.ellipse([*(start - radius), *(start + radius)], fill=255)
        draw.ellipse([*(end - radius), *(end + radius)], fill=255)
    return np.asarray(image.resize((BOX, BOX), Image.Resampling.BOX))
