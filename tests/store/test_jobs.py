import threading

import pytest

from backend.store import generations, jobs
from backend.store.database import Database
from backend.store.jobs import Claim
from tests.store.rows import add_project, add_queued


@pytest.fixture(autouse=True)
def project(database: Database) -> None:
    add_project(database)


def claim(database: Database) -> Claim | None:
    with database.transaction() as connection:
        return jobs.claim(connection, now=2000.0)


def status(database: Database, generation_id: str) -> str:
    with database.reading() as connection:
        return generations.get(connection, generation_id).status


def test_claim_takes_the_oldest_and_counts_the_attempt(database: Database) -> None:
    add_queued(database, "B", "A")
    assert [claim(database), claim(database), claim(database)] == [Claim("B", 1), Claim("A", 1), None]


def test_claim_gives_each_job_once_to_many_threads(database: Database) -> None:
    add_queued(database, *(f"{number:03}" for number in range(200)))
    claimed: list[str] = []

    def take() -> None:
        while (taken := claim(database)) is not None:
            claimed.append(taken.generation_id)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == [f"{number:03}" for number in range(200)]


def test_claim_looks_only_at_live_jobs(database: Database) -> None:
    with database.reading() as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT generation_id FROM jobs WHERE status IN ('queued', 'running') "
            "AND status = 'queued' ORDER BY position, generation_id LIMIT 1"
        ).fetchall()
    assert [row["detail"] for row in plan] == ["SCAN jobs USING INDEX jobs_live"]


def test_result_of_an_older_attempt_is_refused(database: Database) -> None:
    add_queued(database, "A")
    first = claim(database)
    with database.transaction() as connection:
        jobs.requeue_running(connection)
    second = claim(database)
    with database.transaction() as connection:
        assert not jobs.finish(connection, first, status="done", now=3000.0)
        assert jobs.finish(connection, second, status="done", now=3000.0)


def test_restart_queues_the_running_job_at_its_old_place(database: Database) -> None:
    add_queued(database, "A", "B")
    claim(database)
    with database.transaction() as connection:
        assert jobs.requeue_running(connection) == 1
        assert [each.id for each in generations.live(connection)] == ["A", "B"]


def test_third_crash_fails_the_job_with_its_reason(database: Database) -> None:
    add_queued(database, "A")
    found = []
    for _ in range(3):
        crashed = claim(database)
        with database.transaction() as connection:
            found.append(jobs.record_crash(connection, crashed, max_crashes=3, now=1.0, error="It crashed."))
    assert found == ["queued", "queued", "failed"]
    with database.reading() as connection:
        assert generations.get(connection, "A").error == "It crashed."


@pytest.mark.parametrize("is_running", [False, True])
def test_canceled_job_is_never_done(database: Database, is_running: bool) -> None:
    add_queued(database, "A")
    claimed = claim(database) if is_running else Claim("A", 1)
    with database.transaction() as connection:
        assert jobs.cancel(connection, "A", now=2.0)
        assert not jobs.finish(connection, claimed, status="done", now=3.0)
    assert status(database, "A") == "canceled"


def test_ended_job_cannot_be_canceled(database: Database) -> None:
    add_queued(database, "A")
    claimed = claim(database)
    with database.transaction() as connection:
        jobs.finish(connection, claimed, status="done", now=3.0)
        assert not jobs.cancel(connection, "A", now=4.0)
    assert status(database, "A") == "done"


def test_queue_is_counted_without_the_running_one(database: Database) -> None:
    add_queued(database, "A", "B", "C")
    claim(database)
    with database.reading() as connection:
        assert jobs.count_queued(connection) == 2
