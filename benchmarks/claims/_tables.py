"""Tables of docs/claims.md that show an experiment whole: the rows of docs/results/claims.json."""

from __future__ import annotations

from typing import Any

import _pages

from lbt.nn.norms import cost
from lbt.recipe import Recipe

from . import _tables_edge, difficulty, embedding, flow, guided, noise, rounding, server, storage, thesis
from ._cells import interval, spread

Rows = dict[str, dict[str, Any]]


def tables(rows: Rows) -> dict[str, str]:
    """Every table by its name on the page; ``rows`` by the names that they have in docs/results/claims.json."""
    return {
        "thesis": of_thesis(rows),
        "difficulty": of_difficulty(rows),
        "rounding": of_rounding(rows),
        "measures": of_measures(rows),
        "storage": of_storage(rows),
        "flow": of_flow(rows),
        "embedding": of_embedding(rows),
        "guided": of_guided(rows),
        "server": of_server(rows),
        "noise": of_noise(rows),
        "shift": of_shift(rows),
        **_tables_edge.tables(rows),
    }


def of_thesis(rows: Rows) -> str:
    """Each variant of the method: accuracy, differences, the rate, what its norm costs an accelerator."""
    head = ["variant", "accuracy, %", "minus fp32", "minus int8", "minus as written", "rate", "norm", "reads", "n"]
    lines = []
    for name, (recipe, _) in thesis.VARIANTS.items():
        label = f"claim/1/{thesis.PAIRS[0]}/{name}/"
        norm = Recipe.model_validate(recipe).norm.name
        reads = f"{cost(norm).forward.reads:g} + {cost(norm).backward.reads:g}"
        accuracy, rate = rows.get(label + "target_accuracy"), rows.get(label + "lr")
        if accuracy and rate:
            minus = [interval(rows.get(f"{label}minus_{other}")) for other in ("fp32", "int8", "written")]
            n = str(accuracy["n"])
            lines.append([name, spread(accuracy), *minus, f"{rate['value']:g}", f"`{norm}`", reads, n])
    return _pages.table(head, lines)


def of_difficulty(rows: Rows) -> str:
    """The ladder in both widths."""
    lines = []
    for rung in difficulty.LADDER:
        cells = [rung]
        for bits in difficulty.BITS:
            name = f"claim/{difficulty.NUMBER}/{bits} bits/{rung}/"
            cells += [interval(rows.get(name + metric)) for metric in ("minus_fp32", "minus_rung_before")]
        lines.append(cells)
    head = [f"{bits} bits, {what}" for bits in difficulty.BITS for what in ("minus fp32", "minus the row above")]
    return _pages.table(["quantized", *head], lines)


def of_rounding(rows: Rows) -> str:
    """Bits that stochastic rounding is worth, by width and number of averaged steps."""
    lines = []
    for bits in rounding.WIDTHS:
        name = f"claim/{rounding.NUMBER}/gradient/"
        worth = [rows.get(f"{name}worth/{draws}/{bits}") for draws in rounding.DRAWS]
        lines.append([str(bits), spread(rows.get(f"{name}nearest/{bits}"), 2), *(spread(one, 1, "+") for one in worth)])
    head = [f"worth over {draws} step{'s' * (draws > 1)}, bits" for draws in rounding.DRAWS]
    return _pages.table(["bits of E and G", "error of nearest, share of the gradient", *head], lines)


def of_measures(rows: Rows) -> str:
    """Rank correlations of measures with the loss of accuracy."""
    found = {name.split("/", 2)[2]: row for name, row in rows.items() if name.startswith("claim/3/")}
    lines = []
    for name, row in found.items():
        if name.endswith("/rank_correlation"):
            lines.append([name.removesuffix("/rank_correlation"), spread(row, 2), str(row["recipes"]), str(row["n"])])
    return _pages.table(["measure", "rank correlation with the points lost", "recipes", "n"], lines)


def of_storage(rows: Rows) -> str:
    """Bytes and points."""
    lines = []
    for name in storage.VARIANTS:
        label = f"claim/{storage.NUMBER}/{name}/"
        fewer = [rows.get(f"{label}{metric}/times_fewer") for metric in ("bytes", "without images")]
        accuracy = rows.get(label + "target_accuracy")
        shown = [f"{one['value']:.2f}" if one else "" for one in fewer]
        minus = interval(rows.get(label + "minus_fp32"))
        lines.append([name, *shown, spread(accuracy), minus, str(accuracy["n"]) if accuracy else ""])
    head = ["bytes, times fewer than fp32", "without images", "accuracy, %", "minus fp32", "n"]
    return _pages.table(["numbers", *head], lines)


def of_flow(rows: Rows) -> str:
    """Each encoder: tau, and the share of isomorphic pairs that it tells apart."""
    lines = []
    for name in flow.VARIANTS:
        tau = rows.get(f"claim/{flow.NUMBER}/{name}/kendall_tau")
        apart = rows.get(f"claim/{flow.NUMBER}/isomorphic/{name}/apart")
        lines.append([name, spread(tau, 3), spread(apart, 2), str(tau["n"]) if tau else ""])
    return _pages.table(["operations, embedding", "Kendall's tau", "isomorphic pairs apart", "n"], lines)


def of_embedding(rows: Rows) -> str:
    """Each first stage: probes, neighbourhoods, and the tuned network under both losses."""
    metrics = [*(f"probe/{count}" for count in embedding.PROBES), "neighbours"]
    metrics += [f"tuned/{loss}" for loss in embedding.LOSSES]
    lines = []
    for name in ("inputs", *embedding.STAGES):
        found = [rows.get(f"claim/{embedding.NUMBER}/{name}/{metric}") for metric in metrics]
        if any(found):
            lines.append([name, *(spread(one, 3) for one in found), str(next(one["n"] for one in found if one))])
    head = [*(f"probe, {count:,} labels" for count in embedding.PROBES), "neighbours"]
    return _pages.table(["first stage", *head, *(f"tuned, {loss}" for loss in embedding.LOSSES), "n"], lines)


def of_guided(rows: Rows) -> str:
    """Each predictor: the order that it gives, and the regret of its search."""
    lines = []
    for name in ("random", *guided.PREDICTORS):
        found = [rows.get(f"claim/{guided.NUMBER}/{name}/{metric}") for metric in guided.METRICS]
        if any(found):
            n = str(next(one["n"] for one in found if one))
            lines.append([name, spread(found[0], 3), *(spread(one, 2) for one in found[1:]), n])
    head = ["mean regret, points", *(f"after {count}" for count in guided.SHOWN)]
    return _pages.table(["search by", "Kendall's tau", *head, "n"], lines)


def of_server(rows: Rows) -> str:
    """Device against server."""
    lines = []
    for name in server.NAMES:
        found = {metric: rows.get(f"claim/{server.NUMBER}/{name}/{metric}") for metric in server.UNITS}
        if all(found.values()):
            joules, seconds, sent, images = (found[metric]["value"] for metric in server.UNITS)
            points = rows.get(f"claim/{server.NUMBER}/{name}/target_accuracy")
            lines.append([name, f"{joules:.2f}", f"{seconds:.1f}", f"{sent:,.0f}", spread(points), f"{images:,.0f}"])
    return _pages.table(["where", "joules", "seconds", "bytes on air", "accuracy, %", "images that leave"], lines)


def of_noise(rows: Rows) -> str:
    """The gradient's noise by norm."""
    lines = []
    for norm in noise.NORMS:
        label = f"claim/{noise.NUMBER}/noise/{norm}"
        found = [rows.get(f"{label}/{of}") for of in noise.NUMBERS]
        found += [rows.get(f"{label}/{of}/x_running") for of in noise.NUMBERS]
        if all(found):
            lines.append([f"`{norm}`", *(spread(one, 2) for one in found), str(found[0]["n"])])
    head = [*noise.NUMBERS, *(f"{of}, times `running_bn`" for of in noise.NUMBERS)]
    return _pages.table(["norm", *head, "n"], lines)


def of_shift(rows: Rows) -> str:
    """Accuracy by norm, numbers, domain and statistics."""
    lines = []
    for norm in noise.SHIFTED_NORMS:
        for of in noise.NUMBERS:
            label = f"claim/{noise.NUMBER}/shift/{norm}/{of}"
            found = [rows.get(f"{label}/{domain}/{one}") for domain in noise.DOMAINS for one in ("kept", "own")]
            more = rows.get(f"{label}/shifted minus same/own_minus_kept")
            if all(found):
                lines.append([f"`{norm}`, {of}", *(spread(one) for one in found), interval(more), str(found[0]["n"])])
    head = [f"{domain} domain, {one}" for domain in noise.DOMAINS for one in ("kept", "own")]
    return _pages.table(["norm", *head, "own gains more when shifted", "n"], lines)
