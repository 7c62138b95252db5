import re

import pytest
from click.testing import CliRunner

from lbt import cli
from lbt.artifacts import read_table, write_table
from lbt.errors import LbtError
from lbt.models import Architecture, build, write_model


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli.cli, arguments, standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.output


@pytest.mark.parametrize(
    "stage", ["data", "pretrain", "adapt", "edge", "supernet", "predictor", "search", "choose", "hardware", "report"]
)
def test_every_stage_explains_its_params(stage):
    output = run(stage, "--help")
    assert "--job" in output
    if stage != "report":
        assert f"{stage}." in output


def test_a_wrong_command_gets_its_neighbour():
    with pytest.raises(LbtError, match="did you mean 'adapt'"):
        run("adpat")


def test_a_wrong_job_gets_its_neighbour():
    with pytest.raises(LbtError, match="did you mean 'mnist'"):
        run("data", "--job", "mnis")


def test_a_mistake_is_one_line_and_exit_code_2(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["lbt", "check", "--params", "params/defualt.yaml"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == "lbt: params/defualt.yaml: no such file (did you mean 'default.yaml'?)\n"


def test_a_finished_job_is_told_by_its_headline():
    metrics = {"390/kendall_tau": 0.8, "390/n_at_10": 3, "78/kendall_tau": 0.7}
    assert cli._in_short(metrics, ("*/kendall_tau",)) == "390/kendall_tau 0.8, 78/kendall_tau 0.7"


def test_check_counts_jobs():
    assert re.search(
        r"reproduce.yaml: valid; \d+ jobs, \d+ of them to run", run("check", "--params", "params/reproduce.yaml")
    )


def test_predict_on_a_users_own_table(tmp_path):
    ops = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
    rows = []
    for index in range(60):
        a, b = ops[index % 5], ops[index // 5 % 5]
        arch = f"|{a}~0|+|{b}~0|{a}~1|+|{ops[index // 25]}~0|{b}~1|nor_conv_3x3~2|"
        rows.append({"architecture": arch, "score": float(index % 5) if index < 40 else None})
    write_table(tmp_path / "mine.parquet", rows)
    arguments = [
        "predict",
        "--table",
        str(tmp_path / "mine.parquet"),
        "--space",
        "nasbench201",
        "--encoder",
        "paths_gp",
    ]
    assert "expected" in run(*arguments)
    run(*arguments, "--out", str(tmp_path / "scores.parquet"))
    assert read_table(tmp_path / "scores.parquet").num_rows == 20

    kept = str(tmp_path / "kept.safetensors")
    shown = run(*arguments, "--save", kept)
    later = [*arguments[:5], "--fitted", kept]
    assert run(*later) == shown
    with pytest.raises(LbtError, match="--encoder, --epochs, --seed: would do nothing beside --fitted"):
        run(*later, "--encoder", "mlp", "--epochs", "3", "--seed", "1")
    assert len(run(*later, "--unseen", "3", "--seed", "1", "--top", "99").splitlines()) == len(shown.splitlines()) + 13


def test_cost_refuses_a_shape_that_is_none():
    with pytest.raises(LbtError, match="--shape: found '3x32'"):
        run("cost", "--shape", "3x32")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line with which the command line ends."""
    with pytest.raises(SystemExit) as stop:
        cli.main(list(arguments))
    told = capsys.readouterr().err
    assert stop.value.code == 2
    assert told.count("\n") == 1
    assert told.startswith("lbt: ")
    return told


@pytest.mark.parametrize(
    "option",
    ["--batch=0", "--batch=-1", "--classes=0", "--shape=-3,32,32", "--shape=3,0,8", "--shape=3,32",
     "--shape=3,99999,99999", "--shape=3,32,32,32", "--shape=3,1_0,8", "--classes=1180591620717411303424", "--bacth=2",
     "--array=12*7", "--array=0x4", "--array=9x", "--array=99999x1", "--lanes=0", "--lanes=1025", "--lanes=many",
     "--lanes=-1", "--clock=0"],
)  # fmt: skip
def test_cost_bounds_its_numbers(capsys, option):
    assert option.split("=")[0] in refused(capsys, "cost", option)


def test_cost_takes_the_shape_of_the_array_and_the_number_of_lanes():
    found = run("cost", "--array", "12x7", "--lanes", "3", "--clock", "40")
    assert re.search(r"array 12×7 .*; 3 lanes;", found)
    assert "clock 40 MHz" in found
    assert run("cost", "--array", "auto", "--lanes", "auto") == run("cost")
    assert "counter hashes, as the trainer rounds, bit for bit" in run("cost", "--rounder", "hash")


def test_a_processor_has_an_array_of_its_own(capsys):
    told = refused(capsys, "cost", "--inference", "--processor", "dpu-zcu102", "--array", "8x8")
    assert "without --compare, --array, --lanes, --clock and --rounder" in told


@pytest.mark.parametrize(
    "option", ["top=0", "top=-1", "unseen=-1", "members=0", "seed=-1", "epochs=1180591620717411303424"]
)
def test_predict_bounds_its_numbers(capsys, option):
    assert option.split("=")[0] in refused(capsys, "predict", "--table=t.parquet", "--space=nasbench201", f"--{option}")


@pytest.mark.parametrize(
    ("shape", "words"), [("3,1,1", "the model does not accept it"), ("1,32,32", "expected input.* to have 3 channels")]
)
def test_a_network_that_does_not_fit_the_shape_is_one_line(capsys, tmp_path, shape, words):
    write_model(tmp_path / "m.safetensors", build("digit_cnn", 2, 3), Architecture("digit_cnn", ("a", "b"), 3, 32))
    told = refused(capsys, "cost", "--model", str(tmp_path / "m.safetensors"), "--shape", shape)
    assert re.search(words, told)


@pytest.mark.parametrize(
    "fault", [PermissionError(13, "Permission denied", "x"), OSError(28, "No space left on device")]
)
def test_what_the_system_refuses_is_one_line(capsys, monkeypatch, fault):
    def plan(*_: object) -> None:
        raise fault

    monkeypatch.setattr(cli, "Plan", plan)
    assert fault.strerror in refused(capsys, "check")


def test_deep_nesting_and_long_names_are_one_line(capsys, tmp_path):
    (tmp_path / "deep.yaml").write_text("a: " + "[" * 10_000)
    assert "nested too deeply" in refused(capsys, "check", "--params", str(tmp_path / "deep.yaml"))
    assert "too long" in refused(capsys, "check", "--params", "x" * 5000 + ".yaml")
