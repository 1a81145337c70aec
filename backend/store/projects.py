"""Projects: the folders that generations belong to."""

import sqlite3
from dataclasses import asdict, dataclass

from backend.errors import NotFoundError


@dataclass(frozen=True)
class Project:
    """One project. created_at: UTC epoch seconds."""

    id: str
    name: str
    created_at: float


def insert(connection: sqlite3.Connection, project: Project) -> None:
    """Store a new project."""
    connection.execute(
        "INSERT INTO projects (id, name, created_at) VALUES (:id, :name, :created_at)", asdict(project)
    )


def get(connection: sqlite3.Connection, project_id: str) -> Project:
    """Return the project of that id; NotFoundError if there is none."""
    row = connection.execute("SELECT * FROM projects WHERE id = ?", (project_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"There is no project '{project_id[:40]}'; it may be in another data folder.")
    return Project(**row)


def oldest(connection: sqlite3.Connection) -> Project | None:
    """Return the first project that was made, or None."""
    row = connection.execute("SELECT * FROM projects ORDER BY id LIMIT 1").fetchone()
    return None if row is None else Project(**row)
