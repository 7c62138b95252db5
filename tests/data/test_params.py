from __future__ import annotations

import subprocess
import sys

import pytest

from lbt.config import parse
from lbt.data.params import DataParams, DomainSpec
from lbt.errors import LbtError


def test_default_is_the_embedded_digits() -> None:
    assert list(DataParams().domains) == ["mnist", "optdigits", "mnistm", "synth"]


@pytest.mark.parametrize("written", [{}, None])
def test_a_registered_name_needs_no_keys(written: object) -> None:
    params = parse(DataParams, {"domains": {"mnist": written}}, "params.yaml")
    assert params.domains["mnist"] == DomainSpec(kind="mnist")


def test_a_users_domain_is_three_lines() -> None:
    params = parse(DataParams, {"domains": {"mine": {"kind": "folder", "path": "inputs/mine"}}}, "params.yaml")
    assert params.domains["mine"].path == "inputs/mine"


@pytest.mark.parametrize(
    ("domains", "words"),
    [
        ({"mnits": {}}, ["mnits", "did you mean 'mnist'", "kind: folder"]),
        ({"mine": {"kind": "foldr", "path": "x"}}, ["domains.mine", "foldr", "did you mean 'folder'"]),
        ({"mine": {"kind": "folder"}}, ["domains.mine.path", "needs a path"]),
        ({"mine": {"kind": "folder", "path": "../secret"}}, ["domains.mine.path", "../secret", "inside the workspace"]),
        ({"mine": {"kind": "folder", "path": "a/../../b"}}, ["without '..'"]),
        ({"mine": {"kind": "arrays", "path": "/etc/passwd"}}, ["/etc/passwd", "relative"]),
        ({"mine": {"kind": "arrays", "path": "C:\\data.npz"}}, ["relative"]),
        ({"mnist": {"trian": 5}}, ["domains.mnist.trian", "unknown key", "did you mean 'train'"]),
        ({"mnist": {"train": 0}}, ["domains.mnist.train", "greater than or equal to 1"]),
        ({"mnist": {"channels": 2}}, ["domains.mnist.channels", "1, 3"]),
        ({"mnist-full": {"kind": "mnist"}}, ["mnist-full", "lower case letters"]),
        ({"svhn": {"url": "file:///etc"}}, ["domains.svhn.url", "https://"]),
        ({"svhn": {"sha256": {"a.mat": "abc"}}}, ["domains.svhn.sha256", "64 hexadecimal"]),
        ({}, ["domains"]),
    ],
)
def test_mistakes_are_told_in_one_line(domains: dict, words: list[str]) -> None:
    with pytest.raises(LbtError) as caught:
        parse(DataParams, {"domains": domains}, "params.yaml")
    message = str(caught.value)
    assert message.startswith("params.yaml: ")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_params_are_light() -> None:
    code = "import sys, lbt.data.params, lbt.nas.supernet.params; print({'torch', 'numpy', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
