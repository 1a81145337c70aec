import json

import pytest

from backend.errors import NotFoundError
from backend.requests import ClipRequest
from backend.store import generations, jobs
from backend.store.database import Database
from backend.store.generations import Output
from tests.store.rows import PROJECT, add_project, add_queued

OUTPUT = Output("clip", "outputs/2026-01-01/A.mp4", "0" * 64, "video/mp4", 1234)
SECONDS = {"text": 0.5, "sampling": 4.0, "decode": 1.0, "export": 0.5}


@pytest.fixture(autouse=True)
def project(database: Database) -> None:
    add_project(database)


def finish(database: Database, generation_id: str) -> None:
    with database.transaction() as connection:
        jobs.finish(connection, jobs.claim(connection, now=2.0), status="done", now=3.0)
        facts = {"seed": 7, "stage_seconds": SECONDS}
        generations.store_results(connection, generation_id, outputs=(OUTPUT,), facts=facts)


def test_finished_generation_reads_back(database: Database) -> None:
    add_queued(database, "A")
    finish(database, "A")
    with database.reading() as connection:
        found = generations.get(connection, "A")
    assert (found.status, found.attempt, found.started_at, found.finished_at) == ("done", 1, 2.0, 3.0)
    assert found.request == ClipRequest(prompt="a red ball", seed=7)
    assert found.outputs == (OUTPUT,)
    assert found.output("poster") is None
    assert found.facts["seed"] == 7


def test_generation_becomes_plain_json(database: Database) -> None:
    add_queued(database, "A")
    finish(database, "A")
    with database.reading() as connection:
        shown = json.loads(json.dumps(generations.get(connection, "A").to_json()))
    assert shown["request"]["prompt"] == "a red ball"
    assert shown["outputs"][0]["size_bytes"] == 1234
    assert shown["status"] == "done"


def test_unknown_id_is_named(database: Database) -> None:
    with database.reading() as connection, pytest.raises(NotFoundError, match="no generation 'nothing'"):
        generations.get(connection, "nothing")


def test_pages_run_from_the_newest_to_the_oldest(database: Database) -> None:
    add_queued(database, *"ABCDE")
    with database.reading() as connection:
        first = generations.newest(connection, limit=2)
        second = generations.newest(connection, limit=2, before=first[-1].id)
        of_nobody = generations.newest(connection, project_id="another")
    assert [[each.id for each in page] for page in (first, second, of_nobody)] == [["E", "D"], ["C", "B"], []]


def test_page_of_a_project_is_found_by_index(database: Database) -> None:
    with database.reading() as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT g.id FROM generations AS g JOIN jobs AS j ON j.generation_id = g.id "
            "WHERE g.project_id = ? ORDER BY g.id DESC LIMIT 50",
            (PROJECT.id,),
        ).fetchall()
    details = " ".join(row["detail"] for row in plan)
    assert "SCAN" not in details and "TEMP B-TREE" not in details


def test_running_one_leads_the_queue(database: Database) -> None:
    add_queued(database, "A", "B")
    with database.transaction() as connection:
        jobs.claim(connection, now=2.0)
    add_queued(database, "C")
    with database.reading() as connection:
        found = [(each.id, each.status) for each in generations.live(connection)]
    assert found == [("A", "running"), ("B", "queued"), ("C", "queued")]


def test_seconds_are_remembered_for_as_much_work_only(database: Database) -> None:
    add_queued(database, "A")
    finish(database, "A")
    same, longer = ClipRequest(prompt="a cube"), ClipRequest(prompt="a cube", duration_seconds=4)
    with database.reading() as connection:
        assert generations.similar_stage_seconds(connection, same) == SECONDS
        assert generations.similar_stage_seconds(connection, longer) is None


def test_newest_id_is_the_greatest(database: Database) -> None:
    add_queued(database, "A", "C", "B")
    with database.reading() as connection:
        assert generations.newest_id(connection) == "C"
