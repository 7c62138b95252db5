"""Cost of a training step on a board."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from lbt.report import figures
from lbt.report.found import Found
from lbt.report.page import Block
from lbt.report.tables import markdown

PLACE = 50
PASSES = ("forward", "error", "gradient", "update")


def block(found: Found) -> Block:
    """Energy by pass, LUTs per MAC unit, and the table."""
    rows = found.rows("hardware")
    keys = [key for key in rows[0] if key.startswith("energy_") and key != "energy_per_image_mj"]
    names = {key: key.removeprefix("energy_").removesuffix("_mj") for key in keys}
    by_pass = {row["job"]: {names[key]: row[key] for key in keys if row[key]} for row in rows}
    header = ["network", "recipe", "fits", "MAC style", "LUT per MAC", "array", "images/s", "mJ/image", "storage, MB"]
    body = [
        [
            *row["parts"],
            "yes" if row["fits"] else "no",
            row["multiplier_style"],
            f"{row['mac_lut']:.0f}",
            f"{row['array_rows']}×{row['array_cols']}",
            f"{row['images_per_second']:,.0f}",
            f"{row['energy_per_image_mj']:.3f}",
            f"{row['storage_bytes'] / 1e6:.2f}",
            row["limit"],
        ]
        for row in rows
    ]
    header.append("limit")
    return Block(
        "Hardware: what a training step costs",
        "Forward, error, weight-gradient and update passes of one step on the board of the params file. LUTs come from "
        "synthesised units and name their multiplier style; energies are for 45 nm. docs/hardware.md has the formulas.",
        _draw(by_pass, {row["job"]: row["mac_lut"] for row in rows}),
        [header, *body],
        markdown(header, body),
    )


def cheapest(found: Found) -> str:
    """The job that costs the pretrained network under the recipe that takes the least energy."""
    jobs = [row for row in found.rows("hardware") if row["parts"][0] == "network"]
    return str(min(jobs, key=lambda row: row["energy_per_image_mj"])["job"])


def in_order(passes: Mapping[str, object]) -> list[str]:
    """The passes in the order in which a training step makes them; others after them."""
    return sorted(passes, key=lambda name: (PASSES.index(name) if name in PASSES else len(PASSES), name))


def _draw(by_pass: Mapping[str, Mapping[str, float]], lut: Mapping[str, float]) -> Figure:
    figure, (left, right) = figures.new(8.0, max(2.4, 0.32 * len(by_pass) + 1.0), 2)
    passes = in_order({name: None for sums in by_pass.values() for name in sums})
    figures.stacked(left, by_pass, passes, "energy, mJ per image (45 nm)")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=5, fontsize=8)
    right.barh(list(by_pass), [lut[name] for name in by_pass], color=figures.colour(0))
    right.set(xlabel="LUT per MAC unit")
    right.set_yticklabels([])
    right.invert_yaxis()
    return figure
