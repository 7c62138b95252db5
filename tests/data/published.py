"""Small files in exactly the formats in which the digit sets are published, and a loopback server for them."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import re
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from scipy.io import savemat


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)


def libsvm(values: np.ndarray, labels: np.ndarray) -> bytes:
    """Zeros are left out, as the format allows."""
    lines = []
    for row, label in zip(values, labels, strict=True):
        cells = " ".join(f"{i}:{v:.6g}" for i, v in enumerate(row, start=1) if v)
        lines.append(f"{label} {cells}\n")
    return bz2.compress("".join(lines).encode())


def mat(pixels: np.ndarray, labels: np.ndarray) -> bytes:
    """Pixels (N, H, W, C) as X (H, W, C, N), labels as y (N, 1), as SVHN has them (10 is the digit 0)."""
    file = io.BytesIO()
    savemat(file, {"X": pixels.transpose(1, 2, 3, 0), "y": labels.reshape(-1, 1)}, do_compression=True)
    return file.getvalue()


def digests(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


class Server:
    """Serves ``files``. ``cut``: bytes after which a response breaks off, once per entry; ``log``: ranges asked for."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.cut: list[int] = []
        self.log: list[tuple[str, str | None]] = []
        self.ranges = True
        self.url = ""


@contextlib.contextmanager
def serve(files: dict[str, bytes]) -> Iterator[Server]:
    server = Server(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, asked = self.path.rpartition("/")[2], self.headers.get("Range")
            server.log.append((name, asked))
            data = server.files.get(name)
            if data is None:
                self.send_error(404)
                return
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and server.ranges else 0
            if start >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            end = start + server.cut.pop(0) if server.cut else len(data)
            self.wfile.write(data[start:end])

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}/data"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
