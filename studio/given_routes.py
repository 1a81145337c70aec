"""The HTTP routes of what comes several times in a request: pictures at frames, and LoRA files.

Every refusal is {"error": one sentence}.
"""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from backend.api import Api
from backend.errors import NotFoundError
from studio.guard import LORA_PATH
from studio.library_routes import answer, answer_and_delete, received


def given_routes(api: Api) -> APIRouter:
    """Return the routes over `api`."""
    router = APIRouter()
    _add_pictures(router, api)
    _add_loras(router, api)
    return router


def _add_pictures(router: APIRouter, api: Api) -> None:
    """Add what keeps a picture, which is the body itself, and shows it."""

    @router.post("/studio/pictures")
    async def add(request: Request) -> Response:
        path = await received(api, request, ".picture")

        def store() -> dict[str, Any]:
            stored = api.inputs.add_picture(path)
            return {"name": stored.name, "notes": list(stored.notes)}

        return await run_in_threadpool(answer_and_delete, path, store)

    @router.get("/studio/pictures/{name}")
    def picture(name: str) -> Response:
        try:
            path = api.inputs.image_path(name)
        except NotFoundError as exc:
            return JSONResponse({"error": str(exc)}, status_code=404)
        caching = {"cache-control": "private, max-age=31536000, immutable"}
        return FileResponse(path, media_type="image/png", headers=caching)


def _add_loras(router: APIRouter, api: Api) -> None:
    """Add what lists, keeps and deletes LoRA files; the body is the file itself."""

    @router.get(LORA_PATH)
    def loras(engine: str) -> Response:
        def look() -> list[dict[str, str]]:
            return [{"name": name, "title": title} for name, title in api.inputs.loras(engine).items()]

        return answer(look)

    @router.post(LORA_PATH)
    async def add(request: Request, engine: str, file_name: str) -> Response:
        path = await received(api, request, ".lora")

        def store() -> dict[str, str]:
            return {"name": api.inputs.add_lora(path, engine=engine, file_name=file_name)}

        return await run_in_threadpool(answer_and_delete, path, store)

    @router.post(LORA_PATH + "/{name}/remove")
    def remove(name: str) -> Response:
        def done() -> dict[str, Any]:
            api.inputs.remove_lora(name)
            return {}

        return answer(done)
