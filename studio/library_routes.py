"""The HTTP routes of the Library: look, change and pass on. Every refusal is {"error": one sentence}.

A change carries the revision that its page saw; a page that is behind is answered 409 and told why.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from backend.api import Api, Wanted
from backend.errors import ConflictError, NotFoundError
from studio.endpoints import sentence
from studio.guard import IMPORT_PATH, PUT_BACK_PATH
from studio.library_views import disk_view, library_take_view, project_file_name, project_view
from studio.views import export_view

CLIPS_PER_PAGE = 36


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewProject(_Body):
    """What a new project is called."""

    name: str


class ProjectChange(_Body):
    """What becomes of a project: another name, or the bin."""

    revision: int
    name: str | None = None
    is_binned: bool | None = None


class ClipChange(_Body):
    """What becomes of a clip: a star, or the bin."""

    revision: int
    is_starred: bool | None = None
    is_binned: bool | None = None


class Removal(_Body):
    """Which clips are deleted for good; None for all in the bin."""

    ids: list[str] | None = None


def library_routes(api: Api) -> APIRouter:
    """Return the routes of the Library over `api`."""
    router = APIRouter()
    _add_looking(router, api)
    _add_changing(router, api)
    _add_passing_on(router, api)
    return router


def _add_looking(router: APIRouter, api: Api) -> None:
    """Add what the page reads."""

    @router.get("/studio/projects")
    def projects() -> Response:
        return answer(lambda: [project_view(each) for each in api.library.projects()])

    @router.get("/studio/library")
    def page(request: Request, before: str | None = None) -> Response:
        return answer(lambda: _page(api, _wanted(request), before))

    @router.get("/studio/library/{generation_id}")
    def clip(generation_id: str) -> Response:
        def look() -> dict[str, Any]:
            family = [library_take_view(api, each) for each in api.library.family(generation_id)]
            made = api.exports.made_from([each["id"] for each in family])
            return {
                "take": next(each for each in family if each["id"] == generation_id),
                "family": family,
                "exports": [export_view(api, each) for each in made],
            }

        return answer(look)

    @router.get("/studio/difference")
    def difference(before: str, after: str) -> Response:
        return answer(lambda: [asdict(each) for each in api.library.differences(before, after)])

    @router.get("/studio/disk")
    def disk() -> Response:
        return answer(lambda: disk_view(api))


def _add_changing(router: APIRouter, api: Api) -> None:
    """Add what changes projects and clips."""

    @router.post("/studio/projects")
    def make(new: NewProject) -> Response:
        return answer(lambda: project_view(api.library.make_project(new.name)))

    @router.patch("/studio/projects/{project_id}")
    def change_project(project_id: str, change: ProjectChange) -> Response:
        return answer(lambda: project_view(_change_project(api, project_id, change)))

    @router.patch("/studio/library/{generation_id}")
    def change_clip(generation_id: str, change: ClipChange) -> Response:
        def change_it() -> dict[str, Any]:
            if change.is_starred is not None:
                made = api.library.star(generation_id, is_starred=change.is_starred, revision=change.revision)
            else:
                made = api.library.bin(
                    generation_id, is_binned=bool(change.is_binned), revision=change.revision
                )
            return library_take_view(api, made)

        return answer(change_it)

    @router.post("/studio/bin/delete")
    def delete(removal: Removal) -> Response:
        library = api.library
        return answer(
            lambda: {
                "freed_bytes": library.empty_bin() if removal.ids is None else library.remove(removal.ids)
            }
        )

    @router.post("/studio/disk/clean")
    def clean() -> Response:
        return answer(lambda: {"freed_bytes": api.library.delete_unclaimed()})


def _add_passing_on(router: APIRouter, api: Api) -> None:
    """Add what takes whole files in and out; their bodies are the files themselves."""

    @router.get("/studio/projects/{project_id}/file")
    def export(project_id: str) -> Response:
        path = _temporary(api, ".zip")
        try:
            api.library.export_project(project_id, path)
            name = project_file_name(api.project(project_id))
        except Exception as exc:
            return _refusal(exc)
        return FileResponse(
            path,
            media_type="application/zip",
            filename=name,
            headers={"cache-control": "no-store"},
            background=BackgroundTask(path.unlink, missing_ok=True),
        )

    @router.post(IMPORT_PATH)
    async def import_project(request: Request) -> Response:
        path = await received(api, request, ".zip")
        return await run_in_threadpool(
            answer_and_delete, path, lambda: project_view(api.library.import_project(path))
        )

    @router.post(PUT_BACK_PATH)
    async def put_back(request: Request) -> Response:
        path = await received(api, request, ".file")
        return await run_in_threadpool(answer_and_delete, path, lambda: {"ids": api.library.put_back(path)})


def _page(api: Api, wanted: Wanted, before: str | None) -> dict[str, Any]:
    found = api.library.page(wanted, limit=CLIPS_PER_PAGE + 1, before=before)
    shown = [library_take_view(api, generation) for generation in found[:CLIPS_PER_PAGE]]
    return {"takes": shown, "has_older": len(found) > CLIPS_PER_PAGE}


def _wanted(request: Request) -> Wanted:
    """Return what the address asks for; what is no number or unknown there narrows nothing."""
    asked = request.query_params

    def moment(name: str) -> float | None:
        value = asked.get(name, "")
        return float(value) if value.isdecimal() and len(value) < 12 else None

    return Wanted(
        project_id=asked.get("project") or None,
        text=asked.get("text", "")[:1000],
        kind=asked.get("kind") or None,
        status=asked.get("status") or None,
        engine=asked.get("engine") or None,
        is_starred=asked.get("starred") == "true",
        is_binned=asked.get("binned") == "true",
        since=moment("since"),
        until=moment("until"),
    )


def _change_project(api: Api, project_id: str, change: ProjectChange) -> Any:
    if change.name is not None:
        return api.library.rename_project(project_id, change.name, revision=change.revision)
    if change.is_binned:
        return api.library.bin_project(project_id, revision=change.revision)
    return api.library.restore_project(project_id, revision=change.revision)


def _temporary(api: Api, suffix: str) -> Path:
    api.settings.uploads_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return api.settings.uploads_dir / f"{uuid4().hex}{suffix}"


async def received(api: Api, request: Request, suffix: str) -> Path:
    """Return where the body of `request` was written; nothing is left where it breaks off."""
    path = _temporary(api, suffix)
    try:
        with path.open("wb") as file:
            async for chunk in request.stream():
                file.write(chunk)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def answer_and_delete(path: Path, call: Callable[[], Any]) -> Response:
    """Return what `call` returns as JSON, or its refusal, when the file at `path` is gone."""
    try:
        return answer(call)
    finally:
        path.unlink(missing_ok=True)


def answer(call: Callable[[], Any]) -> Response:
    """Return what `call` returns as JSON, or its refusal."""
    try:
        return JSONResponse(call())
    except Exception as exc:
        return _refusal(exc)


def _refusal(error: Exception) -> Response:
    status = 409 if isinstance(error, ConflictError) else 404 if isinstance(error, NotFoundError) else 422
    return JSONResponse({"error": sentence(error)}, status_code=status)
