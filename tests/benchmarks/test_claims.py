"""docs/claims.md: a row for every idea of the notes, verdicts that follow numbers, experiments that run."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("claims_scripts")


def test_the_page_follows_from_the_numbers() -> None:
    import claims_page

    text = claims_page.PAGE.read_text(encoding="utf-8")
    assert "<!-- table refuted -->" in text
    assert claims_page.filled(text, claims_page.read_rows()) == text, "run python benchmarks/claims_page.py"


def test_every_idea_of_the_notes_has_a_row_and_no_other() -> None:
    import claims.ideas

    noted = re.findall(r"^- \*\*(\d\.\d\d)\*\* ", (ROOT / "docs/notes.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [idea.number for idea in claims.ideas.ideas()] == noted
    assert len(noted) > 100


def test_ideas_point_at_files_and_commands_that_exist() -> None:
    import claims.ideas

    for idea in claims.ideas.ideas():
        assert not idea.where or (ROOT / idea.where).exists(), idea
        for command in filter(None, idea.command.split("; ")):
            program, script = command.split()[:2]
            assert program in ("python", "pytest"), idea
            assert (ROOT / script).is_file(), idea


def test_an_idea_without_an_experiment_is_open() -> None:
    import claims_page

    rows = claims_page.read_rows()
    lines = [claims_page.line(idea, rows) for idea in claims_page.claims.ideas.ideas()]
    assert all(one[5] == "open" for one in lines if not one[3])
    assert all(one[5] in claims_page.VERDICTS for one in lines)


def test_a_missing_number_is_named_and_open() -> None:
    import claims_page
    from claims.ideas import Idea, judge

    idea = Idea("9.99", "x", "", judge.above(judge.row("nothing: here"), 0.0, "{0:.1f}"), "python benchmarks/claims.py")
    assert claims_page.line(idea, {})[5:] == ["open", "no row nothing: here in docs/results"]
    beside = judge.above(judge.row("x: a"), 0.0, "{0:.1f}, {1:.1f}", judge.row("nothing: here"))
    assert beside(rows_of(1.0, 1.1, 1.2)) == ("holds", "1.1 ± 0.1, (not run)", "3")


def rows_of(*values: float, other: tuple[float, ...] = ()) -> dict[str, dict[str, object]]:
    """``x: a`` with these values by seed, and ``x: b`` with the others."""
    from _runs import row

    made = {}
    for name, numbers in (("x: a", values), ("x: b", other)):
        if numbers:
            made[name] = {**row(name, list(numbers), "points"), "seeds": dict(enumerate(numbers))}
    return made


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((3.0, 3.1, 3.2), "holds"),
        ((0.3, 0.31, 0.32), "holds in part"),
        ((-1.0, -1.1, -1.2), "refuted"),
        ((0.0, 0.1, -0.1), "refuted"),
        ((5.0, -5.0, 3.0), "open"),
        ((3.0, 3.1), "open"),
    ],
)
def test_a_gain_is_judged_by_its_interval(values: tuple[float, ...], expected: str) -> None:
    from claims.ideas import judge

    assert judge.helps(judge.row("x: a"), 1.0, "{0:+.1f}")(rows_of(*values))[0] == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [((0.1, 0.0, -0.1), "holds"), ((1.0, -2.0, 0.5), "holds in part"), ((-3.0, -3.1, -3.2), "refuted")],
)
def test_no_loss_is_judged_by_its_interval(values: tuple[float, ...], expected: str) -> None:
    from claims.ideas import judge

    assert judge.no_worse(judge.row("x: a"), 1.0, "{0:+.1f}")(rows_of(*values))[0] == expected


def test_differences_are_paired_where_seeds_are_known_and_welch_s_where_not() -> None:
    from claims.ideas import judge

    rows = rows_of(10.0, 20.0, 30.0, other=(9.0, 19.1, 28.9))
    paired = judge.minus("x: a", "x: b")(rows)
    assert (paired.n, round(paired.value, 6)) == (3, 1.0)
    assert paired.half == pytest.approx(4.303 * 0.1 / 3**0.5, rel=1e-3)
    bare = {name: {k: v for k, v in row.items() if k != "seeds"} for name, row in rows.items()}
    assert judge.minus("x: a", "x: b")(bare).half > 15  # the spread over seeds is in it


def test_a_number_prints_as_the_pages_do() -> None:
    from claims.ideas.judge import Number

    assert f"{Number(-1.23, 0.44, 1.0, 3):+.1f}" == "−1.2 ± 0.4"
    assert f"{Number(2.0, 0.0, 0.0, 1):.1f}" == "2.0"
    assert f"{Number(1.0, None, 0.3, 3):+.1f}" == "+1.0 ± 0.3"


def test_the_rows_follow_from_the_runs() -> None:
    import _runs
    import claims

    rows = json.loads((ROOT / "docs/results/claims.json").read_text(encoding="utf-8"))
    assert claims.rows(_runs.read(ROOT / "docs/results/claims_runs.jsonl")) == rows
    assert all(row["name"].startswith("claim/") and math.isfinite(row["value"]) for row in rows)


def test_the_worth_in_bits_is_found_between_widths() -> None:
    from claims.rounding import wider

    nearest = {2: 0.8, 3: 0.4, 4: 0.2}
    assert wider(nearest, 0.4) == pytest.approx(3)
    assert wider(nearest, 0.4 / 2**0.5) == pytest.approx(3.5)
    assert wider(nearest, 0.1) == pytest.approx(5)
    assert wider(nearest, 1.6) == pytest.approx(1)


def test_twins_are_the_cells_whose_inner_nodes_may_change_places() -> None:
    from claims import flow

    from lbt.nas.spaces import nasbench201

    left, right = flow.twins(nasbench201.SPACE.all())
    assert len(left) == 5**5 // 2 - 5**3 // 2  # no edge between the inner nodes, and not its own twin
    assert (left != right).any(1).all()
    places = {(0, 1): (0, 2), (1, 3): (2, 3)}
    for one, other in zip(left[::97], right[::97], strict=True):
        edges = dict(zip(nasbench201.EDGES, one, strict=True))
        for first, second in places.items():
            edges[first], edges[second] = edges[second], edges[first]
        assert [edges[edge] for edge in nasbench201.EDGES] == other.tolist()


def test_only_concatenation_tells_isomorphic_cells_apart() -> None:
    from claims import flow

    found = flow.isomorphic(5)
    apart = {name.removesuffix("/apart"): value for name, value in found.items() if name.endswith("/apart")}
    assert {name for name, value in apart.items() if value > 0} == {"affinity, concatenated"}
    assert apart["affinity, concatenated"] > 0.99


def test_a_bit_costs_a_radio_what_the_fit_says_at_its_fastest_rate() -> None:
    from claims import server

    wifi = server.RADIOS["Wi-Fi"]
    assert wifi.joules_per_byte / 8 == pytest.approx(6.45e-7 - 1.27e-10 * (5000 - 2130))
    assert wifi.seconds(5e6 / 8) == pytest.approx(1.0)
    assert all(0 < radio.joules_per_byte < 1e-4 for radio in server.RADIOS.values())


def test_predictors_agree_where_the_better_order_finds_the_better_cells() -> None:
    from claims import guided

    taus, regrets = (0.8, 0.7, 0.6), {5: (0.1, 0.2, 0.3), 6: (0.3, 0.2, 0.1), 7: (0.2, 0.1, 0.3)}
    found = {
        name: {seed: {"kendall_tau": tau, "mean_regret": regrets[seed][place]} for seed in regrets}
        for place, (name, tau) in enumerate(zip(guided.PREDICTORS, taus, strict=True))
    }
    (row,) = guided.agreement(found)
    assert row["value"] == pytest.approx((1 - 1 + 1 / 3) / 3)
    assert guided.agreement({"mlp": found["mlp"]}) == []


def test_shared_weights_spread_one_training_over_all_scored_architectures(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from claims import sharing

    scored = SimpleNamespace(validation=SimpleNamespace(labels=range(500)))
    monkeypatch.setattr(sharing, "load_domain", lambda spec: scored)
    found = sharing.count()
    training = 3 * 1500 * 64
    assert found == {"alone": training + 500, "shared": training / 1000 + 500}
    assert sharing.rows({"passes": {sharing.SEED: found}})[-1]["value"] == pytest.approx(366.1, abs=0.1)


def test_each_round_of_the_loop_is_paired_with_the_labels_alone() -> None:
    from claims import seminas

    runs = {seed: {"round 0": 0.7, "round 1": 0.7 + gain, "round 2": 0.6} for seed, gain in ((5, 0.1), (6, 0.2))}
    rows = {row["name"]: row["value"] for row in seminas.rows({"loop": runs})}
    assert rows["claim/14/round 0/minus_labels"] == 0.0
    assert rows["claim/14/round 1/minus_labels"] == pytest.approx(0.15)
    assert rows["claim/14/round 2/minus_labels"] == pytest.approx(-0.1)


def test_noise_is_the_variance_over_the_squared_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from claims import noise

    monkeypatch.setattr(noise, "BATCHES", 4000)
    draw = torch.Generator().manual_seed(0)
    monkeypatch.setattr(noise, "gradient", lambda model, step: 2 + torch.randn(5, generator=draw))
    assert noise.relative_variance(torch.nn.Identity()) == pytest.approx(1 / 4, rel=0.05)


def test_neighbours_and_probes_see_what_lies_in_the_points() -> None:
    import numpy as np
    from claims import _architectures, embedding

    truth = _architectures.values()
    good = embedding.geometry(np.stack([truth, truth**2], 1), 5)
    noise = embedding.geometry(np.random.default_rng(0).normal(size=(len(truth), 2)), 5)
    assert good["neighbours"] > 0.95
    assert good["probe/3906"] > 0.95
    assert abs(noise["neighbours"]) < 0.1


@pytest.mark.float
def test_an_experiment_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    from claims import _setting, difficulty

    monkeypatch.setattr(_setting, "CAP", 2)
    found = difficulty.run(difficulty.recipe("everything", 4), 5)
    assert 0 <= found["accuracy"] <= 100


@pytest.mark.slow
@pytest.mark.float
def test_every_experiment_gives_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import claims
    from claims import _setting, measures, rounding, thesis

    monkeypatch.setattr(_setting, "CAP", 2)
    monkeypatch.setattr(_setting, "WORK", tmp_path)
    monkeypatch.setattr(_setting, "load_params", _few_steps(_setting.load_params))
    monkeypatch.setattr(thesis, "TRIAL", 2)
    monkeypatch.setattr(rounding, "DRAWS", (1, 2))
    monkeypatch.setattr(measures, "DRAWS", 2)
    for name in claims.NAMES:
        first = {}
        for job, seed, run in claims.load(name).jobs():
            if seed == _setting.SEEDS[0] and len(first) < 4:
                first[job] = {seed: run()}
        made = claims.load(name).rows(first)
        assert made
        assert all(math.isfinite(row["value"]) for row in made)


def _few_steps(load):
    def loaded(path: Path):
        params = load(path)
        return params.model_copy(update={"pretrain": params.pretrain.model_copy(update={"steps": 2})})

    return loaded


def test_the_check_says_that_a_page_is_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import claims_page

    page = tmp_path / "claims.md"
    page.write_text("<!-- table count -->\n\nold\n\n<!-- end -->\n", encoding="utf-8")
    monkeypatch.setattr(claims_page, "PAGE", page)
    monkeypatch.setattr(sys, "argv", ["claims_page.py", "--check"])
    with pytest.raises(SystemExit, match="out of date"):
        claims_page.main()
    monkeypatch.setattr(sys, "argv", ["claims_page.py"])
    claims_page.main()
    monkeypatch.setattr(sys, "argv", ["claims_page.py", "--check"])
    claims_page.main()
    assert page.read_text(encoding="utf-8").count("|") > 20
