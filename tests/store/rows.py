"""Rows for the store's tests."""

from backend.requests import ClipRequest
from backend.store import generations, jobs, projects
from backend.store.database import Database
from backend.store.generations import Generation

PROJECT = projects.Project("0" * 26, "Untitled", 1000.0)


def add_project(database: Database) -> None:
    """Store PROJECT."""
    with database.transaction() as connection:
        projects.insert(connection, PROJECT)


def add_first_project(database: Database) -> None:
    """Store PROJECT in a database of the first version."""
    row = (PROJECT.id, PROJECT.name, PROJECT.created_at)
    with database.transaction() as connection:
        connection.execute("INSERT INTO projects (id, name, created_at) VALUES (?, ?, ?)", row)


def add_queued(database: Database, *ids: str, seed: int = 7) -> None:
    """Store and queue one generation of PROJECT per id."""
    request = ClipRequest(prompt="a red ball", seed=seed)
    with database.transaction() as connection:
        for generation_id in ids:
            generations.insert(connection, Generation(generation_id, PROJECT.id, request, 1000.0))
            jobs.insert(connection, generation_id)
