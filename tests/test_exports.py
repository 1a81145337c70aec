"""The record of exports: kept over kills, cancel and the end of the studio."""

import time
from pathlib import Path

import numpy as np
import pytest

from backend.config import Settings
from backend.errors import RequestError
from backend.exports import Exports
from backend.finished import Finished
from backend.media.files import sha256_of
from backend.media.video import write_video
from backend.requests import ClipRequest
from backend.store import exports, generations, library
from backend.store.database import Database
from backend.store.exports import ExportRow
from backend.store.generations import Generation, Output
from backend.store.ids import IdSource
from tests.store.rows import PROJECT, add_project

SLOW = {"format": "webm", "short_side": 2160, "loops": 20}
ID = "0" * 25 + "1"


@pytest.fixture
def finished(settings: Settings, database: Database) -> Finished:
    """One finished clip."""
    add_project(database)
    path = settings.outputs_dir / "clip.mp4"
    write_video(
        path, np.zeros((33, 32, 48, 3), np.uint8), frame_rate=16, metadata={"kinora": {"request": {}}}
    )
    output = Output("clip", "outputs/clip.mp4", sha256_of(path), "video/mp4", path.stat().st_size)
    made = Generation(ID, PROJECT.id, ClipRequest(prompt="a ball"), 1000.0, status="done")
    with database.transaction() as connection:
        generations.insert(connection, made)
        library.insert_job(connection, made)
        generations.store_results(connection, ID, outputs=(output,), facts={})
    return Finished(settings, database)


def opened(finished: Finished, database: Database) -> Exports:
    return Exports(finished, database, IdSource())


def files(settings: Settings) -> list[Path]:
    return list(settings.exports_dir.iterdir()) if settings.exports_dir.exists() else []


def begun(made: Exports, **settings: object) -> ExportRow:
    """Return an export once ffmpeg writes it."""
    row = made.begin(ID, settings, name="film")
    while made.progress(row.id) == 0:
        assert made.row(row.id).status in ("queued", "running")
        time.sleep(0.02)
    return row


def test_an_export_is_recorded_with_source_settings_hash_and_time(
    finished: Finished, database: Database
) -> None:
    before = time.time()
    made = opened(finished, database)
    written = made.make(ID, {"short_side": 16}, name="film")
    (row,) = made.made_from([ID])
    assert (row.sources, row.status, row.path) == ((ID,), "done", "exports/film.mp4")
    assert (row.sha256, row.size_bytes) == (sha256_of(written.path), written.path.stat().st_size)
    assert row.settings["short_side"] == 16 and before <= row.created_at <= row.finished_at <= time.time()
    made.close()


def test_a_canceled_export_leaves_no_file_and_its_record_says_so(
    finished: Finished, database: Database, settings: Settings
) -> None:
    made = opened(finished, database)
    running, waiting = begun(made, **SLOW), made.begin(ID, {}, name="waiting")
    assert made.cancel(running.id).status == made.cancel(waiting.id).status == "canceled"
    written = made.make(ID, {}, name="after them")
    assert files(settings) == [written.path]
    assert {made.row(each.id).status for each in (running, waiting)} == {"canceled"}
    assert [row.path for row in made.made_from([ID])] == ["exports/after them.mp4"]
    made.close()


def test_endless_exports_are_refused_in_one_sentence(
    finished: Finished, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.exports.MAX_WAITING", 2)
    made = opened(finished, database)
    begun(made, **SLOW)
    made.begin(ID, {})
    with pytest.raises(RequestError, match="2 exports wait already; wait for some or cancel them"):
        made.begin(ID, {})
    made.close()


def test_an_export_that_the_end_of_the_studio_interrupts_says_so(
    finished: Finished, database: Database, settings: Settings
) -> None:
    made = opened(finished, database)
    row = begun(made, **SLOW)
    made.close()
    assert (made.row(row.id).status, files(settings)) == ("failed", [])
    assert made.row(row.id).error.startswith("Kinora ended while this was being written")


@pytest.mark.parametrize("was_renamed", [False, True])
def test_an_export_of_a_killed_studio_is_adopted_where_it_is_whole(
    finished: Finished, database: Database, settings: Settings, was_renamed: bool
) -> None:
    path = settings.exports_dir / "film.mp4"
    path.parent.mkdir()
    with database.transaction() as connection:
        exports.insert(connection, ExportRow("A", (ID,), {"format": "mp4"}, 1.0))
        assert exports.begin(connection, "A", path="exports/film.mp4")
    if was_renamed:
        path.write_bytes(b"whole")
    made = opened(finished, database)
    row = made.row("A")
    assert row.status == ("done" if was_renamed else "failed")
    assert row.sha256 == (sha256_of(path) if was_renamed else "")
    made.close()
