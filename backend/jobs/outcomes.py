"""Outcomes: what the store keeps of how an attempt ended; one that is not the running one changes nothing."""

import time

from backend.jobs import messages
from backend.store import generations, jobs
from backend.store.database import Database

MAX_CRASHES = 3

Ended = messages.Done | messages.Failed | messages.Canceled


def record(database: Database, message: Ended) -> bool:
    """Store how an attempt ended; return False, storing nothing, where it is not the running one."""
    claim, now = jobs.Claim(message.job_id, message.attempt), time.time()
    with database.transaction() as connection:
        if isinstance(message, messages.Failed):
            return jobs.finish(connection, claim, status="failed", now=now, error=message.message)
        if isinstance(message, messages.Canceled):
            return jobs.finish(connection, claim, status="canceled", now=now)
        is_accepted = jobs.finish(connection, claim, status="done", now=now)
        if is_accepted:
            generations.store_results(
                connection, claim.generation_id, outputs=message.outputs, facts=message.facts
            )
        return is_accepted


def record_crash(database: Database, claim: jobs.Claim, *, reason: str) -> None:
    """Queue a job whose worker died again, or park it with the `reason` where it died too often."""
    error = (
        f"The worker stopped {MAX_CRASHES} times while making this ({reason}); "
        "try a smaller clip, or retry it after closing other programs."
    )
    with database.transaction() as connection:
        jobs.record_crash(connection, claim, max_crashes=MAX_CRASHES, now=time.time(), error=error)


def put_back(database: Database, claim: jobs.Claim) -> None:
    """Queue a running attempt again, before all others; its crashes are not counted."""
    with database.transaction() as connection:
        if jobs.is_running(connection, claim):
            jobs.requeue_running(connection)


def status_of(database: Database, claim: jobs.Claim) -> str:
    """Return the status of the job of `claim`."""
    with database.reading() as connection:
        return jobs.status(connection, claim.generation_id)


def is_running(database: Database, claim: jobs.Claim) -> bool:
    """Return whether that attempt still is what shall be made."""
    with database.reading() as connection:
        return jobs.is_running(connection, claim)
