"""Controls: what a creator does with the queue. Each is stored before the dispatcher acts on it."""

import time

from backend.config import Settings
from backend.errors import RequestError
from backend.jobs import traces
from backend.jobs.dispatcher import Dispatcher
from backend.requests import Request
from backend.store import generations, jobs
from backend.store.database import Database

MAX_QUEUED = 1000


class Controls:
    """The controls of one queue. Every method raises NotFoundError for an id that there is not."""

    def __init__(self, settings: Settings, database: Database, *, dispatcher: Dispatcher) -> None:
        self._settings = settings
        self._database = database
        self._dispatcher = dispatcher

    def cancel(self, generation_id: str) -> None:
        """Cancel a queued or running job; one that has ended stays as it is."""
        with self._database.transaction() as connection:
            generations.get(connection, generation_id)
            is_canceled = jobs.cancel(connection, generation_id, now=time.time())
        if is_canceled:
            self._dispatcher.cancel(generation_id)

    def retry(self, generation_id: str) -> None:
        """Queue a failed or canceled job again as a new attempt; RequestError for any other."""
        with self._database.transaction() as connection:
            generation = generations.get(connection, generation_id)
            require_room(1, waiting=jobs.count_queued(connection))
            if not jobs.retry(connection, generation_id):
                raise RequestError(
                    "status",
                    f"Only what failed or was canceled can be retried, and this is {generation.status}; "
                    "use Remix to make it again.",
                )
        self._dispatcher.wake()

    def move(self, generation_id: str, *, before: str | None = None) -> None:
        """Put a waiting job right before the waiting job `before`, or before all; RequestError for others."""
        with self._database.transaction() as connection:
            for each in (generation_id, before or generation_id):
                generations.get(connection, each)
            if not jobs.move(connection, generation_id, before=before):
                raise RequestError("status", "Only clips that wait can change places; this one has begun.")

    def edit(self, generation_id: str, *, request: Request, edits: int) -> None:
        """Give a waiting job another request, unless it was edited more than the `edits` times you saw."""
        with self._database.transaction() as connection:
            generation = generations.get(connection, generation_id)
            if generation.status != "queued":
                raise RequestError(
                    "status",
                    f"Only a clip that waits can be edited, and this is {generation.status}; use Reuse.",
                )
            if not jobs.edit(connection, generation_id, edits=edits):
                raise RequestError(
                    "edits", "This clip was changed elsewhere meanwhile; look at it again before you edit it."
                )
            generations.replace_request(connection, generation_id, request=request)
            traces.remove(self._settings, generation_id)  # before another request could go on from them

    def pause(self, *, at_once: bool = False) -> None:
        """Begin nothing more, also after a restart.

        at_once: let the running job go too, which goes on from its last step when its turn comes again, first
        of all, and free the worker's memory.
        """
        with self._database.transaction() as connection:
            jobs.pause(connection, is_paused=True)
            if at_once:
                jobs.requeue_running(connection)
        if at_once:
            self._dispatcher.suspend()

    def resume(self) -> None:
        """Go on with the queue."""
        with self._database.transaction() as connection:
            jobs.pause(connection, is_paused=False)
        self._dispatcher.wake()


def require_room(count: int, *, waiting: int) -> None:
    """Raise RequestError unless `count` more jobs may wait, where `waiting` do."""
    if waiting + count > MAX_QUEUED:
        raise RequestError(
            "variations",
            f"At most {MAX_QUEUED:,} clips can wait and {waiting:,} do; wait for some or cancel them first.",
        )
