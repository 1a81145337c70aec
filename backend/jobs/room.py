"""Room on the disk: the queue waits while there is too little for its next job. Torch-free."""

from pathlib import Path

from backend.media.disk import free_bytes, readable_bytes

_MARGIN = 4  # times the estimate, for a job for which the estimate was too low
_LEAST_BYTES = 2_000_000


class Room:
    """The room in `folder`: whether there is enough of it for the job whose turn it is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._wanted_bytes = 0
        self._underestimated = ""

    @property
    def is_short(self) -> bool:
        """Return whether a job waited for room when it was last looked at."""
        return self._wanted_bytes > 0

    def lacks(self, job_id: str | None, needed: int) -> bool:
        """Return whether less is free than the `needed` bytes of the next job; None is no job."""
        if job_id is not None and job_id == self._underestimated:
            needed = max(_MARGIN * needed, _LEAST_BYTES)
        is_short = job_id is not None and needed > free_bytes(self._folder)
        self._wanted_bytes = needed if is_short else 0
        return is_short

    def ran_out(self, job_id: str, needed: int) -> bool:
        """Return whether that job shall wait, which found the disk full though there seemed to be room.

        Not where there is plenty now: then it is no matter of room, but of a quota, say.
        """
        self._underestimated = job_id
        return self.lacks(job_id, needed)

    def problem(self) -> str:
        """Return what to tell while a job waits for room, or nothing."""
        wanted = self._wanted_bytes
        if not wanted:
            return ""
        free = readable_bytes(free_bytes(self._folder))
        return (
            f"The disk is full: the next clip needs about {readable_bytes(wanted)} and {free} are free; "
            "the queue waits, and goes on by itself once there is room."
        )
