"""The errors a user can act on, as one tree.

    StudioError
    ├── RequestError        a field of a request is outside what is allowed
    ├── WeightsError        a weights file is missing or damaged
    ├── MediaError          a file cannot be read or written as the media it should be
    ├── StoreError          the database or the data folder cannot be used
    │   ├── NotFoundError   no such generation, project or file
    │   ├── DamagedError    the database file is damaged
    │   └── ConflictError   it was changed elsewhere since it was read
    ├── ResourceError       memory, disk or device does not suffice
    │   └── DiskFullError   there is no room on the disk
    ├── NumericsError       the numbers of a run became invalid
    ├── WorkerError         the worker process stopped
    └── CanceledError       the creator stopped this job

Every message is one sentence for the page: what was wrong, the value, what is allowed, what to do.
"""


class StudioError(Exception):
    """Base of every error whose message may be shown to a creator."""


class RequestError(StudioError):
    """A request field has a value that is not allowed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class WeightsError(StudioError):
    """A weights file is missing, incomplete or does not match its checksum."""


class MediaError(StudioError):
    """A media file is missing, damaged, of a refused format, or could not be written."""


class StoreError(StudioError):
    """The database or the data folder cannot be opened, read or written."""


class NotFoundError(StoreError):
    """Nothing is stored under the given id or name."""


class DamagedError(StoreError):
    """The database file is damaged."""


class ConflictError(StoreError):
    """What was to be changed is not any more what its reader saw."""


class ResourceError(StudioError):
    """Memory, disk space or a device does not suffice for the job."""


class DiskFullError(ResourceError):
    """There is no room on the disk."""


class NumericsError(StudioError):
    """Latents became NaN or infinite during sampling."""


class WorkerError(StudioError):
    """The worker process ended without finishing its job."""


class CanceledError(StudioError):
    """The creator stopped this job."""
