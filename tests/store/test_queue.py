"""The controls of the queue as the store keeps them."""

import pytest

from backend.requests import ClipRequest
from backend.store import generations, jobs
from backend.store.database import Database
from backend.store.jobs import Claim
from backend.store.migrations import MIGRATIONS
from tests.store.rows import PROJECT, add_first_project, add_project, add_queued

ENDINGS = ("done", "failed", "canceled")


@pytest.fixture(autouse=True)
def project(database: Database) -> None:
    add_project(database)


def claim(database: Database) -> Claim:
    with database.transaction() as connection:
        claimed = jobs.claim(connection, now=2.0)
    assert claimed is not None
    return claimed


def end(database: Database, status: str) -> None:
    claimed = claim(database)
    with database.transaction() as connection:
        jobs.finish(connection, claimed, status=status, now=3.0, error="It broke.")


def move(database: Database, generation_id: str, before: str | None = None) -> bool:
    with database.transaction() as connection:
        return jobs.move(connection, generation_id, before=before)


def order(database: Database) -> str:
    with database.reading() as connection:
        return "".join(each.id for each in generations.live(connection))


@pytest.mark.parametrize(
    ("moved", "before", "expected"), [("D", None, "DABC"), ("D", "B", "ADBC"), ("A", "D", "BCAD")]
)
def test_waiting_job_changes_its_place(
    database: Database, moved: str, before: str | None, expected: str
) -> None:
    add_queued(database, *"ABCD")
    assert move(database, moved, before)
    assert order(database) == expected
    assert claim(database).generation_id == expected[0]


def test_many_moves_keep_every_place_apart(database: Database) -> None:
    add_queued(database, *"ABC")
    for _ in range(200):
        move(database, "C", "B")
        move(database, "B", "C")
    assert order(database) == "ABC"


@pytest.mark.parametrize(("moved", "before"), [("A", None), ("B", "A"), ("B", "B"), ("B", "X")])
def test_running_or_unknown_jobs_keep_their_place(database: Database, moved: str, before: str | None) -> None:
    add_queued(database, *"ABC")
    claim(database)
    assert not move(database, moved, before)
    assert order(database) == "ABC"


def test_running_job_that_is_queued_again_comes_first(database: Database) -> None:
    add_queued(database, *"ABC")
    claim(database)
    move(database, "C")
    with database.transaction() as connection:
        assert jobs.requeue_running(connection) == 1
    assert order(database) == "ACB"


@pytest.mark.parametrize("status", ENDINGS)
def test_only_what_failed_or_was_canceled_is_tried_again(database: Database, status: str) -> None:
    add_queued(database, "A", "B")
    end(database, status)
    with database.transaction() as connection:
        assert jobs.retry(connection, "A") == (status != "done")
    assert order(database) == ("B" if status == "done" else "BA")


@pytest.mark.parametrize("is_running", [False, True])
def test_live_job_cannot_be_tried_again(database: Database, is_running: bool) -> None:
    add_queued(database, "A")
    if is_running:
        claim(database)
    with database.transaction() as connection:
        assert not jobs.retry(connection, "A")


def test_retry_counts_attempts_on_forgets_crashes_and_keeps_the_reason(database: Database) -> None:
    add_queued(database, "A")
    for _ in range(3):
        crashed = claim(database)
        with database.transaction() as connection:
            jobs.record_crash(connection, crashed, max_crashes=3, now=1.0, error="It crashed.")
    with database.transaction() as connection:
        assert jobs.retry(connection, "A")
        assert generations.get(connection, "A").error == "It crashed."
    again = claim(database)
    with database.transaction() as connection:
        assert again.attempt == 4
        assert jobs.record_crash(connection, again, max_crashes=3, now=1.0, error="-") == "queued"


def test_what_a_retried_attempt_still_says_is_refused(database: Database) -> None:
    add_queued(database, "A")
    older = claim(database)
    with database.transaction() as connection:
        jobs.cancel(connection, "A", now=3.0)
        jobs.retry(connection, "A")
        assert not jobs.finish(connection, older, status="done", now=4.0)
        assert not jobs.is_running(connection, older)
    assert order(database) == "A"


def test_second_edit_of_the_same_state_is_refused(database: Database) -> None:
    add_queued(database, "A")
    request = ClipRequest(prompt="a blue cube", seed=7)
    with database.transaction() as connection:
        assert jobs.edit(connection, "A", edits=0)
        generations.replace_request(connection, "A", request=request)
        assert not jobs.edit(connection, "A", edits=0)
        found = generations.get(connection, "A")
    assert (found.request, found.edits) == (request, 1)


def test_running_job_cannot_be_edited(database: Database) -> None:
    add_queued(database, "A")
    claim(database)
    with database.transaction() as connection:
        assert not jobs.edit(connection, "A", edits=0)


def test_pause_survives_a_restart(database: Database) -> None:
    with database.transaction() as connection:
        assert not jobs.is_paused(connection)
        jobs.pause(connection, is_paused=True)
    database.close()
    again = Database.open(database.path)
    with again.reading() as connection:
        assert jobs.is_paused(connection)
    again.close()


def test_folder_of_the_first_version_opens_with_its_jobs(database: Database) -> None:
    path = database.path.with_name("older.db")
    older = Database.open(path, migrations=MIGRATIONS[:1])
    add_first_project(older)
    with older.transaction() as connection:
        row = ("A", PROJECT.id, "clip", ClipRequest(prompt="a ball").model_dump_json(), 1.0)
        connection.execute(
            "INSERT INTO generations (id, project_id, kind, request, created_at) VALUES (?, ?, ?, ?, ?)", row
        )
        jobs.insert(connection, "A")
    older.close()
    newer = Database.open(path)
    with newer.reading() as connection:
        assert [(each.id, each.edits) for each in generations.live(connection)] == [("A", 0)]
        assert not jobs.is_paused(connection)
    newer.close()
