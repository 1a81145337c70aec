"""A damaged database at start: it is kept, a whole copy takes its place, and what is newer is listed."""

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.config import Settings
from backend.errors import StoreError
from backend.store import backups, generations
from backend.store.database import Database
from backend.store.recovery import open_whole
from tests.store.rows import add_project, add_queued

OLD = [f"{number:026}" for number in range(300)]
NEW = [f"{number:026}" for number in range(300, 310)]


@pytest.fixture
def path(settings: Settings) -> Path:
    """The closed database, with 310 generations, of which its copy has 300."""
    database = Database.open(settings.database_path)
    add_project(database)
    add_queued(database, *OLD)
    backups.back_up_daily(database)
    add_queued(database, *NEW)
    database.close()
    return settings.database_path


def overwrite(at: int, content: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(content)

    return damage


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def ids(database: Database) -> list[str]:
    with database.reading() as connection:
        return sorted(each.id for each in generations.newest(connection, limit=1000))


@pytest.mark.parametrize(
    "damage",
    [
        overwrite(40960, b"\xa5" * 600),
        overwrite(0, b"X"),
        overwrite(0, b"\0" * 100),
        cut_in_half,
        lambda path: os.truncate(path, 0),
        lambda path: os.truncate(path, 700),
    ],
    ids=["a page", "first byte", "header", "half", "nothing", "less than a page"],
)
def test_damage_of_any_sort_is_noticed_kept_and_the_copy_put_in_place(
    path: Path, damage: Callable[[Path], None]
) -> None:
    damage(path)
    damaged = path.read_bytes()
    database, told = open_whole(path)
    (kept,) = path.parent.glob("studio.corrupt-*.db")
    assert told.startswith(
        f"The database was damaged and is kept as {kept.name}; Kinora goes on with its copy of"
    )
    assert kept.read_bytes() == damaged
    assert ids(database) == OLD
    with database.reading() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    database.close()
    again, told = open_whole(path)
    assert (ids(again), told) == (OLD, "")
    again.close()


def test_what_is_newer_than_the_copy_is_listed_as_far_as_it_can_be_read(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    connection = sqlite3.connect(path)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs_live'").fetchone()
    connection.close()
    overwrite((page - 1) * 4096, b"\xa5" * 600)(path)
    database, told = open_whole(path)
    database.close()
    (kept,) = path.parent.glob("studio.corrupt-*.newer.json")
    rows = json.loads(kept.read_text())
    assert [row["id"] for row in rows] == NEW
    assert {row["request"]["prompt"] for row in rows} == {"a red ball"}
    assert f"10 newer entries are listed in {kept.name}" in told
    assert [generation_id for generation_id in NEW if generation_id not in caplog.text] == []
    assert "a red ball" not in caplog.text


def test_a_damaged_copy_is_passed_over_for_the_one_before(path: Path) -> None:
    (copy,) = backups.newest_first(path)
    older = copy.with_name("studio-v1-20200101-000000.db")
    older.write_bytes(copy.read_bytes())
    os.utime(older, (1000, 1000))
    cut_in_half(copy)
    cut_in_half(path)
    database, _ = open_whole(path)
    assert ids(database) == OLD
    database.close()


def test_without_a_copy_the_damaged_file_is_kept_all_the_same(path: Path) -> None:
    (copy,) = backups.newest_first(path)
    copy.unlink()
    overwrite(0, b"X")(path)
    database, told = open_whole(path)
    assert "there was no copy of it" in told and ids(database) == []
    assert len(list(path.parent.glob("studio.corrupt-*.db"))) == 1
    database.close()


def test_a_new_folder_and_a_whole_database_tell_nothing(settings: Settings) -> None:
    for _ in range(2):
        database, told = open_whole(settings.database_path)
        assert told == ""
        database.close()
    assert {each.name for each in settings.data_dir.iterdir()} == {"studio.db", "studio.ballast"}


def test_the_database_of_a_running_studio_is_left_alone(database: Database) -> None:
    with pytest.raises(StoreError, match="already running"):
        open_whole(database.path)
    assert not list(database.path.parent.glob("*corrupt*"))
