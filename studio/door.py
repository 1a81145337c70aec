"""door.json: how another program of the same user finds the running studio."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_door(path: Path, url: str) -> Iterator[str]:
    """Write {"url", "pid", "token"} to `path`, readable by its owner only, for as long as the studio runs.

    Yields the token: 32 random bytes drawn for this launch, known only to those who may read `path`.
    """
    token = secrets.token_urlsafe(32)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"url": url, "pid": os.getpid(), "token": token}, file)
    try:
        yield token
    finally:
        path.unlink(missing_ok=True)
