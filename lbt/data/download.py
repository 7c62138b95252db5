"""Published files: from the workspace if they are there, else by a resumable download, always checked by SHA-256."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path

from lbt.artifacts import sha256
from lbt.data.params import DomainSpec
from lbt.errors import LbtError

ATTEMPTS = 4
"""How often an interrupted transfer is taken up again within one run; a later run takes it up again too."""
TIMEOUT = 30.0
"""Seconds without a byte after which a transfer counts as interrupted."""
_CHUNK = 1 << 16


def published(spec: DomainSpec, base: str, digests: dict[str, str | None], by_hand: str = "") -> list[Path]:
    """The paths of a domain's published files, downloaded if need be.

    Args:
        spec: its ``path`` is the folder of the files (default ``inputs/<kind>``), its ``url`` replaces ``base``, its
            ``sha256`` replaces digests.
        base: address of the folder that holds the files, with the final slash; "" if they cannot be downloaded.
        digests: file name → SHA-256, None if nobody published one.
        by_hand: how to get the files where ``base`` is empty.

    Raises:
        LbtError: a file cannot be had, or is not the published one.
    """
    folder = Path(spec.path or f"inputs/{spec.kind}")
    base = f"{spec.url.rstrip('/')}/" if spec.url else base
    paths = []
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file():
            if not base:
                raise LbtError(f"{path}: no such file; {by_hand}, and put it there")
            fetch(base + name, path, spec.sha256.get(name, digest))
        elif found := differs(path, spec.sha256.get(name, digest)):
            raise LbtError(f"{path}: altered or truncated: {found}; remove it, or give its digest in the key sha256")
        paths.append(path)
    return paths


def differs(path: Path, digest: str | None) -> str:
    """An empty string if the file has this SHA-256 (or none is known), else what differs."""
    found = sha256(path) if digest else None
    return "" if found == digest else f"its SHA-256 is {found}, expected {digest}"


def fetch(url: str, path: Path, digest: str | None) -> None:
    """Download ``url`` to ``path``. What has arrived is kept as ``<path>.part``, and taken up again by byte range.

    Raises:
        LbtError: no connection, or the file that arrived is another one. Says what to put where by hand.
    """
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    reason = ""
    older = part.is_file()  # what an earlier run left may be of another file
    for attempt in range(ATTEMPTS):
        try:
            complete = _transfer(url, part)
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
            if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                reason = f"HTTP {error.code} {reason}"
                break  # the server will not change its mind
            time.sleep(0.2 * 2**attempt)
            continue
        if not complete:
            reason = f"interrupted after {part.stat().st_size} bytes; run again to go on from there"
            continue
        if found := differs(part, digest):
            part.unlink()
            if older:
                older = False
                continue
            raise LbtError(f"{url}: not the published file: {found}")
        part.replace(path)
        return
    raise LbtError(f"cannot download {url} ({reason}); or get it elsewhere and put it at {path}")


def _transfer(url: str, part: Path) -> bool:
    """Append to ``part`` what is missing of ``url``; True if it is complete."""
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing beyond what we have: complete, or longer than the file
            if error.headers.get("Content-Range", "").endswith(f"/{have}"):
                return True
            part.write_bytes(b"")
            return False
        raise
    with response:
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if have and not resumed:
            have = 0  # the server sends the whole file again
        length = response.headers.get("Content-Length")
        with part.open("ab" if have else "wb") as file:
            while chunk := _read(response):
                file.write(chunk)
    return length is None or part.stat().st_size == have + int(length)


def _read(response: http.client.HTTPResponse) -> bytes:
    """The next bytes; what has come of a chunk that breaks off is not lost."""
    try:
        return response.read1(_CHUNK)
    except http.client.IncompleteRead as error:
        return error.partial
