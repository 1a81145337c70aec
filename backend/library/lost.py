"""Finished files that no row names: taken in as what they say they are, or put into lost+found.

None is deleted. A process that was killed may leave such files, and so may a database put back from a copy.
"""

import logging
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from backend.config import Settings
from backend.errors import MediaError, RequestError
from backend.library.archive import SUFFIXES
from backend.library.storage import named_inputs
from backend.media.files import sha256_of, unused_path
from backend.media.metadata import read_metadata
from backend.media.probe import probe
from backend.requests import parse_request
from backend.store import generations, projects
from backend.store import library as store
from backend.store.database import Database
from backend.store.generations import Generation, Output
from backend.store.ids import ID_LENGTH, ID_PATTERN, IdSource, made_at
from backend.store.projects import Project

_log = logging.getLogger(__name__)

PROJECT_NAME = "Recovered"

_NAME = re.compile(f"({ID_PATTERN})(?:-([a-z]{{1,32}}))?")
_MEDIA_TYPES = {suffix: media_type for media_type, suffix in reversed(SUFFIXES.items())}


def claim_lost(settings: Settings, database: Database) -> str:
    """Give every finished file without a row a place, and return what to tell of it, or nothing.

    Call it before anything is made: what is being written has no row yet for a moment. Raises StoreError.
    """
    with database.reading() as connection:
        known = generations.ids(connection)
    strays: dict[str, list[Path]] = defaultdict(list)
    for path in settings.outputs_dir.glob("*/*"):
        name = path.name[:ID_LENGTH]
        if name not in known and _NAME.fullmatch(path.stem) and path.is_file() and not path.is_symlink():
            strays[name].append(path)
    taken_in = [name for name in sorted(strays) if _take_in(settings, database, name, sorted(strays[name]))]
    lost = [path for name in strays.keys() - set(taken_in) for path in strays[name]]
    num_moved = sum(_put_away(settings, path) for path in sorted(lost))
    told = []
    if taken_in:
        told.append(f"found {_counted(len(taken_in), 'finished clip')}, now in the project {PROJECT_NAME}")
    if num_moved:
        told.append(f"put {_counted(num_moved, 'file')} that belong to nothing into {settings.lost_dir.name}")
    return f"Kinora {' and '.join(told)}; the log names them." if told else ""


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _take_in(settings: Settings, database: Database, name: str, paths: Sequence[Path]) -> bool:
    """Return whether the files at `paths` are a whole clip that says how it was made, and store its row."""
    found = [output for path in paths if (output := _output(settings, path)) is not None]
    outputs = tuple(sorted(found, key=lambda output: (output.role not in ("clip", "poster"), output.role)))
    if not outputs or outputs[0].role != "clip":
        return False
    clip = outputs[0]
    try:
        path = settings.data_dir / clip.path
        probe(path)
        made = read_metadata(path)["kinora"]
        request = parse_request(made.get("request"))
    except (MediaError, RequestError) as exc:
        _log.warning("%s is not taken in: %s", clip.path, exc)
        return False
    ended_at, facts = path.stat().st_mtime, made.get("facts")
    with database.transaction() as connection:
        sources = named_inputs(request).values()
        parents = [each.id for source in sources for each in store.with_output(connection, source)]
        generation = Generation(
            id=name,
            project_id=_project(database).id,
            request=request,
            created_at=min(made_at(name), time.time()),
            kind=request.kind,
            status="done",
            attempt=1,
            finished_at=ended_at,
            parents=tuple(dict.fromkeys(parents)),
        )
        generations.insert(connection, generation)
        store.insert_job(connection, generation)
        generations.store_results(
            connection, name, outputs=outputs, facts=facts if isinstance(facts, dict) else {}
        )
    _log.warning("taken in without a row: %s", ", ".join(output.path for output in outputs))
    return True


def _output(settings: Settings, path: Path) -> Output | None:
    """Return the row of a file by its name, or None where no worker gives files such names."""
    parts, media_type = _NAME.fullmatch(path.stem), _MEDIA_TYPES.get(path.suffix)
    if parts is None or media_type is None:
        return None
    role = parts[2] or {"video": "clip", "image": "poster"}.get(media_type.partition("/")[0], "sound")
    return Output(
        role=role,
        path=path.relative_to(settings.data_dir).as_posix(),
        sha256=sha256_of(path),
        media_type=media_type,
        size_bytes=path.stat().st_size,
    )


def _project(database: Database) -> Project:
    """Return the project of what was taken in, made where there is none; called within a transaction."""
    with database.reading() as connection:
        existing = projects.listed(connection)
        for project in existing:
            if project.name == PROJECT_NAME and project.binned_at is None:
                return project
        ids = IdSource(newest=max((project.id for project in existing), default=None))
        project = Project(ids.next(), PROJECT_NAME, time.time())
        projects.insert(connection, project)
        return project


def _put_away(settings: Settings, path: Path) -> bool:
    """Return whether the file was moved to lost+found, under its name; one that cannot be moved stays."""
    target = unused_path(settings.lost_dir, path.stem, path.suffix)
    try:
        settings.lost_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.rename(target)
    except OSError as exc:
        _log.warning("%s belongs to nothing and stays: %s", path.name, exc.strerror)
        return False
    _log.warning("belongs to nothing: %s", target.name)
    return True
