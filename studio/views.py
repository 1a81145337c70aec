"""Generations as the page reads them: small JSON objects with addresses instead of paths.

Seeds travel as text, because a browser's numbers are exact only up to 2^53.
"""

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from backend.api import Api, ExportRow, Generation, Output, Progress
from studio.engine_views import engine_views


def state_view(api: Api, *, project_id: str | None = None) -> dict[str, Any]:
    """Return what changes while a creator watches: status, the queue with its progress, the newest take.

    project_id: whose takes are watched; where it is none (any more), those of the first project.
    """
    status = api.status()
    projects = [each for each in api.library.projects() if each.binned_at is None]
    project = next((each for each in projects if each.id == project_id), projects[0])
    newest = api.generations(project_id=project.id, limit=1)
    return {
        "project": project.name,
        "project_id": project.id,
        "projects": [{"id": each.id, "name": each.name} for each in projects],
        "device": status.device,
        "worker": status.worker,
        "queued": status.queued,
        "problems": list(status.problems),
        "engines": engine_views(api),
        "is_paused": status.is_paused,
        "recovered": status.recovered,
        "queue": [job_view(generation, api.progress(generation.id)) for generation in api.queue()],
        "newest": f"{newest[0].id} {newest[0].status}" if newest else "",
    }


def job_view(generation: Generation, progress: Progress | None) -> dict[str, Any]:
    """Return a waiting or running generation with its progress, if it has begun."""
    return {**take_view(generation), "progress": _progress_view(generation, progress)}


def take_view(generation: Generation) -> dict[str, Any]:
    """Return one generation: what was asked, what came of it, and where its files are served."""
    request = generation.request
    media = {output.role: _address(generation, output) for output in generation.outputs}
    seed = generation.facts.get("seed", request.seed)
    has_draft = generation.kind == "detail" and bool(generation.parents)
    return {
        "id": generation.id,
        "kind": generation.kind,
        "parents": list(generation.parents),
        "draft": f"/media/{generation.parents[0]}/clip" if has_draft else None,
        "status": generation.status,
        "attempt": generation.attempt,
        "error": generation.error,
        "created_at": generation.created_at,
        "started_at": generation.started_at,
        "finished_at": generation.finished_at,
        "request": {**request.model_dump(), "seed": None if request.seed is None else str(request.seed)},
        "seed": None if seed is None else str(seed),
        "facts": {name: value for name, value in generation.facts.items() if name != "seed"},
        "clip": media.get("clip"),
        "poster": media.get("poster"),
        "motion": media.get("motion"),
        "sound": media.get("sound"),
    }


def export_view(api: Api, row: ExportRow) -> dict[str, Any]:
    """Return one export: how far it is, what became of it, and where its file is served."""
    name = PurePosixPath(row.path).name
    is_done = row.status == "done"
    return {
        "id": row.id,
        "kind": "export",
        "parents": list(row.sources),
        "status": row.status,
        "progress": api.exports.progress(row.id),
        "error": row.error,
        "settings": row.settings,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
        "name": name if is_done else None,
        "sha256": row.sha256,
        "size_bytes": row.size_bytes,
        "media_type": row.media_type,
        "address": f"/media/exports/{quote(name)}" if is_done else None,
        "folder": str(api.settings.exports_dir),
    }


def _address(generation: Generation, output: Output) -> str:
    """Return where a file is served: under another address once it was written anew, as browsers keep it."""
    address = f"/media/{generation.id}/{output.role}"
    is_changed = output.role == "clip" and generation.facts.keys() & {"mix", "sound"}
    return f"{address}?v={output.sha256[:12]}" if is_changed else address


def _progress_view(generation: Generation, progress: Progress | None) -> dict[str, Any] | None:
    if progress is None:
        return None
    preview = progress.preview
    return {
        "phase": progress.phase,
        "step": progress.step,
        "num_steps": progress.num_steps,
        "elapsed_seconds": progress.elapsed_seconds,
        "remaining_seconds": progress.remaining_seconds,
        "preview": preview
        and {
            "url": f"/media/{generation.id}/preview?step={preview.step}",
            "columns": preview.columns,
            "num_frames": preview.num_frames,
            "frame_rate": preview.frame_rate,
            "width": preview.width,
            "height": preview.height,
            "step": preview.step,
            "has_motion": preview.has_motion,
        },
    }
