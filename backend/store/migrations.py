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


_LIBRARY = (
    "ALTER TABLE projects ADD COLUMN revision INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE projects ADD COLUMN binned_at REAL",
    "ALTER TABLE generations ADD COLUMN revision INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE generations ADD COLUMN is_starred INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE generations ADD COLUMN binned_at REAL",
    """
    ALTER TABLE generations ADD COLUMN engine TEXT
    GENERATED ALWAYS AS (iif(json_valid(request), json_extract(request, '$.engine'), NULL)) VIRTUAL
    """,
    "CREATE INDEX generations_kind ON generations (kind, id)",
    "CREATE INDEX generations_engine ON generations (engine, id)",
    "CREATE INDEX generations_project_kind ON generations (project_id, kind, id)",
    "CREATE INDEX generations_project_engine ON generations (project_id, engine, id)",
    "CREATE INDEX generations_starred ON generations (id) WHERE is_starred = 1",
    "CREATE INDEX generations_binned ON generations (id) WHERE binned_at IS NOT NULL",
    "CREATE INDEX jobs_ended_badly ON jobs (status, generation_id) WHERE status IN ('failed', 'canceled')",
    # Numbers of its own, because those that SQLite gives to rows may change when a file is compacted.
    """
    CREATE TABLE prompts (
        number INTEGER PRIMARY KEY,
        generation_id TEXT NOT NULL UNIQUE REFERENCES generations (id) ON DELETE CASCADE,
        project_id TEXT NOT NULL,
        prompt TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE VIRTUAL TABLE prompts_fts USING fts5 (
        prompt, project_id, content = 'prompts', content_rowid = 'number', prefix = '1 2 3 4 5 6 7 8'
    )
    """,
    """
    CREATE TRIGGER prompts_inserted AFTER INSERT ON prompts BEGIN
        INSERT INTO prompts_fts (rowid, prompt, project_id) VALUES (new.number, new.prompt, new.project_id);
    END
    """,
    """
    CREATE TRIGGER prompts_deleted AFTER DELETE ON prompts BEGIN
        INSERT INTO prompts_fts (prompts_fts, rowid, prompt, project_id)
        VALUES ('delete', old.number, old.prompt, old.project_id);
    END
    """,
    """
    CREATE TRIGGER prompts_updated AFTER UPDATE ON prompts BEGIN
        INSERT INTO prompts_fts (prompts_fts, rowid, prompt, project_id)
        VALUES ('delete', old.number, old.prompt, old.project_id);
        INSERT INTO prompts_fts (rowid, prompt, project_id) VALUES (new.number, new.prompt, new.project_id);
    END
    """,
    """
    CREATE TABLE lineage (
        parent_id TEXT NOT NULL,
        generation_id TEXT NOT NULL REFERENCES generations (id) ON DELETE CASCADE,
        PRIMARY KEY (parent_id, generation_id)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX lineage_generation ON lineage (generation_id)",
    """
    CREATE TRIGGER generations_inserted AFTER INSERT ON generations BEGIN
        INSERT INTO prompts (generation_id, project_id, prompt)
        VALUES (new.id, new.project_id, coalesce(json_extract(new.request, '$.prompt'), ''));
        INSERT OR IGNORE INTO lineage SELECT value, new.id FROM json_each(new.parents);
    END
    """,
    """
    CREATE TRIGGER generations_updated AFTER UPDATE OF request, project_id ON generations BEGIN
        UPDATE prompts SET
            project_id = new.project_id,
            prompt = coalesce(json_extract(new.request, '$.prompt'), '')
        WHERE generation_id = new.id;
    END
    """,
    """
    INSERT INTO prompts (generation_id, project_id, prompt)
    SELECT id, project_id, coalesce(json_extract(request, '$.prompt'), '') FROM generations ORDER BY id
    """,
    """
    INSERT OR IGNORE INTO lineage
    SELECT parent.value, g.id FROM generations AS g, json_each(g.parents) AS parent
    """,
)


def keep_library(database: sqlite_utils.Database) -> None:
    """Stars, a bin, revisions, the search through prompts, and who was made from whom."""
    for statement in _LIBRARY:
        database.execute(statement)


def record_exports(database: sqlite_utils.Database) -> None:
    """What was exported from which generations."""
    database.execute(
        """
        CREATE TABLE exports (
            id TEXT PRIMARY KEY,
            sources TEXT NOT NULL CHECK (json_valid(sources)),
            settings TEXT NOT NULL CHECK (json_valid(settings)),
            created_at REAL NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed', 'canceled')),
            path TEXT NOT NULL DEFAULT '',
            media_type TEXT NOT NULL DEFAULT '',
            sha256 TEXT NOT NULL DEFAULT '',
            size_bytes INTEGER NOT NULL DEFAULT 0,
            finished_at REAL,
            error TEXT
        ) STRICT
        """
    )
    database.execute("CREATE INDEX exports_live ON exports (id) WHERE status IN ('queued', 'running')")
    database.execute(
        """
        CREATE TABLE export_sources (
            generation_id TEXT NOT NULL REFERENCES generations (id) ON DELETE CASCADE,
            export_id TEXT NOT NULL REFERENCES exports (id) ON DELETE CASCADE,
            PRIMARY KEY (generation_id, export_id)
        ) STRICT, WITHOUT ROWID
        """
    )


def keep_speeds(database: sqlite_utils.Database) -> None:
    """How fast this machine was found to run each engine."""
    database.execute(
        """
        CREATE TABLE speeds (
            engine TEXT PRIMARY KEY,
            setting TEXT NOT NULL,
            measured TEXT NOT NULL CHECK (json_valid(measured)),
            measured_at REAL NOT NULL
        ) STRICT, WITHOUT ROWID
        """
    )


Migration = Callable[[sqlite_utils.Database], None]
MIGRATIONS: tuple[Migration, ...] = (
    create_tables,
    add_queue_controls,
    keep_library,
    record_exports,
    keep_speeds,
)


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
