"""The studio's own HTTP routes: the state that the page polls, and media by generation id.

No route takes a path, so none can be asked for a file that is not the output of a generation.
"""

import re
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import FileResponse, JSONResponse, Response

from backend.api import Api, Generation
from backend.errors import NotFoundError
from studio.views import state_view, take_view

TAKES_PER_PAGE = 24


def studio_routes(api: Api) -> APIRouter:
    """Return the routes of the page over `api`."""
    router = APIRouter()

    @router.get("/studio/state")
    def state(project: str | None = None) -> dict[str, Any]:
        return state_view(api, project_id=project)

    @router.get("/studio/takes")
    def takes(before: str | None = None, project: str | None = None) -> dict[str, Any]:
        found = api.generations(project_id=project, limit=TAKES_PER_PAGE + 1, before=before)
        shown = [take_view(generation) for generation in found[:TAKES_PER_PAGE]]
        return {"takes": shown, "has_older": len(found) > TAKES_PER_PAGE}

    @router.get("/studio/takes/{generation_id}")
    def take(generation_id: str) -> Response:
        try:
            return JSONResponse(take_view(api.generation(generation_id)))
        except NotFoundError as exc:
            return JSONResponse({"error": str(exc)}, status_code=404)

    @router.get("/media/{generation_id}/preview")
    def preview(generation_id: str) -> Response:
        path = api.preview_path(generation_id)
        try:
            sheet = path.read_bytes() if path else None  # in one piece: a newer preview may remove the file
        except FileNotFoundError:
            sheet = None
        if sheet is None:
            return Response(status_code=204)
        return Response(sheet, media_type="image/jpeg", headers={"cache-control": "no-store"})

    @router.get("/media/{generation_id}/{role}")
    def output(
        generation_id: str,
        role: Literal["clip", "poster", "motion", "sound", "silent"],
        download: bool = False,
    ) -> Response:
        try:
            generation = api.generation(generation_id)
            path = api.output_path(generation_id, role)
        except NotFoundError as exc:
            return JSONResponse({"error": str(exc)}, status_code=404)
        return FileResponse(
            path,
            media_type=next(each.media_type for each in generation.outputs if each.role == role),
            filename=download_name(generation, path.suffix) if download else None,
            headers={"cache-control": "private, max-age=31536000, immutable"},
        )

    return router


def download_name(generation: Generation, suffix: str) -> str:
    """Return a file name that tells clips apart: the first words of the prompt, and the seed."""
    words = re.findall(r"\w+", generation.request.prompt)[:6]
    return "-".join(["kinora", *words, str(generation.facts.get("seed", generation.id))])[:120] + suffix
