"""Fills the tables of docs/data.md from docs/results/{data_memory,fuzz,open_set}.json.

    python benchmarks/data_page.py

A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``; a test fails when page and numbers disagree.
"""

from __future__ import annotations

from pathlib import Path

import _pages
from reliability_page import Rows, fuzz, read

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS = ROOT / "docs" / "data.md", ROOT / "docs" / "results"

IMAGES = ("images", "arrays", "folder", "layouts", "names", "wav", "keras", "shard", "npy", "mat", "libsvm", "idx")
"""Kinds of input of benchmarks/fuzz.py that are images."""
FROM = {
    "npy": "`.npy`", "npz": "`.npz`", "mat": "`.mat`, packed", "h5": "`.h5`, packed", "libsvm": "libsvm text",
    "parquet": "PNG in Parquet", "folder": "PNG files", "photos": "JPEG files",
}  # fmt: skip
WORK = {"prepare": "the data stage", "train": "batches for training"}


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), RESULTS), encoding="utf-8")


def filled(page: str, results: Path) -> str:
    """The page with every marked table made from the rows in a folder."""
    tried = {name: value for name, value in read(results / "fuzz.json").items() if name.split("/")[1] in IMAGES}
    made = {"fuzz": fuzz(tried), "memory": memory(read(results / "data_memory.json"))}
    return _pages.fill(page, {**made, "unknown": unknown(read(results / "open_set.json"))})


def unknown(rows: Rows) -> str:
    """One line for each method of benchmarks/open_set.py."""
    header = ["method", "accuracy on known classes, %", "unknown, %", "AUROC of entropy", "AUROC of margin"]
    lines = []
    for method in dict.fromkeys(name.split("/")[1] for name in rows):
        names = ("target_accuracy", "unknown_share", "entropy_auroc", "margin_auroc")
        accuracy, share, entropy, margin = (rows[f"open/{method}/{name}"] for name in names)
        lines.append([f"`{method}`", f"{accuracy:.1f}", f"{100 * share:.1f}", f"{entropy:.3f}", f"{margin:.3f}"])
    return _pages.table(header, lines)


def memory(rows: Rows) -> str:
    """One line for each kind of file and work of benchmarks/data_memory.py."""
    header = ["images", "pixels, MiB", "from", "work", "peak, MiB", "growth, bytes an image"]
    lines = []
    for name, value in rows.items():
        if name.endswith("/peak"):
            _, kind, work, _ = name.split("/")
            growth = rows[f"data_memory/{kind}/{work}/bytes_an_image"]
            count, side, pixels = (rows[f"data_memory/{kind}/{size}"] for size in ("images", "side", "pixels"))
            depth = "colour" if pixels * 2**20 > 2 * count * side**2 else "grey"
            images = f"{count:,.0f} of {side:.0f}×{side:.0f}, {depth}"
            lines.append([images, f"{pixels:,.0f}", FROM[kind], WORK[work], f"{value:,.0f}", f"{growth:,.0f}"])
    return _pages.table(header, lines)


if __name__ == "__main__":
    main()
