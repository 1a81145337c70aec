"""Migrations: ordered functions; `PRAGMA user_version` counts how many of them a file has seen.

Append one function per change and never edit an old one. Each runs in its own transaction.
"""

import sqlite3
from collections.abc import Callable

import sqlite_utils


def create_tables(database: sqlite_utils.Database) -> None:
    """Projects, what was asked and came out (generations), and how it is being made (jobs)."""
    database.execute(
        """
        CREATE TABLE projects (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            created_at REAL NOT NULL
        ) STRICT
        """
    )
    database.execute(
        """
        CREATE TABLE generations (
            id TEXT PRIMARY KEY,
            project_id TEXT NOT NULL REFERENCES projects (id),
            kind TEXT NOT NULL,
            request TEXT NOT NULL CHECK (json_valid(request)),
            parents TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(parents)),
            outputs TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(outputs)),
            facts TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(facts)),
            created_at REAL NOT NULL
        ) STRICT
        """
    )
    database.execute(
        """
        CREATE TABLE jobs (
            generation_id TEXT PRIMARY KEY REFERENCES generations (id) ON DELETE CASCADE,
            status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed', 'canceled')),
            position REAL NOT NULL,
            attempt INTEGER NOT NULL DEFAULT 0,
            crashes INTEGER NOT NULL DEFAULT 0,
            started_at REAL,
            finished_at REAL,
            error TEXT
        ) STRICT
        """
    )
    database.table("generations").create_index(["project_id", "id"])
    database.execute(
        "CREATE INDEX jobs_live ON jobs (position, generation_id) WHERE status IN ('queued', 'running')"
    )


def add_queue_controls(database: sqlite_utils.Database) -> None:
    """Whether the queue is paused, and how often the request of a waiting job was edited."""
    database.execute(
        """
        CREATE TABLE queue (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            is_paused INTEGER NOT NULL CHECK (is_paused IN (0, 1))
        ) STRICT
        """
    )
    database.execute("INSERT INTO queue (id, is_paused) VALUES (1, 0)")
    database.execute("ALTER TABLE jobs ADD COLUMN edits INTEGER NOT NULL DEFAULT 0")


Migration = Callable[[sqlite_utils.Database], None]
MIGRATIONS: tuple[Migration, ...] = (create_tables, add_queue_controls)


def schema_version(connection: sqlite3.Connection) -> int:
    """Return how many migrations the file has seen; 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, migrations: tuple[Migration, ...]) -> None:
    """Run the migrations that the file has not seen; one that fails leaves the version before it."""
    database = sqlite_utils.Database(connection, execute_plugins=False)
    for version in range(schema_version(connection), len(migrations)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            migrations[version](database)
            connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise
