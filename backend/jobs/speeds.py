"""How fast this machine runs the engines, kept between launches: estimates need no load. Torch-free."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict

from pydantic import TypeAdapter

from backend.models.engine import EngineSpec, Speed
from backend.requests import ClipRequest
from backend.store import speeds
from backend.store.database import Database

_SPEED = TypeAdapter(Speed)


def keep_speed(database: Database, spec: EngineSpec, speed: Speed, *, device: str) -> None:
    """Store what was measured of an engine. device: as it was asked for, "auto" or another."""
    row = speeds.Measured(spec.name, _setting(spec, device), json.dumps(asdict(speed)))
    with database.transaction() as connection:
        speeds.keep(connection, row, now=time.time())


def kept_speeds(database: Database, specs: Sequence[EngineSpec], *, device: str) -> dict[str, Speed]:
    """Return engine -> its speed as last measured on `device` with clips as large as they are now."""
    settings = {spec.name: _setting(spec, device) for spec in specs}
    with database.reading() as connection:
        rows = speeds.every(connection)
    known = [row for row in rows if settings.get(row.engine) == row.setting]
    return {row.engine: _SPEED.validate_json(row.measured) for row in known}


def _setting(spec: EngineSpec, device: str) -> str:
    """Return what a speed is measured for: the device, and the clip of default length and shape."""
    fields = ClipRequest.model_fields
    width, height = spec.sizes[fields["aspect_ratio"].default]
    return f"{device}, {spec.num_frames(fields['duration_seconds'].default)} x {width} x {height}"
