"""The params of the data stage. Light: importing this module imports neither NumPy nor torch."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from lbt.config import Section, Seed, in_workspace
from lbt.data.domains import DOMAINS
from lbt.data.layout import parse as levels
from lbt.data.names import compiled
from lbt.errors import unknown

_NAME = re.compile(r"[a-z][a-z0-9_]*")
NEEDS_PATH = ("folder", "arrays", "blended")
"""Kinds of domains that are read from the user's files."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class DomainSpec(Section):
    """Where a domain's images come from, and how many of them to take."""

    kind: str
    """A registered kind of domain (a file in lbt/data/domains). Left out: the domain's own name."""
    path: str | None = Field(default=None, validate_default=True)
    """Folder or file in the workspace: images, arrays (docs/data.md), or where published files lie (or are downloaded
    to). Relative, without '..'. Default for published files: inputs/<kind>."""
    url: str | None = None
    """Address to download the published files from instead of their usual one; the file's name is appended to it."""
    sha256: dict[str, str] = Field(default_factory=dict)
    """File name → hexadecimal SHA-256, for files that differ from the published ones."""
    size: int | None = Field(default=None, ge=8, le=512)
    """Height and width of the images in pixels. Default: 32 for digits and photos, their own for arrays and for files
    that are squares of one size (8 to 128), 64 for other files."""
    channels: Literal[1, 3] | None = None
    """1: grey, 3: colour. Default: as the domain has them."""
    classes: list[str] | None = Field(default=None, min_length=2)
    """Take only these classes, in this order; names of numbered classes that have none. Default: all, in alphabetical
    order (digits: 0 to 9)."""
    layout: str | None = None
    """The meaning of a folder's folders, from the outside in: different ones of class, user and split, as in
    user/class. Default: by their names (docs/data.md)."""
    name: str | None = None
    """Pattern of file names (without the suffix) that hold a label, user, time or split: {label}_{user}_{index}."""
    split_by: Literal["image", "user", "time"] | None = None
    """Images that train, validation and test keep together (user: all of a user's are in one part), or in order (time:
    the latest are tested); image: neither. Default: user or time where the data say it of every image and three parts
    come of it. A split in the data is kept."""
    max_skipped: float = Field(default=0.1, ge=0, le=1)
    """Largest share of a folder's files that may be left out because they are no readable images."""
    train: int | None = Field(default=None, ge=1, le=100_000_000)
    """How many images to take for training, at most what the split has. Default: all of it."""
    validation: int | None = Field(default=None, ge=1, le=100_000_000)
    """How many images to take for validation. Default: all of the split."""
    test: int | None = Field(default=None, ge=1, le=100_000_000)
    """How many images to take for the test. Default: all of the split."""
    seed: Seed = 0
    """Seed of what is drawn (rendering, blending, degradation). The splits do not depend on it."""

    @field_validator("classes")
    @classmethod
    def _different(cls, classes: list[str] | None) -> list[str] | None:
        twice = [name for name in classes or () if (classes or []).count(name) > 1]
        if twice:
            raise ValueError(f"class {twice[0]!r} is there twice")
        return classes

    @field_validator("layout")
    @classmethod
    def _levels(cls, layout: str | None) -> str | None:
        return layout and "/".join(levels(layout))

    @field_validator("name")
    @classmethod
    def _pattern(cls, name: str | None) -> str | None:
        if name is not None:
            compiled(name)
        return name

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in DOMAINS.names():
            raise ValueError(str(unknown("domain", kind, DOMAINS.names())))
        return kind

    @field_validator("path")
    @classmethod
    def _inside(cls, path: str | None, info: Any) -> str | None:
        if path is None:
            if info.data.get("kind") in NEEDS_PATH:
                raise ValueError(f"kind {info.data['kind']} needs a path in the workspace, such as inputs/mine")
            return None
        return in_workspace(path)

    @model_validator(mode="after")
    def _of_folders(self) -> DomainSpec:
        for key in ("layout", "name"):
            if getattr(self, key) is not None and self.kind != "folder":
                raise ValueError(f"{key}: would do nothing for kind {self.kind}; it is for kind folder")
        if self.split_by is not None and self.kind not in NEEDS_PATH:
            raise ValueError(f"split_by: would do nothing for kind {self.kind}; accepted for {', '.join(NEEDS_PATH)}")
        return self

    @field_validator("url")
    @classmethod
    def _http(cls, url: str | None) -> str | None:
        if url is not None and not re.match(r"https?://", url):
            raise ValueError(f"found {url!r}; accepted: an address that starts with https:// or http://")
        return url

    @field_validator("sha256")
    @classmethod
    def _hexadecimal(cls, digests: dict[str, str]) -> dict[str, str]:
        for name, digest in digests.items():
            if not _SHA256.fullmatch(digest):
                raise ValueError(f"{name}: found {digest!r}; accepted: 64 hexadecimal digits in lower case")
        return digests


class DataParams(Section):
    """The domains that a run uses, by name."""

    domains: dict[str, DomainSpec] = Field(
        default_factory=lambda: {name: DomainSpec(kind=name) for name in ("mnist", "optdigits", "mnistm", "synth")},
        min_length=1,
    )
    """Name → where its images come from; ``{}`` for a registered name. Names are lower case letters, digits and '_'."""

    @model_validator(mode="before")
    @classmethod
    def _kind_is_the_name(cls, data: Any) -> Any:
        """``mnist: {}`` (or just ``mnist:``) means the registered domain of that name."""
        domains = data.get("domains") if isinstance(data, dict) else None
        if not isinstance(domains, dict):
            return data
        filled: dict[Any, Any] = {}
        for name, spec in domains.items():
            if not _NAME.fullmatch(str(name)):
                raise ValueError(f"domain name {name!r}; accepted: lower case letters, digits and '_', a letter first")
            spec = {} if spec is None else spec
            if isinstance(spec, dict) and "kind" not in spec:
                if name not in DOMAINS.names():
                    hint = "or give it a kind, such as {kind: folder, path: inputs/" + str(name) + "}"
                    raise ValueError(f"{unknown('domain', name, DOMAINS.names())}; {hint}")
                spec = {"kind": name, **spec}
            filled[name] = spec
        return {**data, "domains": filled}
