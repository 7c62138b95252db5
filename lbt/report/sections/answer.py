"""The answer: the found network and recipe beside the hand-made network."""

from __future__ import annotations

from lbt.nas.choose import report
from lbt.nas.choose.answer import Answer
from lbt.report import figures
from lbt.report.found import Found
from lbt.report.page import Block

PLACE = 0
TITLE = "The answer: which network, which bits"


def block(found: Found) -> Block:
    """The answer's sentence, table and front; words where the run did not ask."""
    folders = [folder for name, folder in found.jobs.get("choose", {}).items() if name.endswith("/answer")]
    if not folders:
        text = "This run did not ask: its params have no section choose."
        return Block(TITLE, text, figures.nothing(text), [("network", "energy", "worth", "front")])
    answer = Answer.read(folders[0] / "answer.json")
    rows = [(one.text, f"{one.energy:.6g}", f"{one.worth:.4f}", one.front) for one in answer.short]
    closing = "\n".join([report.sentence(answer), "", *report.front_lines(answer.short)])
    return Block(
        TITLE,
        f"{report.sentence(answer)} Mean and standard deviation over seeds after {answer.method}, on the target's test "
        f"split; limits of the search: {answer.limits}.",
        report.draw(answer),
        [("network", "energy_joules", "worth", "front"), *rows],
        report.table(answer),
        closing,
    )
