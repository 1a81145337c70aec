"""Receipts: what a worker wrote down of a finished attempt, in case nobody hears it say so. Torch-free.

A receipt names every file with its checksum. It counts only for the very attempt that its job stands at.
"""

import logging
from pathlib import Path

from backend.config import Settings
from backend.errors import StudioError
from backend.jobs import messages, outcomes, traces
from backend.media.files import replacing, sha256_of
from backend.store import jobs
from backend.store.database import Database

_log = logging.getLogger(__name__)


def write(settings: Settings, done: messages.Done) -> None:
    """Store `done`; without room for it, the job is only made again should this process end right now."""
    try:
        with replacing(traces.receipt_path(settings, done.job_id)) as partial:
            partial.write_text(messages.encode(done), encoding="ascii")
    except StudioError as exc:
        _log.warning("no receipt: %s", exc)


def adopt(settings: Settings, database: Database, claim: jobs.Claim) -> bool:
    """Return whether that attempt had finished, all its files are whole, and it is stored as done now."""
    try:
        done = messages.decode(traces.receipt_path(settings, claim.generation_id).read_text(encoding="ascii"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as exc:
        _log.warning("the receipt of %s is not used: %s", claim.generation_id, exc)
        return False
    is_this = isinstance(done, messages.Done) and (done.job_id, done.attempt) == (
        claim.generation_id,
        claim.attempt,
    )
    if not is_this or not all(_is_whole(settings.data_dir / each.path, each.sha256) for each in done.outputs):
        return False
    _log.info("adopted the files of %s, attempt %d", claim.generation_id, claim.attempt)
    return outcomes.record(database, done)


def _is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and not path.is_symlink() and sha256_of(path) == sha256
