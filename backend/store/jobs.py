"""Jobs: the queue. One row per generation says where it stands; (generation id, attempt) is the fence.

A worker's result counts only for the attempt that is running: what an older attempt still says is refused.
"""

import sqlite3
from dataclasses import dataclass

_LIVE = "status IN ('queued', 'running')"


@dataclass(frozen=True)
class Claim:
    """A job that was just given to a worker."""

    generation_id: str
    attempt: int


def insert(connection: sqlite3.Connection, generation_id: str) -> None:
    """Put the generation at the end of the queue."""
    connection.execute(
        f"""
        INSERT INTO jobs (generation_id, status, position)
        VALUES (?, 'queued', (SELECT coalesce(max(position), 0) + 1 FROM jobs WHERE {_LIVE}))
        """,
        (generation_id,),
    )


def claim(connection: sqlite3.Connection, *, now: float) -> Claim | None:
    """Start the first queued job as its next attempt and return it, or None where none is queued."""
    rows = connection.execute(
        f"""
        UPDATE jobs SET status = 'running', attempt = attempt + 1, started_at = ?
        WHERE generation_id = (
            SELECT generation_id FROM jobs WHERE {_LIVE} AND status = 'queued'
            ORDER BY position, generation_id LIMIT 1
        )
        RETURNING generation_id, attempt
        """,
        (now,),
    ).fetchall()
    return Claim(**rows[0]) if rows else None


def finish(
    connection: sqlite3.Connection, claim: Claim, *, status: str, now: float, error: str | None = None
) -> bool:
    """End a running attempt as `status`; return False, changing nothing, where it is not the running one."""
    cursor = connection.execute(
        """
        UPDATE jobs SET status = ?, finished_at = ?, error = ?
        WHERE generation_id = ? AND attempt = ? AND status = 'running'
        """,
        (status, now, error, claim.generation_id, claim.attempt),
    )
    return cursor.rowcount == 1


def cancel(connection: sqlite3.Connection, generation_id: str, *, now: float) -> bool:
    """Cancel a queued or running job; return False where it had ended already."""
    cursor = connection.execute(
        f"UPDATE jobs SET status = 'canceled', finished_at = ? WHERE generation_id = ? AND {_LIVE}",
        (now, generation_id),
    )
    return cursor.rowcount == 1


def record_crash(
    connection: sqlite3.Connection, claim: Claim, *, max_crashes: int, now: float, error: str
) -> str | None:
    """Return "queued" or, at the last allowed crash, "failed" (with `error`): what a crashed attempt became.

    None, changing nothing, where the attempt was not the running one.
    """
    rows = connection.execute(
        """
        UPDATE jobs SET
            crashes = crashes + 1,
            status = iif(crashes + 1 >= :max_crashes, 'failed', 'queued'),
            error = iif(crashes + 1 >= :max_crashes, :error, NULL),
            finished_at = iif(crashes + 1 >= :max_crashes, :now, NULL),
            started_at = iif(crashes + 1 >= :max_crashes, started_at, NULL)
        WHERE generation_id = :generation_id AND attempt = :attempt AND status = 'running'
        RETURNING status
        """,
        {
            "max_crashes": max_crashes,
            "error": error,
            "now": now,
            "generation_id": claim.generation_id,
            "attempt": claim.attempt,
        },
    ).fetchall()
    return str(rows[0]["status"]) if rows else None


def running(connection: sqlite3.Connection) -> list[Claim]:
    """Return the attempts that are running."""
    rows = connection.execute(f"SELECT generation_id, attempt FROM jobs WHERE {_LIVE} AND status = 'running'")
    return [Claim(**row) for row in rows.fetchall()]


def requeue_running(connection: sqlite3.Connection) -> int:
    """Queue again, before all others, whatever was running; return how many jobs that were."""
    cursor = connection.execute(
        f"""
        UPDATE jobs SET status = 'queued', started_at = NULL,
            position = (SELECT min(position) - 1 FROM jobs WHERE {_LIVE})
        WHERE {_LIVE} AND status = 'running'
        """
    )
    return cursor.rowcount


def retry(connection: sqlite3.Connection, generation_id: str) -> bool:
    """Put a failed or canceled job at the end of the queue, its crashes forgotten; return False for others.

    Attempts count on, so that what an older one still says stays refused.
    """
    cursor = connection.execute(
        f"""
        UPDATE jobs SET status = 'queued', crashes = 0, started_at = NULL, finished_at = NULL,
            position = (SELECT coalesce(max(position), 0) + 1 FROM jobs WHERE {_LIVE})
        WHERE generation_id = ? AND status IN ('failed', 'canceled')
        """,
        (generation_id,),
    )
    return cursor.rowcount == 1


def move(connection: sqlite3.Connection, generation_id: str, *, before: str | None) -> bool:
    """Put a queued job right before the queued job `before`, or before all; return False for others."""
    order = queued_ids(connection)
    others = [each for each in order if each != generation_id]
    if generation_id not in order or (before is not None and before not in others):
        return False
    others.insert(0 if before is None else others.index(before), generation_id)
    places = [(place, each) for place, each in enumerate(others, start=1)]
    connection.executemany("UPDATE jobs SET position = ? WHERE generation_id = ?", places)
    return True


def edit(connection: sqlite3.Connection, generation_id: str, *, edits: int) -> bool:
    """Count an edit of a queued job that was edited `edits` times; return False for any other."""
    cursor = connection.execute(
        """
        UPDATE jobs SET edits = edits + 1 WHERE generation_id = ? AND edits = ? AND status = 'queued'
        """,
        (generation_id, edits),
    )
    return cursor.rowcount == 1


def pause(connection: sqlite3.Connection, *, is_paused: bool) -> None:
    """Store whether the queue is paused."""
    connection.execute("UPDATE queue SET is_paused = ?", (int(is_paused),))


def is_paused(connection: sqlite3.Connection) -> bool:
    """Return whether nothing new may begin."""
    return bool(connection.execute("SELECT is_paused FROM queue").fetchone()[0])


def is_running(connection: sqlite3.Connection, claim: Claim) -> bool:
    """Return whether that attempt is the running one."""
    row = connection.execute(
        "SELECT 1 FROM jobs WHERE generation_id = ? AND attempt = ? AND status = 'running'",
        (claim.generation_id, claim.attempt),
    ).fetchone()
    return row is not None


def status(connection: sqlite3.Connection, generation_id: str) -> str:
    """Return the status of a job, or nothing where there is none (any more)."""
    row = connection.execute("SELECT status FROM jobs WHERE generation_id = ?", (generation_id,)).fetchone()
    return "" if row is None else str(row[0])


def stopped_ids(connection: sqlite3.Connection) -> set[str]:
    """Return the jobs that failed or were canceled."""
    rows = connection.execute("SELECT generation_id FROM jobs WHERE status IN ('failed', 'canceled')")
    return {str(row[0]) for row in rows.fetchall()}


def queued_ids(connection: sqlite3.Connection) -> list[str]:
    """Return the queued jobs in the order of their turn."""
    rows = connection.execute(
        f"SELECT generation_id FROM jobs WHERE {_LIVE} AND status = 'queued' ORDER BY position, generation_id"
    )
    return [str(row[0]) for row in rows.fetchall()]


def next_queued(connection: sqlite3.Connection) -> str | None:
    """Return the queued job whose turn is next, or None."""
    row = connection.execute(
        f"""
        SELECT generation_id FROM jobs WHERE {_LIVE} AND status = 'queued'
        ORDER BY position, generation_id LIMIT 1
        """
    ).fetchone()
    return None if row is None else str(row[0])


def count_queued(connection: sqlite3.Connection) -> int:
    """Return how many jobs wait."""
    row = connection.execute(f"SELECT count(*) FROM jobs WHERE {_LIVE} AND status = 'queued'").fetchone()
    return int(row[0])
