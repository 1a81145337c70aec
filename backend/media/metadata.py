"""Metadata: the JSON inside an exported file that says how the clip was made."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import MediaError
from backend.media.ffmpeg import input_arguments, run
from backend.media.probe import PROBE_TIMEOUT_SECONDS, read_error

_MAX_METADATA_BYTES = 8 * 1024**2
_MAX_TITLE_CHARACTERS = 200


def read_metadata(path: Path) -> dict[str, Any]:
    """Return the JSON object that `write_video` embedded in the video at `path`, an object under "kinora".

    Raises MediaError if the file cannot be read or was not made by Kinora.
    """
    try:
        metadata = json.loads(read_comment(path))
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("kinora"), dict):
        raise MediaError(f"{path.name} does not say how it was made; only clips that Kinora exported do.")
    return metadata


def read_comment(path: Path) -> str:
    """Return the comment tag of the video at `path`, "" if it has none; MediaError if it cannot be read."""
    buffer = np.empty(_MAX_METADATA_BYTES, dtype=np.uint8)
    arguments = [*input_arguments(path), "-f", "ffmetadata", "-"]
    finished = run(arguments, timeout_seconds=PROBE_TIMEOUT_SECONDS, receive=buffer)
    if not finished.is_complete:
        raise MediaError(
            f"{path.name} holds over {_MAX_METADATA_BYTES // 1024**2} MB of tags; export it again."
        )
    if finished.returncode:
        raise read_error(path, finished)
    text = buffer[: finished.num_bytes].tobytes().decode("utf-8", errors="replace")
    entries = re.findall(r"^((?:[^\\=\n]|\\.)+)=((?:[^\\\n]|\\.)*)$", text, re.MULTILINE | re.DOTALL)
    tags = {key.lower(): re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL) for key, value in entries}
    return tags.get("comment", "")


def comment_of(metadata: Mapping[str, Any]) -> str:
    """Return `metadata` as one line of JSON; MediaError if JSON cannot hold it."""
    try:
        comment = json.dumps(metadata, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        comment.encode("utf-8")
    except (TypeError, ValueError) as exc:
        raise MediaError(f"The clip's metadata cannot be stored as JSON: {exc}.") from exc
    return comment


def tags_file(comment: str, *, title: str) -> str:
    """Return the text of an ffmpeg metadata file that sets comment and title."""
    words = " ".join("".join(c if c.isprintable() else " " for c in title).split())
    # ffmpeg reads a line that ends in an escaped backslash as going on.
    tags = {"title": words[:_MAX_TITLE_CHARACTERS].rstrip("\\"), "comment": comment}
    lines = [f"{key}={_escape(value)}" for key, value in tags.items() if value]
    return "\n".join([";FFMETADATA1", *lines, ""])


def _escape(value: str) -> str:
    """Return `value` with a backslash before each character that means something in a metadata file."""
    return re.sub(r"([=;#\\\n])", r"\\\1", value)
