"""The library: looking through all generations, and what a creator may change about them."""

import re
import sqlite3
from dataclasses import dataclass

from backend.errors import ConflictError
from backend.store.generations import COLUMNS, Generation, from_row, get
from backend.store.ids import least_id

_AFTER_ALL = "~"  # sorts after every id
_MAX_NUMBER = 2**63 - 1
_MAX_WORDS = 16
# Most generations are done; each of the others is found by an index over these alone.
_FEW = {
    **dict.fromkeys(("queued", "running"), "j.status IN ('queued', 'running')"),
    **dict.fromkeys(("failed", "canceled"), "j.status IN ('failed', 'canceled')"),
}
_MAX_FAMILY = 200


@dataclass(frozen=True)
class Wanted:
    """What to look for; every field narrows it. since, until: UTC epoch seconds, of the submission.

    text: words of the prompt, of which the last may be half typed. is_binned: in the bin, instead of outside.
    """

    project_id: str | None = None
    text: str = ""
    kind: str | None = None
    status: str | None = None
    engine: str | None = None
    is_starred: bool = False
    is_binned: bool = False
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True)
class Usage:
    """How many generations of one kind a project has, and how many bytes their files take."""

    project_id: str
    kind: str
    is_binned: bool
    num_generations: int
    size_bytes: int


def page(
    connection: sqlite3.Connection, wanted: Wanted, *, limit: int = 48, before: str | None = None
) -> list[Generation]:
    """Return up to `limit` generations, newest first, after the one called `before` in the same order.

    A search goes from the one that came into this library last to the first.
    """
    sql, values = statement(wanted, limit=limit, before=before)
    return [from_row(row) for row in connection.execute(sql, values).fetchall()]


def statement(wanted: Wanted, *, limit: int, before: str | None) -> tuple[str, dict[str, object]]:
    """Return the query of `page` and its parameters."""
    match = match_expression(wanted)
    tables, order = _tables(wanted, is_search=match is not None)
    conditions = [
        "g.binned_at IS NOT NULL" if wanted.is_binned else "g.binned_at IS NULL",
        *(["g.is_starred = 1"] if wanted.is_starred else []),
        *(f"g.{name} = :{name}" for name in ("project_id", "kind", "engine") if getattr(wanted, name)),
        *(["j.status = :status"] if wanted.status else []),
        *([_FEW[wanted.status]] if wanted.status in _FEW else []),
        *(["g.id >= :since"] if wanted.since is not None else []),
        *(["g.id < :until"] if wanted.until is not None else []),
    ]
    if match is None:
        conditions.append(f"{order} < :before")
    else:
        conditions.append("prompts_fts MATCH :match AND f.rowid < " + _number_of(before))
    values: dict[str, object] = {
        "project_id": wanted.project_id,
        "kind": wanted.kind,
        "engine": wanted.engine,
        "status": wanted.status,
        "since": None if wanted.since is None else least_id(wanted.since),
        "until": None if wanted.until is None else least_id(wanted.until),
        "before": before or _AFTER_ALL,
        "match": match,
        "limit": limit,
    }
    where = " AND ".join(conditions)
    return f"SELECT {COLUMNS} FROM {tables} WHERE {where} ORDER BY {order} DESC LIMIT :limit", values


def _number_of(before: str | None) -> str:
    """Return the SQL of the number of the prompt of `before`, or of one after all."""
    return (
        str(_MAX_NUMBER) if before is None else "(SELECT number FROM prompts WHERE generation_id = :before)"
    )


def _tables(wanted: Wanted, *, is_search: bool) -> tuple[str, str]:
    """Return what to select from, and the column whose descending order it is read in.

    Read from the side that has the fewest rows; SQLite keeps no figures to know it by itself.
    """
    if is_search:
        joined = "prompts AS p ON p.number = f.rowid CROSS JOIN generations AS g ON g.id = p.generation_id"
        return f"prompts_fts AS f CROSS JOIN {joined} JOIN jobs AS j ON j.generation_id = g.id", "f.rowid"
    jobs = "JOIN jobs AS j ON j.generation_id = g.id"
    if wanted.is_binned:
        return f"generations AS g INDEXED BY generations_binned {jobs}", "g.id"
    if wanted.is_starred:
        return f"generations AS g INDEXED BY generations_starred {jobs}", "g.id"
    if wanted.status in _FEW:
        return "jobs AS j CROSS JOIN generations AS g ON g.id = j.generation_id", "j.generation_id"
    return f"generations AS g CROSS {jobs}", "g.id"


def match_expression(wanted: Wanted) -> str | None:
    """Return what FTS5 is asked for, or None where the text holds no word."""
    words = re.findall(r"\w+", wanted.text.encode("utf-8", "ignore").decode())[:_MAX_WORDS]
    if not words:
        return None
    phrases = [f'"{word}"' for word in words]
    asked = f"prompt : ({' AND '.join(phrases)} *)"  # the last word may go on
    return (
        asked if wanted.project_id is None else f'({asked}) AND project_id : "{_quoted(wanted.project_id)}"'
    )


def _quoted(text: str) -> str:
    return text.replace('"', '""')


def family(connection: sqlite3.Connection, generation_id: str) -> list[Generation]:
    """Return all ancestors of a generation and everything made from them, itself too, oldest first.

    Up to 200 of them. Raises NotFoundError.
    """
    get(connection, generation_id)
    rows = connection.execute(
        f"""
        WITH RECURSIVE
            elders (id) AS (
                VALUES (:id)
                UNION SELECT l.parent_id FROM elders CROSS JOIN lineage AS l ON l.generation_id = elders.id
            ),
            family (id) AS (
                SELECT id FROM elders
                UNION SELECT l.generation_id FROM family CROSS JOIN lineage AS l ON l.parent_id = family.id
                LIMIT {_MAX_FAMILY}
            )
        SELECT {COLUMNS} FROM family
        CROSS JOIN generations AS g ON g.id = family.id JOIN jobs AS j ON j.generation_id = g.id
        ORDER BY g.id
        """,
        {"id": generation_id},
    )
    return [from_row(row) for row in rows.fetchall()]


def details(connection: sqlite3.Connection, generation_id: str) -> list[Generation]:
    """Return the finished details that were made of a generation itself, oldest first."""
    rows = connection.execute(
        f"""
        SELECT {COLUMNS} FROM lineage AS l
        CROSS JOIN generations AS g ON g.id = l.generation_id JOIN jobs AS j ON j.generation_id = g.id
        WHERE l.parent_id = ? AND g.kind = 'detail' AND j.status = 'done'
        ORDER BY g.id
        """,
        (generation_id,),
    )
    return [from_row(row) for row in rows.fetchall()]


def change(
    connection: sqlite3.Connection,
    generation_id: str,
    *,
    is_starred: bool,
    binned_at: float | None,
    revision: int,
) -> Generation:
    """Store star and bin of a generation as its next revision, and return it.

    Raises NotFoundError, and ConflictError where its revision is not `revision` any more.
    """
    cursor = connection.execute(
        """
        UPDATE generations SET is_starred = ?, binned_at = ?, revision = revision + 1
        WHERE id = ? AND revision = ?
        """,
        (is_starred, binned_at, generation_id, revision),
    )
    now = get(connection, generation_id)
    if cursor.rowcount == 0:
        raise ConflictError(
            "This clip was changed in another window meanwhile; look at it again and repeat your change."
        )
    return now


def remove(connection: sqlite3.Connection, generation_id: str) -> bool:
    """Delete a generation that is in the bin, and its job; return False where there is none there."""
    cursor = connection.execute(
        "DELETE FROM generations WHERE id = ? AND binned_at IS NOT NULL", (generation_id,)
    )
    return cursor.rowcount == 1


def binned(connection: sqlite3.Connection, *, until: float) -> list[str]:
    """Return the ids of what was put into the bin before `until`, UTC epoch seconds."""
    rows = connection.execute(
        "SELECT id FROM generations INDEXED BY generations_binned WHERE binned_at IS NOT NULL"
        " AND binned_at < ?",
        (until,),
    )
    return [row["id"] for row in rows.fetchall()]


def of_project(connection: sqlite3.Connection, project_id: str) -> list[Generation]:
    """Return everything of a project, oldest first, in the bin or outside."""
    rows = connection.execute(
        f"""
        SELECT {COLUMNS} FROM generations AS g JOIN jobs AS j ON j.generation_id = g.id
        WHERE g.project_id = ? ORDER BY g.id
        """,
        (project_id,),
    )
    return [from_row(row) for row in rows.fetchall()]


def existing(connection: sqlite3.Connection, ids: list[str]) -> set[str]:
    """Return which of `ids` are generations here."""
    return {
        each
        for each in ids
        if connection.execute("SELECT 1 FROM generations WHERE id = ?", (each,)).fetchone() is not None
    }


def usage(connection: sqlite3.Connection) -> list[Usage]:
    """Return what each project has of each kind, in the bin and outside."""
    rows = connection.execute(
        """
        SELECT project_id, kind, binned_at IS NOT NULL AS is_binned, count(*) AS num_generations,
            sum((SELECT coalesce(sum(json_extract(value, '$.size_bytes')), 0) FROM json_each(outputs)))
                AS size_bytes
        FROM generations GROUP BY project_id, kind, is_binned
        """
    )
    return [Usage(**{**dict(row), "is_binned": bool(row["is_binned"])}) for row in rows.fetchall()]


def output_paths(connection: sqlite3.Connection) -> set[str]:
    """Return the paths of all outputs, as `Output.path` has them."""
    rows = connection.execute(
        "SELECT json_extract(value, '$.path') FROM generations, json_each(generations.outputs)"
    )
    return {row[0] for row in rows.fetchall()}


def input_names(connection: sqlite3.Connection) -> set[str]:
    """Return every text in the requests that could be the name of a stored picture or clip."""
    rows = connection.execute(
        """
        SELECT DISTINCT atom FROM generations, json_tree(generations.request)
        WHERE type = 'text' AND length(atom) = 64 AND atom NOT GLOB '*[^0-9a-f]*'
        """
    )
    return {row[0] for row in rows.fetchall()}


def with_output(connection: sqlite3.Connection, sha256: str) -> list[Generation]:
    """Return the generations that have a file of that content among their outputs."""
    rows = connection.execute(
        f"""
        SELECT {COLUMNS} FROM generations AS g JOIN jobs AS j ON j.generation_id = g.id
        WHERE EXISTS (
            SELECT 1 FROM json_each(g.outputs) WHERE json_extract(value, '$.sha256') = ?
        )
        """,
        (sha256,),
    )
    return [from_row(row) for row in rows.fetchall()]


def with_input(connection: sqlite3.Connection, name: str) -> list[Generation]:
    """Return the generations whose requests name that picture or clip."""
    rows = connection.execute(
        f"""
        SELECT {COLUMNS} FROM generations AS g JOIN jobs AS j ON j.generation_id = g.id
        WHERE EXISTS (SELECT 1 FROM json_tree(g.request) WHERE atom = ?)
        """,
        (name,),
    )
    return [from_row(row) for row in rows.fetchall()]


def bin_project(connection: sqlite3.Connection, project_id: str, *, binned_at: float) -> None:
    """Put all generations of a project into the bin."""
    connection.execute(
        """
        UPDATE generations SET binned_at = ?, revision = revision + 1
        WHERE project_id = ? AND binned_at IS NULL
        """,
        (binned_at, project_id),
    )


def restore_project(connection: sqlite3.Connection, project_id: str, *, binned_at: float) -> None:
    """Take the generations of a project out of the bin that were put there at `binned_at`."""
    connection.execute(
        """
        UPDATE generations SET binned_at = NULL, revision = revision + 1
        WHERE project_id = ? AND binned_at = ?
        """,
        (project_id, binned_at),
    )


def remove_empty_projects(connection: sqlite3.Connection) -> None:
    """Delete the projects in the bin that have no generation any more."""
    connection.execute(
        """
        DELETE FROM projects WHERE binned_at IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM generations WHERE project_id = projects.id)
        """
    )


def insert_job(connection: sqlite3.Connection, generation: Generation) -> None:
    """Store the job of a generation that ended elsewhere."""
    connection.execute(
        """
        INSERT INTO jobs (generation_id, status, position, attempt, started_at, finished_at, error)
        VALUES (:id, :status, 0, :attempt, :started_at, :finished_at, :error)
        """,
        {
            name: getattr(generation, name)
            for name in ("id", "status", "attempt", "started_at", "finished_at", "error")
        },
    )
