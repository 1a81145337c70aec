import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils

from backend.config import Settings
from backend.errors import StoreError
from backend.store import jobs, projects
from backend.store.backups import back_up
from backend.store.ballast import BALLAST_BYTES
from backend.store.database import Database
from backend.store.migrations import MIGRATIONS, add_queue_controls, migrate, schema_version
from tests.store.rows import PROJECT, add_first_project, add_project, add_queued


def pragma(database: Database, name: str) -> object:
    with database.reading() as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_connection_is_exclusive_durable_and_checks_keys(database: Database) -> None:
    found = [
        pragma(database, name) for name in ("journal_mode", "locking_mode", "synchronous", "foreign_keys")
    ]
    assert found == ["wal", "exclusive", 2, 1]


def test_second_owner_is_refused_with_the_pid_of_the_first(database: Database) -> None:
    with pytest.raises(StoreError, match=f"already running .* as process {os.getpid()}"):
        Database.open(database.path)


def test_second_process_is_refused(database: Database) -> None:
    code = (
        f"import pathlib, backend.store.database as d; d.Database.open(pathlib.Path({str(database.path)!r}))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"as process {os.getpid()};" in ended.stderr


def test_closed_database_opens_again_with_its_rows(settings: Settings) -> None:
    first = Database.open(settings.database_path)
    add_project(first)
    first.close()
    second = Database.open(settings.database_path)
    with second.reading() as connection:
        assert projects.oldest(connection) == PROJECT
    second.close()


def test_failed_transaction_leaves_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        projects.insert(connection, PROJECT)
        raise ZeroDivisionError
    with database.reading() as connection:
        assert projects.oldest(connection) is None


def test_refused_row_is_a_store_error_and_leaves_nothing(database: Database) -> None:
    with pytest.raises(StoreError, match="could not be written"), database.transaction() as connection:
        projects.insert(connection, PROJECT)
        projects.insert(connection, PROJECT)
    with database.reading() as connection:
        assert projects.oldest(connection) is None


@pytest.mark.parametrize("column", ["request", "parents", "outputs", "facts"])
def test_column_takes_only_json(database: Database, column: str) -> None:
    add_project(database)
    values = {"id": "1", "project_id": PROJECT.id, "kind": "clip", "request": "{}", "created_at": 1.0}
    values |= {column: "no json"}
    sql = f"INSERT INTO generations ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"
    with pytest.raises(StoreError, match="json_valid"), database.transaction() as connection:
        connection.execute(sql, tuple(values.values()))


@pytest.mark.parametrize("damage", [b"", b"SQLite format 4\0", b"not a database at all"])
def test_damaged_header_is_refused_or_empty(settings: Settings, damage: bytes) -> None:
    Database.open(settings.database_path).close()
    content = settings.database_path.read_bytes()
    settings.database_path.write_bytes(damage + content[len(damage) :] if damage else b"x" * 5000)
    with pytest.raises(StoreError, match="is damaged"):
        Database.open(settings.database_path)


def test_damaged_page_is_found_at_start(settings: Settings) -> None:
    Database.open(settings.database_path).close()
    content = bytearray(settings.database_path.read_bytes())
    content[5000:9000] = b"\xff" * 4000
    settings.database_path.write_bytes(content)
    with pytest.raises(StoreError, match=r"is damaged .*backups"):
        Database.open(settings.database_path)


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"data folder .* cannot be used"):
        Database.open(tmp_path / "file" / "data" / "studio.db")


def test_newer_schema_is_refused(settings: Settings) -> None:
    database = Database.open(settings.database_path)
    with database.transaction() as connection:
        connection.execute("PRAGMA user_version = 999")
    database.close()
    with pytest.raises(StoreError, match=r"newer Kinora \(version 999"):
        Database.open(settings.database_path)


def add_star(database: sqlite_utils.Database) -> None:
    database.execute("ALTER TABLE projects ADD COLUMN is_starred INTEGER NOT NULL DEFAULT 0")


def test_upgrade_keeps_rows_and_makes_a_backup(settings: Settings) -> None:
    first = Database.open(settings.database_path)
    add_project(first)
    first.close()
    second = Database.open(settings.database_path, migrations=(*MIGRATIONS, add_star))
    with second.reading() as connection:
        row = connection.execute("SELECT * FROM projects").fetchone()
    second.close()
    assert (row["id"], row["is_starred"]) == (PROJECT.id, 0)
    (backup,) = (settings.data_dir / "backups").glob(f"studio-v{len(MIGRATIONS)}-*.db")
    assert sqlite3.connect(backup).execute("SELECT id FROM projects").fetchall() == [(PROJECT.id,)]


def test_migration_that_fails_changes_nothing(database: Database) -> None:
    def fail_half_way(tables: sqlite_utils.Database) -> None:
        add_star(tables)
        tables.execute("SELECT * FROM no_such_table")

    with database.reading() as connection:
        before = connection.execute("SELECT sql FROM sqlite_master").fetchall()
        with pytest.raises(sqlite3.OperationalError, match="no_such_table"):
            migrate(connection, (*MIGRATIONS, fail_half_way))
        assert schema_version(connection) == len(MIGRATIONS)
        assert connection.execute("SELECT sql FROM sqlite_master").fetchall() == before


class Failing:
    """Tables whose statement number `last` fails."""

    def __init__(self, tables: sqlite_utils.Database, *, last: int) -> None:
        self._tables, self._left = tables, last

    def execute(self, sql: str) -> None:
        self._left -= 1
        if not self._left:
            raise sqlite3.OperationalError("the disk broke")
        self._tables.execute(sql)


@pytest.mark.parametrize("last", [1, 2, 3])
def test_upgrade_that_breaks_at_any_statement_leaves_the_version_before(tmp_path: Path, last: int) -> None:
    path = tmp_path / "studio.db"
    older = Database.open(path, migrations=MIGRATIONS[:1])
    add_first_project(older)
    older.close()

    def break_down(tables: sqlite_utils.Database) -> None:
        add_queue_controls(Failing(tables, last=last))  # type: ignore[arg-type]

    with pytest.raises(sqlite3.OperationalError, match="the disk broke"):
        Database.open(path, migrations=(*MIGRATIONS[:1], break_down))
    again = Database.open(path)
    with again.reading() as connection:
        assert schema_version(connection) == len(MIGRATIONS)
        assert projects.oldest(connection) == PROJECT
    again.close()


def test_full_disk_loses_nothing_and_passes(database: Database) -> None:
    add_project(database)
    with database.reading() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="is full; free disk space helps"):
        add_queued(database, *(f"{number:04}" for number in range(1000)))
    with database.reading() as connection:
        assert jobs.queued_ids(connection) == []
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        connection.execute("PRAGMA max_page_count = 1000000")
    add_queued(database, "A")


def test_a_full_disk_leaves_room_for_what_became_of_the_running_job(database: Database) -> None:
    ballast = database.path.with_suffix(".ballast")
    assert ballast.stat().st_size == BALLAST_BYTES
    with database.reading() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="is full"), database.transaction() as connection:
        connection.execute("CREATE TABLE more (content BLOB)")
        connection.execute("INSERT INTO more VALUES (zeroblob(100000))")
    assert not ballast.exists()
    with database.reading() as connection:
        connection.execute("PRAGMA max_page_count = 1000000")
    add_project(database)
    assert ballast.exists(), "it is laid down again once there is room"


def test_database_that_another_tool_holds_is_named_soon(settings: Settings) -> None:
    Database.open(settings.database_path).close()
    tool = sqlite3.connect(settings.database_path, isolation_level=None)
    tool.execute("BEGIN EXCLUSIVE")
    started = time.monotonic()
    with pytest.raises(StoreError, match=f"on {settings.data_dir}"):
        Database.open(settings.database_path)
    assert time.monotonic() - started < 10
    tool.close()


def test_backup_can_be_opened_as_the_database(database: Database, tmp_path: Path) -> None:
    add_project(database)
    with database.reading() as connection:
        back_up(connection, tmp_path / "restored" / "studio.db")
    restored = Database.open(tmp_path / "restored" / "studio.db")
    with restored.reading() as connection:
        assert projects.oldest(connection) == PROJECT
    restored.close()


@pytest.mark.parametrize("use", [Database.reading, Database.transaction])
def test_closed_database_says_so(database: Database, use: Callable[[Database], Any]) -> None:
    database.close()
    with pytest.raises(StoreError, match="closed database"), use(database) as connection:
        projects.oldest(connection)


def test_data_folder_is_private(database: Database) -> None:
    assert database.path.parent.stat().st_mode & 0o777 == 0o700
