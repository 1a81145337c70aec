"""The door of the studio: the addresses it answers under, and door.json, by which other programs find it."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def open_door(path: Path, url: str, *, token: str) -> Iterator[None]:
    """Keep {"url", "pid", "token"} at `path`, readable by its owner only, for as long as the block lasts."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"url": url, "pid": os.getpid(), "token": token}, file)
    partial.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def hosts(port: int, *, with_network: bool = False) -> list[str]:
    """Return the values of the Host header that mean this studio; on port 80 browsers leave the port out.

    with_network: also the names and addresses by which other machines know this one.
    """
    names = ["127.0.0.1", "localhost"]
    if with_network:
        own_name = socket.gethostname().lower()
        names += [own_name, f"{own_name}.local", *network_addresses()]
    return [f"{name}:{port}" for name in names] + (names if port == 80 else [])


def network_addresses() -> list[str]:
    """Return the IPv4 addresses of this machine but the loopback one."""
    found = [each for addresses in psutil.net_if_addrs().values() for each in addresses]
    return [
        each.address
        for each in found
        if each.family == socket.AF_INET and not each.address.startswith("127.")
    ]
