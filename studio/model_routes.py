"""The HTTP routes of the Models page. Every refusal is {"error": one sentence}."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from backend.api import Api
from studio.library_routes import answer
from studio.model_views import model_view, models_view


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Wish(_Body):
    """A model to look at or to add. model: a folder of this machine, or an id, whose commit follows an @."""

    model: str
    name: str
    short_side: int | None = None


class ModelChange(_Body):
    """How a model is used: see `Change` of the backend, whose fields these are."""

    memory_plan: str | None = None
    short_side: int | None = None
    block_cache: float | None = None
    upsampler: str | None = None


class Removal(_Body):
    """The name of the model, typed to remove it."""

    typed: str


def model_routes(api: Api) -> APIRouter:
    """Return the routes of the Models page over `api`."""
    router = APIRouter()
    _add_models(router, api)
    _add_arrivals(router, api)
    return router


def _add_models(router: APIRouter, api: Api) -> None:
    """Add what shows and changes the models that are there."""

    @router.get("/studio/models")
    def models() -> Response:
        return answer(lambda: models_view(api))

    @router.post("/studio/models/{name}/check")
    def check(name: str) -> Response:
        return answer(lambda: {"problems": api.models.check(name)})

    @router.patch("/studio/models/{name}")
    def change(name: str, changed: ModelChange) -> Response:
        return _done(lambda: api.models.change(name, **changed.model_dump()))

    @router.post("/studio/models/{name}/remove")
    def remove(name: str, removal: Removal) -> Response:
        return _done(lambda: api.models.remove(name, typed=removal.typed))


def _add_arrivals(router: APIRouter, api: Api) -> None:
    """Add what looks at models elsewhere and brings them here."""

    @router.post("/studio/arrivals/look")
    def look(wish: Wish) -> Response:
        return answer(lambda: model_view(api.models.look(wish.model, name=wish.name)))

    @router.post("/studio/arrivals")
    def add(wish: Wish) -> Response:
        return _done(lambda: api.models.add(wish.model, name=wish.name, short_side=wish.short_side))

    @router.post("/studio/arrivals/{name}/stop")
    def stop(name: str) -> Response:
        return _done(lambda: api.models.stop(name))

    @router.post("/studio/arrivals/{name}/resume")
    def resume(name: str) -> Response:
        return _done(lambda: api.models.resume(name))

    @router.post("/studio/arrivals/{name}/give-up")
    def give_up(name: str) -> Response:
        return _done(lambda: api.models.give_up(name))


def _done(act: Callable[[], None]) -> Response:
    """Return an empty answer once `act` has done it, or its refusal."""

    def done() -> dict[str, Any]:
        act()
        return {}

    return answer(done)
