"""The studio that the command line talks to: the one that runs on the data folder, or one of its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from backend.api import Api
from backend.config import Settings
from backend.errors import StudioError
from backend.requests import Request


class Studio(Protocol):
    """What the command line needs of a studio, in this process or another."""

    def submit(self, request: Request, *, variations: int, parents: Sequence[str] = ()) -> list[str]:
        """Return the ids of the new generations."""
        ...

    def generation(self, generation_id: str) -> dict[str, Any]:
        """Return the generation as JSON, its outputs with absolute paths."""
        ...

    def cancel(self, generation_id: str) -> None:
        """Cancel the generation."""
        ...


class OwnStudio:
    """A studio in this process."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def submit(self, request: Request, *, variations: int, parents: Sequence[str] = ()) -> list[str]:
        return self._api.submit(request, variations=variations, parents=parents)

    def generation(self, generation_id: str) -> dict[str, Any]:
        """Return the generation as JSON, with "progress" while it runs."""
        generation = self._api.generation(generation_id).to_json()
        for output in generation["outputs"]:
            output["path"] = str(self._api.settings.data_dir / output["path"])
        return {**generation, "progress": self._api.progress(generation_id)}

    def cancel(self, generation_id: str) -> None:
        self._api.cancel(generation_id)


@contextmanager
def open_studio(settings: Settings, engine: str | None, extra_engines: tuple[str, ...]) -> Iterator[Studio]:
    """Yield the studio that runs on the data folder, or one of our own for as long as the block lasts.

    engine: to load at once, where it is our own.
    """
    if settings.door_path.exists():
        from backend.door import find_running_studio  # Gradio's client takes a second to import

        running = find_running_studio(settings.door_path)
        if running is not None:
            yield running
            return
    with Api.open(settings, warm_engine=engine, extra_engines=extra_engines) as api:
        if api.status().is_paused:
            raise StudioError(
                "The queue of this data folder is paused; resume it in the studio, or choose another folder."
            )
        yield OwnStudio(api)
