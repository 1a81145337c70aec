"""Exports and reports over HTTP: making an export, fetching it, and what to send when something failed."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response

from backend.api import Api
from backend.errors import NotFoundError, RequestError
from studio.endpoints import sentence
from studio.views import export_view


def export_routes(api: Api) -> APIRouter:
    """Return the routes of exports and reports over `api`."""
    router = APIRouter()

    @router.post("/studio/export/{generation_id}")
    def begin(generation_id: str, asked: Annotated[dict[str, Any], Body()]) -> Response:
        name = asked.pop("name", "")
        return _answer(
            lambda: export_view(api, api.exports.begin(generation_id, asked, name=str(name or "")))
        )

    @router.get("/studio/exports/{export_id}")
    def look(export_id: str) -> Response:
        return _answer(lambda: export_view(api, api.exports.row(export_id)))

    @router.post("/studio/exports/{export_id}/cancel")
    def cancel(export_id: str) -> Response:
        return _answer(lambda: export_view(api, api.exports.cancel(export_id)))

    @router.get("/media/exports/{name}")
    def exported(name: str) -> Response:
        try:
            path = api.exports.path(name)
        except NotFoundError as exc:
            return JSONResponse({"error": str(exc)}, 404)
        return FileResponse(path, filename=path.name, headers={"cache-control": "no-store"})

    @router.get("/studio/report/{generation_id}")
    def report(generation_id: str, with_prompt: bool = False) -> Response:
        try:
            text = api.report(generation_id, with_prompt=with_prompt)
        except NotFoundError as exc:
            return JSONResponse({"error": str(exc)}, 404)
        return PlainTextResponse(text, headers={"cache-control": "no-store"})

    return router


def _answer(call: Callable[[], dict[str, Any]]) -> Response:
    """Return what `call` returns, or why not.

    A refusal is an answer like any other: browsers report other statuses as faults of the page.
    """
    try:
        return JSONResponse(call(), headers={"cache-control": "no-store"})
    except Exception as exc:
        field = exc.field if isinstance(exc, RequestError) else None
        status = 404 if isinstance(exc, NotFoundError) else 200
        return JSONResponse({"error": sentence(exc), "field": field}, status)
