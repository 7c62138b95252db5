"""Every board file loads, and mistakes in one are told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from torch import nn

import lbt
from lbt.config import find_yaml
from lbt.errors import LbtError
from lbt.hardware.boards import Board


@pytest.mark.parametrize("name", Board.names())
def test_boards_load_and_cite(name: str) -> None:
    board = Board.load(name)
    assert len(board.source) > 30
    assert 0 < board.usable_lut <= board.lut


def test_the_issue_s_resources() -> None:
    assert (Board.load("zedboard").lut, Board.load("zedboard").dsp, Board.load("zedboard").bram18) == (53200, 220, 280)
    assert (Board.load("zcu102").lut, Board.load("zcu102").dsp, Board.load("zcu102").bram18) == (274080, 2520, 1824)


def _changed(tmp_path: Path, **changes: object) -> Path:
    data = yaml.safe_load(find_yaml("boards", "zcu102").read_text(encoding="utf-8")) | changes
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in data.items() if v is not None}), encoding="utf-8")
    return path


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(LbtError, match=r"unknown board 'zcu12'.*did you mean 'zcu102'"):
        Board.load("zcu12")
    with pytest.raises(LbtError, match="lut: found -5"):
        Board.load(_changed(tmp_path, lut=-5))
    with pytest.raises(LbtError, match="dsp: this key is required"):
        Board.load(_changed(tmp_path, dsp=None))
    with pytest.raises(LbtError, match=r"usable.lut: found 1.5"):
        Board.load(_changed(tmp_path, usable={"lut": 1.5}))
    with pytest.raises(LbtError, match=r"unknown key.*did you mean 'clock'"):
        Board.load(_changed(tmp_path, clok=3))
    assert Board.load(_changed(tmp_path, usable={"lut": 0.5})).usable_lut == 137040


@pytest.mark.parametrize(
    ("key", "value", "accepted"),
    [("clock", 3e8, "2000"), ("clock", 0.3, "1"), ("bandwidth", 19200, "4000"), ("memory", 4e9, "10000000")],
)
def test_numbers_in_another_unit_are_refused(tmp_path: Path, key: str, value: float, accepted: str) -> None:
    with pytest.raises(LbtError, match=rf"mine.yaml: {key}: found .* equal to {accepted}"):
        Board.load(_changed(tmp_path, **{key: value}))


def test_a_board_without_block_ram_says_so(tmp_path: Path) -> None:
    board = Board.load(_changed(tmp_path, bram18=0, dsp=0))
    told = str(lbt.cost(nn.Sequential(nn.Linear(8, 4)), (8,), board=board))
    assert "does not fit, too few buffers" in told
    assert "0 DSP, 0 BRAM18 to use" in told
