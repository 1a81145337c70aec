"""Copies of the database: when they are made, how many are kept, and that they can be put back."""

import os
import sqlite3
import time
from pathlib import Path

import pytest

from backend.config import Settings
from backend.errors import StoreError
from backend.store import backups, generations, library, projects
from backend.store.database import Database
from backend.store.library import Wanted
from backend.store.migrations import MIGRATIONS, keep_library
from tests.store.rows import PROJECT, add_project, add_queued


def copies(database: Database) -> list[Path]:
    return sorted(backups.backups_dir(database.path).glob("*.db"))


def test_a_copy_is_made_once_a_day(database: Database) -> None:
    add_project(database)
    assert backups.back_up_daily(database)
    assert not backups.back_up_daily(database)
    (copy,) = copies(database)
    yesterday = time.time() - backups.EVERY_SECONDS - 1
    copy = copy.rename(copy.with_name("studio-daily-20200101-000000.db"))
    os.utime(copy, (yesterday, yesterday))
    assert backups.back_up_daily(database)
    assert len(copies(database)) == 2


def test_only_the_newest_copies_of_each_sort_are_kept(tmp_path: Path) -> None:
    for age in range(20):
        for sort in ("daily", "v1"):
            path = tmp_path / f"studio-{sort}-{age:02}.db"
            path.touch()
            os.utime(path, (1000 - age, 1000 - age))
    backups.rotate(tmp_path)
    assert sorted(tmp_path.glob("studio-daily-*")) == [tmp_path / f"studio-daily-{n:02}.db" for n in range(7)]
    assert len(list(tmp_path.glob("studio-v1-*"))) == 5


def test_the_thread_makes_the_copy_and_ends(database: Database) -> None:
    daily = backups.DailyBackups(database)
    daily.start()
    deadline = time.monotonic() + 60
    while not copies(database) and time.monotonic() < deadline:
        time.sleep(0.02)
    daily.stop()
    assert len(copies(database)) == 1


def test_restored_copy_has_all_rows_and_the_one_before_is_kept(settings: Settings) -> None:
    database = Database.open(settings.database_path)
    add_project(database)
    add_queued(database, "A", "B")
    backups.back_up_daily(database)
    add_queued(database, "C")
    database.close()
    copy = backups.newest(settings.database_path)
    assert copy is not None
    replaced = backups.restore(settings.database_path, copy)
    restored = Database.open(settings.database_path)
    with restored.reading() as connection:
        assert [each.id for each in generations.newest(connection)] == ["B", "A"]
        assert [each.id for each in library.page(connection, Wanted(text="red"))] == ["B", "A"]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    restored.close()
    assert replaced is not None
    assert sqlite3.connect(replaced).execute("SELECT count(*) FROM generations").fetchone() == (3,)


def test_damaged_database_is_replaced_by_its_copy(settings: Settings) -> None:
    database = Database.open(settings.database_path)
    add_project(database)
    backups.back_up_daily(database)
    database.close()
    settings.database_path.write_bytes(b"x" * 5000)
    copy = backups.newest(settings.database_path)
    assert copy is not None
    backups.restore(settings.database_path, copy)
    restored = Database.open(settings.database_path)
    with restored.reading() as connection:
        assert projects.oldest(connection) == PROJECT
    restored.close()


def test_nothing_is_restored_under_a_running_studio_or_from_a_damaged_copy(database: Database) -> None:
    backups.back_up_daily(database)
    (copy,) = copies(database)
    with pytest.raises(StoreError, match="close it before"):
        backups.restore(database.path, copy)
    database.close()
    copy.write_bytes(b"x" * 5000)
    with pytest.raises(StoreError, match="cannot be used"):
        backups.restore(database.path, copy)
    assert database.path.exists()


def test_rows_of_the_version_before_are_found_in_the_library(settings: Settings) -> None:
    version = MIGRATIONS.index(keep_library)
    old = Database.open(settings.database_path, migrations=MIGRATIONS[:version])
    with old.transaction() as connection:
        connection.execute("INSERT INTO projects VALUES ('P', 'Untitled', 1.0)")
        for generation_id, parents in (("A", "[]"), ("B", '["A"]')):
            connection.execute(
                "INSERT INTO generations (id, project_id, kind, request, parents, created_at)"
                " VALUES (?, 'P', 'clip', ?, ?, 1.0)",
                (generation_id, '{"prompt": "a red ball", "engine": "tiny"}', parents),
            )
            connection.execute(
                "INSERT INTO jobs (generation_id, status, position) VALUES (?, 'done', 1)", (generation_id,)
            )
    old.close()
    new = Database.open(settings.database_path)
    with new.reading() as connection:
        (second, first) = library.page(connection, Wanted(text="ball", engine="tiny", project_id="P"))
        assert [each.id for each in library.family(connection, "A")] == ["A", "B"]
        assert projects.get(connection, "P") == projects.Project("P", "Untitled", 1.0)
    assert (first.id, second.parents, second.revision, second.is_starred) == ("A", ("A",), 1, False)
    assert [copy.name.startswith(f"studio-v{version}-") for copy in copies(new)] == [True]
    new.close()
