"""Packages: bit-exact on and off, whole or refused, for their backbone alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lbt.artifacts import write_tensors
from lbt.edge.users.low_rank import adapters
from lbt.edge.users.options import Options
from lbt.edge.users.package import Resident, identity, read_package, weight_spec
from lbt.edge.users.people import person
from lbt.edge.users.personal import personalise
from lbt.edge.users.structure import compact
from lbt.edge.users.values import packed, unpacked
from lbt.errors import LbtError
from lbt.kernels.quantize import fake_quantize
from lbt.numerics.rounding import Key
from lbt.train.evaluation import predict

from .conftest import SHAPE, network
from .test_structure import some

QUICK = {"steps": 2, "rounds": 2, "batch": 8, "operations": 0.6, "package": None}


@pytest.fixture(scope="module")
def last(everybodys, people):
    """A package in which the last layer was trained."""
    return personalise(everybodys, person(people, "bob", 4).early, Options(train="last", last=1, **QUICK)).package


def test_on_and_off_leaves_every_bit_of_the_backbone(resident, early, tmp_path):
    before = identity(resident.backbone)
    outputs = predict(resident.network, early)
    one, two = (personalise(resident, early, Options(masks=m, **QUICK)).package for m in ("taylor", "magnitude"))
    one.write(tmp_path / "one.safetensors")
    two.write(tmp_path / "two.safetensors")
    first = predict(resident.apply(read_package(tmp_path / "one.safetensors")), early)
    second = predict(resident.apply(read_package(tmp_path / "two.safetensors")), early)
    assert not torch.equal(first, second)
    assert torch.equal(predict(resident.apply(one), early), first)
    resident.remove()
    assert torch.equal(predict(resident.network, early), outputs)
    assert identity(resident.backbone) == before == resident.identity


@pytest.mark.parametrize("recipe", ["fp32", "int8", "int4", "mx8"])
def test_the_applied_network_is_the_trained_one_in_the_recipes_codes(recipe):
    """In fp32 and mx8 bit for bit; under codes with the weights that the products read, and float16 vectors."""
    resident = Resident(network(recipe), SHAPE)
    masks = some(resident.groups)
    trained = compact(resident.backbone, resident.groups, masks)
    with torch.no_grad():
        for number, p in enumerate(trained.parameters()):
            p.add_(0.01 * torch.randn(p.shape, generator=torch.Generator().manual_seed(number)))
    package = resident.pack(trained, masks)
    applied = resident.apply(package)
    for name, tensor in applied.state_dict().items():
        mine, spec = trained.state_dict()[name], weight_spec(resident.backbone, name)
        if spec is None or recipe == "mx8":
            half = recipe.startswith("int") and name.endswith((".weight", ".bias"))  # statistics are the backbone's
            assert torch.equal(tensor, mine.half().float() if half else mine)
        else:
            assert torch.equal(tensor, fake_quantize(mine, spec, Key(layer=name, role="W")))
            assert len(tensor[0].unique()) < 2**spec.format.bits


def test_a_package_of_codes_is_small_and_its_masks_are_a_bit_a_channel(resident, last):
    package = last
    masks = resident.masks(package)
    assert len(package.blobs["masks"]) == -(-sum(map(len, masks.values())) // 8)
    assert package.blobs["codes"].dtype == torch.uint8
    assert package.size() < 0.12 * resident.bytes()


def test_the_file_is_no_pickle_and_says_its_backbone(resident, early, tmp_path):
    path = tmp_path / "p.safetensors"
    package = personalise(resident, early, Options(**QUICK), labels=4).package
    package.write(path)
    assert path.stat().st_size == package.size()
    with safe_open(path, framework="pt") as file:
        extra = json.loads(file.metadata()["lbt"])["extra"]
    assert extra["backbone"] == resident.identity
    assert extra["notes"]["labels"] == 4
    assert not list(tmp_path.glob(".*"))


def test_another_backbone_is_refused_in_one_line(last, tmp_path):
    path = tmp_path / "p.safetensors"
    last.write(path)
    other = Resident(network(seed=1), SHAPE)
    with pytest.raises(LbtError, match=r"p.safetensors: made for the backbone [0-9a-f]{12}…, this one is") as error:
        other.apply(read_package(path))
    assert "\n" not in str(error.value)
    assert other.network is other.backbone


def test_every_altered_byte_is_noticed(resident, last, tmp_path):
    path, bad = tmp_path / "p.safetensors", tmp_path / "bad.safetensors"
    last.write(path)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for place in random.integers(0, len(whole), 60):
        bad.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << int(random.integers(8))]) + whole[place + 1 :])
        with pytest.raises(LbtError, match=r"bad.safetensors"):
            resident.apply(read_package(bad))
    bad.write_bytes(whole[:-50])
    with pytest.raises(LbtError, match=r"bad.safetensors: not a readable"):
        read_package(bad)
    with pytest.raises(LbtError, match="no such file"):
        read_package(tmp_path / "none.safetensors")


def test_foreign_files_are_refused(tmp_path):
    save_file({"a": torch.zeros(3)}, tmp_path / "a.safetensors")
    with pytest.raises(LbtError, match=r"a.safetensors: not a package: header: backbone: this key is required"):
        read_package(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "change",
    [
        lambda header, blobs: header.update(entries=[[10**6, 0, 32, 0]]),
        lambda header, blobs: header.update(entries=[[0, 0, 8, 5]]),
        lambda header, blobs: header.update(entries=[[0, 0, 32]]),
        lambda header, blobs: header.update(entries=[]),
        lambda header, blobs: header.update(masks=[99]),
        lambda header, blobs: header.update(masks=[0, 0]),
        lambda header, blobs: blobs.update(masks=torch.zeros(0, dtype=torch.uint8)),
        lambda header, blobs: blobs.update(masks=torch.zeros_like(blobs["masks"])),
        lambda header, blobs: blobs.update(floats=blobs["floats"][:-1].clone()),
        lambda header, blobs: blobs.update(codes=torch.cat([blobs["codes"], blobs["codes"][:1]])),
    ],
)
def test_a_consistent_lie_is_refused_too(resident, last, tmp_path, change):
    """A file with a right digest whose content does not fit the backbone."""
    from lbt.edge.users.package import Header, _digest

    header, blobs = last.header.model_dump(), dict(last.blobs)
    change(header, blobs)
    write_tensors(tmp_path / "p.safetensors", blobs, {**header, "digest": _digest(Header(**header), blobs)})
    with pytest.raises(LbtError):
        resident.apply(read_package(tmp_path / "p.safetensors"))


@pytest.mark.parametrize("bits", range(2, 9))
def test_packed_codes_come_back(bits):
    half = 2 ** (bits - 1)
    codes = np.random.default_rng(bits).integers(-half, half, 1001).astype(np.int8)
    stream = packed(codes, bits)
    assert len(stream) == -(-1001 * bits // 8)
    assert np.array_equal(unpacked(stream, bits, 1001), codes)


def test_a_low_rank_package_holds_the_factors_alone(resident, early):
    result = personalise(resident, early, Options(train="low_rank", rank=2, **QUICK))
    assert {name for name in result.trained if name.endswith("weight")} >= {"classifier.weight"}
    assert sum(name.endswith((".u", ".v")) for name in result.trained) == 10
    network = resident.apply(result.package)
    assert not adapters(network)
    ranks = [entry[1] for entry in result.package.header.entries if entry[1]]
    assert ranks == [2] * 5
    full = personalise(resident, early, Options(train="all", **QUICK)).package
    assert result.package.size() < 0.5 * full.size()


def test_unchanged_tensors_are_shared_with_the_backbone(resident, early):
    result = personalise(resident, early, Options(train="last", last=1, masks=None, steps=3, package=None))
    network = resident.apply(result.package)
    mine, theirs = (dict(one.named_parameters()) for one in (network, resident.backbone))
    shared = [name for name in mine if mine[name] is theirs[name]]
    assert len(shared) == len(mine) - 2


def test_the_blobs_are_what_safetensors_reads(last, tmp_path):
    last.write(tmp_path / "p.safetensors")
    assert set(load_file(tmp_path / "p.safetensors")) == {"masks", "codes", "floats"}
