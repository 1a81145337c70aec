"""Named endpoints for programs: `gradio_client.Client(url).predict(..., api_name="/submit")`."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr

from backend.api import Api, Generation
from backend.errors import StudioError
from backend.requests import parse_request

Result = TypeVar("Result")
UNEXPECTED = "The studio met an unexpected problem; its log says which."

logger = logging.getLogger(__name__)


def add_endpoints(api: Api) -> None:
    """Add what submits, shows and cancels generations, and steers the queue, to the Blocks being built."""

    def submit(request: str | dict, variations: int = 1, parents: list[str] | None = None) -> str | list[str]:
        ids = _answer(
            lambda: api.submit(parse_request(request), variations=variations, parents=parents or ())
        )
        return ids[0] if variations == 1 else ids

    def generation(generation_id: str) -> dict:
        return _answer(lambda: _with_absolute_paths(api, api.generation(generation_id)))

    def generations(limit: int = 50, before: str | None = None) -> list[dict]:
        found = _answer(lambda: api.generations(limit=limit, before=before))
        return [_with_absolute_paths(api, each) for each in found]

    def cancel(generation_id: str) -> str:
        _answer(lambda: api.cancel(generation_id))
        return generation_id

    for endpoint in (submit, generation, generations, cancel):
        gr.api(endpoint, api_name=endpoint.__name__, queue=False)
    _add_controls(api)


def _add_controls(api: Api) -> None:
    """Add /retry, /edit, /move, /pause and /resume."""

    def retry(generation_id: str) -> str:
        _answer(lambda: api.controls.retry(generation_id))
        return generation_id

    def edit(generation_id: str, request: str | dict, edits: int) -> str:
        _answer(lambda: api.edit(generation_id, parse_request(request), edits=edits))
        return generation_id

    def move(generation_id: str, before: str | None = None) -> str:
        _answer(lambda: api.controls.move(generation_id, before=before))
        return generation_id

    def pause(at_once: bool = False) -> bool:
        _answer(lambda: api.controls.pause(at_once=at_once))
        return True

    def resume() -> bool:
        _answer(api.controls.resume)
        return False

    for endpoint in (retry, edit, move, pause, resume):
        gr.api(endpoint, api_name=endpoint.__name__, queue=False)


def sentence(error: Exception) -> str:
    """Return what a creator is told about `error`; what nobody foresaw goes to the log instead."""
    if isinstance(error, StudioError):
        return str(error)
    logger.error("unexpected", exc_info=error)
    return UNEXPECTED


def _answer(call: Callable[[], Result]) -> Result:
    """Return what `call` returns; its error reaches the client as one sentence."""
    try:
        return call()
    except Exception as exc:
        raise gr.Error(sentence(exc), print_exception=False) from exc


def _with_absolute_paths(api: Api, generation: Generation) -> dict[str, Any]:
    """Return `generation` as JSON whose outputs carry the absolute paths of their files."""
    shown = generation.to_json()
    for output in shown["outputs"]:
        output["path"] = str(api.output_path(generation.id, output["role"]))
    return shown
