"""Pictures of foreign origin, decoded in a process of their own, so that a hostile one harms nothing.

Started as `python -m backend.media.foreign`, it reads the picture from standard input, which is the only file
it is given, and answers on standard output: one line of JSON, then the pixels.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

import backend
from backend.errors import MediaError, StudioError
from backend.media.child import child_limits
from backend.media.image import check_image_size, image_notes, read_image

DECODE_TIMEOUT_SECONDS = 20
DECODE_CPU_SECONDS = 20
DECODE_MEMORY_BYTES = 3 * 1024**3

_COMMAND = [sys.executable, "-m", "backend.media.foreign"]


@dataclass(frozen=True)
class Picture:
    """A picture of foreign origin. pixels: (H, W, 3) uint8; notes: what was left out of it, as sentences."""

    pixels: np.ndarray
    notes: tuple[str, ...]


def read_foreign_image(
    path: Path,
    *,
    timeout_seconds: float = DECODE_TIMEOUT_SECONDS,
    memory_bytes: int = DECODE_MEMORY_BYTES,
) -> np.ndarray:
    """Return the pixels of `read_picture`."""
    return read_picture(path, timeout_seconds=timeout_seconds, memory_bytes=memory_bytes).pixels


def read_picture(
    path: Path,
    *,
    timeout_seconds: float = DECODE_TIMEOUT_SECONDS,
    memory_bytes: int = DECODE_MEMORY_BYTES,
) -> Picture:
    """Return the picture at `path` as `read_image` does, without decoding it in this process.

    Raises MediaError for what `read_image` refuses, and where it takes more time or memory than it may.
    """
    check_image_size(path)
    with tempfile.TemporaryFile() as answer:
        try:
            with path.open("rb") as file:
                _decode(file, answer, path.name, timeout_seconds, memory_bytes)
        except subprocess.TimeoutExpired as exc:
            raise MediaError(
                f"{path.name} took more than {timeout_seconds:g} seconds to decode and was given up; "
                "save it again as PNG or JPEG."
            ) from exc
        except OSError as exc:
            raise MediaError(f"{path.name} cannot be read: {exc.strerror}.") from exc
        answer.seek(0)
        return _picture(path, answer)


def _decode(file: IO[bytes], answer: IO[bytes], name: str, timeout_seconds: float, memory_bytes: int) -> None:
    """Let a child write its answer about the picture in `file`, of which it is told the name to speak of."""
    subprocess.run(
        [*_COMMAND, "--", name.encode("utf-8", "surrogateescape").hex()],
        stdin=file,
        stdout=answer,
        stderr=subprocess.DEVNULL,
        cwd=Path(backend.__path__[0]).parent,
        preexec_fn=child_limits(cpu_seconds=DECODE_CPU_SECONDS, memory_bytes=memory_bytes),
        start_new_session=True,
        timeout=timeout_seconds,
        check=False,
    )


def _picture(path: Path, answer: IO[bytes]) -> Picture:
    """Return the picture in the child's answer; MediaError where it holds a refusal, or nothing."""
    try:
        told: dict[str, Any] = json.loads(answer.readline())
    except ValueError:
        raise MediaError(
            f"{path.name} needs more memory or time than a picture may; scale it down and save it as PNG."
        ) from None
    if "error" in told:
        raise MediaError(told["error"])
    height, width = told["height"], told["width"]
    pixels = np.frombuffer(answer.read(), dtype=np.uint8)
    if pixels.size != height * width * 3:
        raise MediaError(f"{path.name} is damaged or incomplete; save it again as PNG or JPEG.")
    return Picture(pixels.reshape(height, width, 3).copy(), tuple(told["notes"]))


def main(arguments: list[str] | None = None) -> int:
    """Answer about the picture on standard input, called by the name in the last argument; return 0."""
    name = bytes.fromhex((arguments or sys.argv)[-1]).decode("utf-8", "surrogateescape")
    out, content = sys.stdout.buffer, io.BytesIO(os.fdopen(0, "rb").read())
    try:
        pixels = read_image(Path(name), content=content)
    except StudioError as exc:
        out.write(json.dumps({"error": str(exc)}).encode() + b"\n")
        return 0
    height, width, _ = pixels.shape
    content.seek(0)
    told = {"height": height, "width": width, "notes": image_notes(name, content)}
    out.write(json.dumps(told).encode() + b"\n")
    out.write(pixels.data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
