"""The door of a running studio: how another program of the same user finds it and asks it."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio_client
import httpx
from gradio_client.exceptions import AppError

from backend.errors import StudioError
from backend.requests import Request

_log = logging.getLogger(__name__)


class RunningStudio:
    """The named endpoints of a studio that runs in another process."""

    def __init__(self, client: gradio_client.Client) -> None:
        self._client = client

    def submit(self, request: Request, *, variations: int, parents: Sequence[str] = ()) -> list[str]:
        """Return the ids of the new generations, as `Api.submit`."""
        answer = self._ask("/submit", request.model_dump_json(), variations, list(parents))
        return [answer] if isinstance(answer, str) else list(answer)

    def generation(self, generation_id: str) -> dict[str, Any]:
        """Return the generation as JSON, its outputs with absolute paths."""
        answer: dict[str, Any] = self._ask("/generation", generation_id)
        return answer

    def cancel(self, generation_id: str) -> None:
        """Cancel the generation."""
        self._ask("/cancel", generation_id)

    def _ask(self, endpoint: str, *values: Any) -> Any:
        try:
            return self._client.predict(*values, api_name=endpoint)
        except AppError as exc:
            raise StudioError(str(exc)) from exc
        except httpx.HTTPError as exc:
            raise StudioError(
                f"The running studio does not answer ({exc}); see whether it still runs."
            ) from exc


def find_running_studio(door_path: Path) -> RunningStudio | None:
    """Return the studio whose door lies at `door_path`, or None where none answers there."""
    try:
        door = json.loads(door_path.read_text(encoding="utf-8"))
        client = gradio_client.Client(
            door["url"],
            headers={"X-Kinora-Token": door["token"]},
            httpx_kwargs={"trust_env": False},
            download_files=False,
            analytics_enabled=False,
            verbose=False,
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, httpx.HTTPError) as exc:
        _log.info("the door at %s leads nowhere: %s", door_path, exc)
        return None
    return RunningStudio(client)
