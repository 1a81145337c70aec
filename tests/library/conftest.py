"""A studio whose library holds finished clips, written as a worker writes them."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.api import Api, Generation, Output
from backend.requests import ClipRequest, Request
from backend.store import generations, jobs, library
from backend.store.ids import IdSource

IDS = IdSource()
Keep = Callable[..., Generation]


def store_output(data_dir: Path, generation_id: str, role: str, content: bytes) -> Output:
    """Write a file as the worker names it and return it as an output."""
    suffix, media_type = (".jpg", "image/jpeg") if role == "poster" else (".mp4", "video/mp4")
    path = data_dir / "outputs" / "2026-01-01" / f"{generation_id}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return Output(role, path.relative_to(data_dir).as_posix(), sha256, media_type, len(content))


@pytest.fixture
def keep(idle_studio: Api) -> Keep:
    """Return a function that stores one finished clip and returns it."""

    def keep(request: Request | None = None, **fields: object) -> Generation:
        made = Generation(
            id=IDS.next(),
            request=request or ClipRequest(prompt="a red ball", engine="tiny", seed=7),
            created_at=time.time(),
            **{"status": "done", "project_id": idle_studio.default_project().id, **fields},
        )
        roles = ("clip", "poster")
        data_dir = idle_studio.settings.data_dir
        outputs = tuple(store_output(data_dir, made.id, role, f"{role} {made.id}".encode()) for role in roles)
        with idle_studio._database.transaction() as connection:
            generations.insert(connection, made)
            if made.status == "queued":
                jobs.insert(connection, made.id)
            else:
                library.insert_job(connection, made)
            facts = {"seed": 7, "stage_seconds": {"text": 0.5}}
            generations.store_results(connection, made.id, outputs=outputs, facts=facts)
        return idle_studio.generation(made.id)

    return keep
