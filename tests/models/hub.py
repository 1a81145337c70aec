"""A stand-in for huggingface.co on this machine: one repository, served as the real one serves it."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "studio/tiny"


@dataclass
class Hub:
    """address: where it answers. sent: (path, first byte, bytes) of every body that was asked for.

    held_at: bytes of a body after which nothing more comes, so that a download can be killed in its middle.
    """

    folder: Path
    address: str = ""
    held_at: int | None = None
    sent: list[tuple[str, int, int]] = field(default_factory=list)
    promised: dict[str, str] = field(default_factory=dict)

    def checksum(self, path: str) -> str:
        """Return the sha256 that the commit states, taken when first asked: files may be spoilt later."""
        content = (self.folder / path).read_bytes()
        return self.promised.setdefault(path, hashlib.sha256(content).hexdigest())

    def paths(self) -> list[str]:
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return sorted(path.relative_to(self.folder).as_posix() for path in files)

    def model_info(self) -> dict[str, object]:
        siblings = [self._sibling(path) for path in self.paths()]
        card = {"license": "apache-2.0"}
        return {"id": REPOSITORY, "sha": COMMIT, "siblings": siblings, "cardData": card, "gated": False}

    def _sibling(self, path: str) -> dict[str, object]:
        content = (self.folder / path).read_bytes()
        row: dict[str, object] = {"rfilename": path, "size": len(content)}
        if path.endswith((".safetensors", ".bin")):
            row["lfs"] = {"sha256": self.checksum(path), "size": len(content), "pointerSize": 100}
        blob = b"blob %d\0" % len(content) + content
        return {**row, "blobId": hashlib.sha1(blob).hexdigest()}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: Hub, *args: object) -> None:
        self._hub = hub
        super().__init__(*args)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        """Say nothing: the test's output is its own."""

    def _answer(self, *, with_body: bool) -> None:
        asked = self.path.partition("?")[0]
        prefix = f"/{REPOSITORY}/resolve/{COMMIT}/"
        path = asked.removeprefix(prefix)
        if asked.startswith(f"/api/models/{REPOSITORY}"):
            self._send(200, json.dumps(self._hub.model_info()).encode(), {}, with_body=with_body)
        elif asked.startswith(prefix) and (self._hub.folder / path).is_file():
            self._send_file(path, with_body=with_body)
        else:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"}, with_body=with_body)

    def _send_file(self, path: str, *, with_body: bool) -> None:
        content = (self._hub.folder / path).read_bytes()
        etag = self._hub.checksum(path)
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        first = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        if with_body:
            self._hub.sent.append((path, first, len(content) - first))
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        self._send(206 if first else 200, content[first:], headers, with_body=with_body)

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, with_body: bool) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            with suppress(ConnectionError):
                self._write(body)

    def _write(self, body: bytes) -> None:
        held_at = self._hub.held_at
        self.wfile.write(body[:held_at])
        if held_at is not None and len(body) > held_at:
            self.wfile.flush()
            while self._hub.held_at is not None:
                time.sleep(0.05)
            self.close_connection = True


@contextmanager
def serving(folder: Path) -> Iterator[Hub]:
    """Serve the diffusers `folder` as the only repository for as long as the block lasts."""
    hub = Hub(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, hub))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
