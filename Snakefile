"""lbt's workflow. Stages, their code, params and data are declared in dvc.yaml; the rules take them from there."""


configfile: "params/default.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/summary.smk"


for stage in PLAN.declarations:

    include: f"workflow/rules/{stage}.smk"


rule all:
    default_target: True
    input:
        rules.report.output,


onsuccess:
    tidy()
