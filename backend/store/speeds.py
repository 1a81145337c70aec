"""What was measured of the engines on this machine."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """A measurement of one engine, as JSON. setting: the device and the clip it was taken for, in words."""

    engine: str
    setting: str
    measured: str


def keep(connection: sqlite3.Connection, row: Measured, *, now: float) -> None:
    """Store `row` in place of what was measured of its engine before; now: UTC epoch seconds."""
    connection.execute(
        """
        INSERT INTO speeds (engine, setting, measured, measured_at) VALUES (?, ?, ?, ?)
        ON CONFLICT (engine) DO UPDATE SET
            setting = excluded.setting, measured = excluded.measured, measured_at = excluded.measured_at
        """,
        (row.engine, row.setting, row.measured, now),
    )


def every(connection: sqlite3.Connection) -> list[Measured]:
    """Return what was last measured of each engine."""
    rows = connection.execute("SELECT engine, setting, measured FROM speeds ORDER BY engine")
    return [Measured(*row) for row in rows]
