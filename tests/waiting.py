"""Waiting for what another process does, with an end to the patience."""

import time
from collections.abc import Callable

from backend.api import Api, Generation

PATIENCE_SECONDS = 300.0


def until(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds; AssertionError when patience ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def ended(api: Api, generation_id: str) -> Generation:
    """Return the generation once it has ended."""
    until(lambda: api.generation(generation_id).status not in ("queued", "running"))
    return api.generation(generation_id)


def sampling(api: Api, generation_id: str, *, step: int = 1) -> None:
    """Return once the generation has finished `step` steps."""
    until(lambda: (progress := api.progress(generation_id)) is not None and progress.step >= step)
