"""Projects: the folders that generations belong to. A name is only shown, it never becomes a path."""

import sqlite3
import unicodedata
from dataclasses import asdict, dataclass

from backend.errors import ConflictError, NotFoundError, RequestError

MAX_NAME_CHARACTERS = 80


@dataclass(frozen=True)
class Project:
    """One project. Times are UTC epoch seconds.

    revision: counts its changes, so that none overwrites another unseen. binned_at: None outside the bin.
    """

    id: str
    name: str
    created_at: float
    revision: int = 1
    binned_at: float | None = None


def checked_name(name: str) -> str:
    """Return `name` without spaces around it; RequestError where it cannot be a project's."""
    stripped = name.strip()
    if not 1 <= len(stripped) <= MAX_NAME_CHARACTERS:
        raise RequestError(
            "name",
            f"A project's name must have 1 to {MAX_NAME_CHARACTERS} characters; yours has {len(stripped):,}.",
        )
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in stripped):
        raise RequestError(
            "name", "A project's name must be one line of text without control characters; type it again."
        )
    return stripped


def insert(connection: sqlite3.Connection, project: Project) -> None:
    """Store a new project."""
    connection.execute(
        """
        INSERT INTO projects (id, name, created_at, revision, binned_at)
        VALUES (:id, :name, :created_at, :revision, :binned_at)
        """,
        asdict(project),
    )


def get(connection: sqlite3.Connection, project_id: str) -> Project:
    """Return the project of that id; NotFoundError if there is none."""
    row = connection.execute("SELECT * FROM projects WHERE id = ?", (project_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"There is no project '{project_id[:40]}'; it may be in another data folder.")
    return Project(**row)


def oldest(connection: sqlite3.Connection) -> Project | None:
    """Return the first project that was made and is not in the bin, or None."""
    row = connection.execute("SELECT * FROM projects WHERE binned_at IS NULL ORDER BY id LIMIT 1").fetchone()
    return None if row is None else Project(**row)


def listed(connection: sqlite3.Connection) -> list[Project]:
    """Return all projects in the order in which they were made, those in the bin too."""
    return [Project(**row) for row in connection.execute("SELECT * FROM projects ORDER BY id").fetchall()]


def is_named(connection: sqlite3.Connection, name: str) -> bool:
    """Return whether a project outside the bin has that name."""
    row = connection.execute(
        "SELECT 1 FROM projects WHERE name = ? AND binned_at IS NULL LIMIT 1", (name,)
    ).fetchone()
    return row is not None


def change(connection: sqlite3.Connection, project: Project) -> Project:
    """Store name and bin of `project` as its next revision, and return that.

    Raises NotFoundError, and ConflictError where its revision is not the stored one any more.
    """
    cursor = connection.execute(
        """
        UPDATE projects SET name = :name, binned_at = :binned_at, revision = revision + 1
        WHERE id = :id AND revision = :revision
        """,
        asdict(project),
    )
    now = get(connection, project.id)
    if cursor.rowcount == 0:
        raise ConflictError(
            f"The project was changed in another window, where it is called '{now.name}' now; "
            "look at it again and repeat your change."
        )
    return now
