"""The page, its figures, and the tables behind them."""

from lbt.pipeline.stages.report import FIGURES, OTHERS


rule report:
    input:
        stamp=stamp("report"),
        needs=needs("report"),
    output:
        makes("report", ".", OTHERS),
        report(
            [PLAN.root / "report" / name for name in FIGURES],
            caption="../report/figure.rst",
            category="Figures",
        ),
    log:
        logged("report", "report"),
    benchmark:
        logged("report", "report", "benchmark.tsv")
    params:
        file=PARAMS,
    shell:
        "lbt report --params {params.file:q} --job . > {log:q} 2>&1"
