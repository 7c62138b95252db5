"""The search as a stage: its jobs, their params, and that they run."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbt.artifacts import read_json
from lbt.errors import LbtError
from lbt.models import resolved
from lbt.pipeline.execute import execute
from lbt.pipeline.plan import Plan
from lbt.recipe import Recipe

CHOICE = """
adapt: {pair: bars-field, method: mean_teacher, recipe: [fp32, int8], steps: 2, source_steps: 1, batch: 8, seed: 0}
edge: {source: bars}
supernet: {domain: bars}
choose: {waves: 1, wave: 1, pool: 2, points: 1, trial_steps: 2, seed: SEEDS}
"""


def planned(head: str, seeds: str = "[0]") -> Plan:
    Path("params.yaml").write_text(head + CHOICE.replace("SEEDS", seeds))
    return Plan("params.yaml", check_files=False)


def test_without_a_section_there_is_no_job(bars):
    Path("params.yaml").write_text(bars(12, False) + CHOICE.split("choose:")[0])
    plan = Plan("params.yaml", check_files=False)
    assert plan.stage("choose") == []
    assert "choose" in plan.fresh_stages()


def test_a_new_seed_is_new_final_trainings_alone(bars):
    head = bars(12, False)
    before = planned(head).identity()
    after = planned(head, "[0, 1]").identity()
    changed = {key for key in after if after[key] != before.get(key) and key.startswith("choose/")}
    finals = {f"choose/bars-field/{name}/1" for name in ("found", "digit_cnn")}
    assert changed == finals | {"choose/bars-field/answer", "choose/summary"}


def test_what_adapt_makes_of_the_hand_made_network_is_taken_from_there(bars):
    job = planned(bars(12, False)).jobs["choose/bars-field/digit_cnn/0"]
    assert {"pretrain/bars/0", "adapt/bars-field/mean_teacher/int8/0"} < set(job.needs)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("waves: 1", "energy: 5", "choose.energy"),
        ("waves: 1", "energy: 5mj", r"choose.energy: found .*J, mJ"),
        ("waves: 1", "pair: bars-feild", "choose.pair: .*did you mean 'field'"),
        ("waves: 1", "board: zcu103", "choose.board: .*did you mean 'zcu102'"),
        ("waves: 1", "wavs: 1", "choose.wavs: .*did you mean 'wave"),
    ],
)
def test_mistakes_are_one_line(bars, old, new, message):
    Path("params.yaml").write_text((bars(12, False) + CHOICE.replace("SEEDS", "0")).replace(old, new))
    with pytest.raises(LbtError, match=message):
        Plan("params.yaml")


def test_the_jobs_run_and_end_in_an_answer(bars):
    plan = planned(bars(12, True))

    def made(key: str) -> None:
        for need in plan.jobs[key].needs.values():
            made(need.key)
        if plan.stale(plan.jobs[key]):
            execute(plan, plan.jobs[key])

    made("choose/summary")
    folder = plan.root / "choose/bars-field"
    found = read_json(folder / "answer/metrics.json")
    assert found["network"] == resolved(str(folder / "search/network.yaml"))
    assert "seconds" not in found
    assert found["found_minus_handmade"] is not None
    Recipe.load(str(folder / "search/recipe.yaml"))
    table = read_json(plan.root / "adapt/bars-field/mean_teacher/int8/0/metrics.json")
    assert found["handmade/mean_teacher/bits/target_accuracy"] == table["target_accuracy"]


def test_a_job_needs_the_very_job_that_is_planned():
    """Jobs of one stage that need each other agree on their fingerprints, whichever is asked for first."""
    plan = Plan("params/default.yaml", check_files=False)
    for job in plan.jobs.values():
        for need in job.needs.values():
            assert need is plan.jobs[need.key]


def test_null_plans_no_job(tmp_path):
    text = Path("params/default.yaml").read_text()
    first, last = text.index("choose:"), text.index("edge:")
    (tmp_path / "none.yaml").write_text(f"{text[:first]}choose: null\n\n{text[last:]}")
    assert not [key for key in Plan(tmp_path / "none.yaml", check_files=False).jobs if key.startswith("choose/")]
