import pytest

from backend.errors import ConflictError, RequestError
from backend.store import projects
from backend.store.database import Database
from tests.store.rows import PROJECT, add_project


@pytest.mark.parametrize(
    "name",
    [
        "-vf crop",
        "../../x",
        "C:\\x",
        "CON",
        "...",
        "a\u202eb",
        "👩‍👩‍👧",
        "'; DROP TABLE projects; --",
        "<img src=x>",
    ],
)
def test_name_is_only_shown_so_that_any_line_of_text_may_be_one(database: Database, name: str) -> None:
    add_project(database)
    with database.transaction() as connection:
        renamed = projects.change(
            connection, projects.Project(PROJECT.id, projects.checked_name(name), 1000.0)
        )
        assert projects.get(connection, PROJECT.id) == renamed
    assert (renamed.name, renamed.revision) == (name, 2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "has 0"),
        ("  ", "has 0"),
        ("x" * 300, "has 300"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("\ud800", "control"),
    ],
)
def test_name_that_cannot_be_one_line_is_refused(name: str, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        projects.checked_name(name)


def test_second_of_two_renames_is_refused_and_told_the_first(database: Database) -> None:
    add_project(database)
    with database.transaction() as connection:
        projects.change(connection, projects.Project(PROJECT.id, "First", 1000.0))
        with pytest.raises(ConflictError, match="called 'First' now"):
            projects.change(connection, projects.Project(PROJECT.id, "Second", 1000.0))
        assert projects.get(connection, PROJECT.id).name == "First"


def test_project_in_the_bin_is_not_the_first_one(database: Database) -> None:
    add_project(database)
    with database.transaction() as connection:
        projects.change(connection, projects.Project(PROJECT.id, "Untitled", 1000.0, binned_at=5.0))
        assert projects.oldest(connection) is None
        assert not projects.is_named(connection, "Untitled")
        assert [each.binned_at for each in projects.listed(connection)] == [5.0]
