"""What crosses the pipe between the dispatcher and a worker: one JSON object per line, torch-free.

Everything a worker says about a job carries (job_id, attempt), so that an older attempt can be told apart.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, get_args

from pydantic import TypeAdapter

from backend.models.engine import Speed
from backend.requests import Request
from backend.store.generations import Output


@dataclass(frozen=True)
class Preview:
    """A whole clip as predicted at `step`: a JPEG sprite sheet of `num_frames` cells, row by row.

    path: relative to the data folder; width, height: of one frame, in pixels. A cell is one frame or, where
    `has_motion`, the frame and at its right the motion predicted for it.
    """

    path: str
    columns: int
    rows: int
    num_frames: int
    frame_rate: int
    width: int
    height: int
    step: int
    has_motion: bool = False


@dataclass(frozen=True)
class Run:
    """To the worker: make this. created_at (UTC epoch seconds) decides the folder of the files."""

    job_id: str
    attempt: int
    request: Request
    created_at: float


@dataclass(frozen=True)
class Cancel:
    """To the worker: stop this attempt within a step."""

    job_id: str
    attempt: int


@dataclass(frozen=True)
class Suspend:
    """To the worker: store where the running job stands at the end of its step, and end."""


@dataclass(frozen=True)
class Warm:
    """To the worker: load this engine, so that the next job starts at once."""

    engine: str


@dataclass(frozen=True)
class Stop:
    """To the worker: end now; the running job's last checkpoint stays."""


@dataclass(frozen=True)
class Beat:
    """From the worker, every second: it is alive."""


@dataclass(frozen=True)
class Ready:
    """From the worker: `engine` is loaded and runs on `device` at `speed`.

    memory_bytes: that the device has in all, 0 where it is not known.
    """

    engine: str
    device: str
    speed: Speed
    memory_bytes: int = 0


@dataclass(frozen=True)
class NotReady:
    """From the worker: the engine to warm up could not be loaded; one sentence why."""

    message: str


@dataclass(frozen=True)
class ProgressReport:
    """From the worker: where a job stands. preview: the newest one, or None before the first.

    phase: "loading", "text", "preparing" (of a draft, or of what a sound follows), "sampling", "decoding" or
    "exporting"; step 0 means that none is finished.
    step_seconds: how long one step takes, or None before the first has been measured.
    """

    job_id: str
    attempt: int
    phase: str
    step: int = 0
    num_steps: int = 0
    step_seconds: float | None = None
    preview: Preview | None = None


@dataclass(frozen=True)
class Done:
    """From the worker: the files are written, verified and in place."""

    job_id: str
    attempt: int
    outputs: tuple[Output, ...]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """From the worker: one sentence for the creator, and the kind of error (its class name)."""

    job_id: str
    attempt: int
    message: str
    error_kind: str


@dataclass(frozen=True)
class Canceled:
    """From the worker: the job was stopped and left no files."""

    job_id: str
    attempt: int


ToWorker = Run | Cancel | Suspend | Warm | Stop
FromWorker = Beat | Ready | NotReady | ProgressReport | Done | Failed | Canceled
Message = ToWorker | FromWorker

_TYPES: dict[str, TypeAdapter[Any]] = {
    kind.__name__: TypeAdapter(kind) for kind in (*get_args(ToWorker), *get_args(FromWorker))
}


def encode(message: Message) -> str:
    """Return `message` as one line of ASCII JSON, with its newline."""
    fields = asdict(message)
    if isinstance(message, Run):
        fields["request"] = message.request.model_dump()
    return json.dumps({"type": type(message).__name__, **fields}) + "\n"


def decode(line: str) -> Any:
    """Return the message that `line` holds; ValueError where it holds none."""
    fields = json.loads(line)
    if not isinstance(fields, dict) or fields.get("type") not in _TYPES:
        raise ValueError(f"not a message: {line[:80]!r}")
    return _TYPES[fields.pop("type")].validate_python(fields)
