from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest
from published import serve

from lbt.data import download
from lbt.data.download import fetch, published
from lbt.data.params import DomainSpec
from lbt.errors import LbtError

DATA = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)


def test_downloads_and_checks(workspace: Path) -> None:
    with serve({"a.bin": DATA}) as server:
        fetch(f"{server.url}/a.bin", Path("in/a.bin"), DIGEST)
    assert Path("in/a.bin").read_bytes() == DATA
    assert [p.name for p in Path("in").iterdir()] == ["a.bin"]


def test_an_interrupted_transfer_is_taken_up_where_it_broke(workspace: Path) -> None:
    with serve({"a.bin": DATA}) as server:
        server.cut = [100_000, 50_000]
        fetch(f"{server.url}/a.bin", Path("a.bin"), DIGEST)
        assert [asked for _, asked in server.log] == [None, "bytes=100000-", "bytes=150000-"]
    assert Path("a.bin").read_bytes() == DATA


def test_a_later_run_goes_on(workspace: Path) -> None:
    with serve({"a.bin": DATA}) as server:
        server.cut = [1000] * download.ATTEMPTS
        with pytest.raises(LbtError, match="interrupted after 4000 bytes; run again"):
            fetch(f"{server.url}/a.bin", Path("a.bin"), DIGEST)
        assert not Path("a.bin").exists()
        fetch(f"{server.url}/a.bin", Path("a.bin"), DIGEST)
        assert server.log[-1][1] == "bytes=4000-"
    assert Path("a.bin").read_bytes() == DATA


def test_a_server_without_ranges_sends_it_all_again(workspace: Path) -> None:
    Path("a.bin.part").write_bytes(b"of an older try")
    with serve({"a.bin": DATA}) as server:
        server.ranges = False
        fetch(f"{server.url}/a.bin", Path("a.bin"), DIGEST)
    assert Path("a.bin").read_bytes() == DATA


def test_a_part_of_another_file_costs_one_more_transfer(workspace: Path) -> None:
    Path("a.bin.part").write_bytes(b"of another file")
    with serve({"a.bin": DATA}) as server:
        fetch(f"{server.url}/a.bin", Path("a.bin"), DIGEST)
        assert [asked for _, asked in server.log] == ["bytes=15-", None]
    assert Path("a.bin").read_bytes() == DATA


def test_a_part_that_is_already_complete(workspace: Path) -> None:
    Path("a.bin.part").write_bytes(DATA)
    with serve({"a.bin": DATA}) as server:
        fetch(f"{server.url}/a.bin", Path("a.bin"), DIGEST)
    assert Path("a.bin").read_bytes() == DATA


def test_a_part_that_is_too_long_is_thrown_away(workspace: Path) -> None:
    Path("a.bin.part").write_bytes(DATA + b"more")
    with serve({"a.bin": DATA}) as server:
        fetch(f"{server.url}/a.bin", Path("a.bin"), DIGEST)
    assert Path("a.bin").read_bytes() == DATA


def test_another_file_than_the_published_one(workspace: Path) -> None:
    wrong = pytest.raises(LbtError, match=f"not the published file: .* expected {DIGEST}")
    with serve({"a.bin": b"<html>not found</html>"}) as server, wrong:
        fetch(f"{server.url}/a.bin", Path("a.bin"), DIGEST)
    assert not list(workspace.iterdir())  # nothing is left that a rerun might trust


def test_missing_on_the_server(workspace: Path) -> None:
    with serve({}) as server:
        with pytest.raises(LbtError, match=r"HTTP 404.*put it at in/a\.bin"):
            fetch(f"{server.url}/a.bin", Path("in/a.bin"), DIGEST)
        assert len(server.log) == 1  # asking again would not help


def test_offline_says_which_address_and_where_to_put_the_file(workspace: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    spec = DomainSpec(kind="svhn", url=url, path="inputs/svhn")
    with pytest.raises(LbtError) as caught:
        published(spec, "http://unused.invalid/", {"train_32x32.mat": DIGEST})
    assert f"{url}/train_32x32.mat" in str(caught.value)
    assert "put it at inputs/svhn/train_32x32.mat" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_put_there_by_hand_is_checked(workspace: Path) -> None:
    spec = DomainSpec(kind="svhn")
    path = Path("inputs/svhn/train_32x32.mat")
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    assert published(spec, "", {path.name: DIGEST}) == [path]
    path.write_bytes(DATA[:-1])
    with pytest.raises(LbtError, match=r"train_32x32\.mat: altered or truncated"):
        published(spec, "", {path.name: DIGEST})
