"""Clips with sound: the picture of a clip, copied bit for bit, and samples as AAC of exactly its length."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import DiskFullError, MediaError
from backend.media.audio import SAMPLE_RATE, fitted, read_sound
from backend.media.ffmpeg import Finished, input_arguments, run
from backend.media.files import replacing
from backend.media.metadata import comment_of, read_comment, tags_file
from backend.media.probe import VideoFacts, probe

WRITE_TIMEOUT_SECONDS = 3600

_BIT_RATES = {1: "128k", 2: "192k"}
_COPIED_CODECS = ("h264",)
_MAX_HASH_BYTES = 4096
_RE_ENCODED = (
    *("-c:v", "libx264", "-preset", "medium", "-crf", "16", "-pix_fmt", "yuv420p", "-threads", "4"),
    *("-vf", "scale=trunc(iw/2)*2:trunc(ih/2)*2", "-fps_mode", "passthrough", "-flags:v", "+bitexact"),
)


def num_samples(facts: VideoFacts) -> int:
    """Return how many samples at 48 kHz last exactly as long as the clip."""
    even_seconds = facts.num_frames / facts.frame_rate
    is_even = abs(even_seconds - facts.duration_seconds) < 0.5 / facts.frame_rate
    return round((even_seconds if is_even else facts.duration_seconds) * SAMPLE_RATE)


def write_with_sound(
    path: Path, clip: Path, samples: np.ndarray, *, metadata: Mapping[str, Any], title: str = ""
) -> None:
    """Write the picture of `clip` with `samples` (N, channels) at 48 kHz as an MP4 at `path`.

    H.264 is copied, any other picture encoded anew; sound of the clip's own is left out. The samples are cut,
    or continued with silence, to the length of the clip. AAC begins with 1024 samples of its own, which an
    edit list hides. `path` appears only once it was read back: the same picture, exactly as many samples, and
    `metadata`. Raises MediaError; DiskFullError if the disk is full.
    """
    heard = np.ascontiguousarray(fitted(samples, num_samples(probe(clip))), np.float32)
    channels = heard.shape[1]
    sound = _Sound(
        inputs=("-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", str(channels), "-i", "pipe:0"),
        outputs=("-map", "1:a:0", "-c:a", "aac", "-b:a", _BIT_RATES[channels], "-flags:a", "+bitexact"),
        samples=heard,
    )
    with replacing(path) as partial:
        _write(path, partial, clip, sound, tags=_Tags(comment_of(metadata), title))
        if len(read_sound(partial)) != len(heard):
            raise MediaError(
                f"{path.name} was not kept because its sound has another length; export it again."
            )


def write_silent(path: Path, clip: Path, *, metadata: Mapping[str, Any], title: str = "") -> None:
    """Write the picture of `clip` alone, as `write_with_sound` does."""
    with replacing(path) as partial:
        _write(path, partial, clip, _Sound(), tags=_Tags(comment_of(metadata), title))


@dataclass(frozen=True)
class _Sound:
    """What ffmpeg is told of the sound, and the samples that it is sent; nothing where there is none."""

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ("-an",)
    samples: np.ndarray | None = None


@dataclass(frozen=True)
class _Tags:
    comment: str
    title: str


def _write(path: Path, partial: Path, clip: Path, sound: _Sound, *, tags: _Tags) -> None:
    """Write `partial` and read it back; errors speak of `path`."""
    facts = probe(clip)
    is_copied = facts.codec in _COPIED_CODECS
    with tempfile.TemporaryDirectory(prefix="kinora-") as folder:
        tags_path = Path(folder) / "tags.txt"
        tags_path.write_text(tags_file(tags.comment, title=tags.title), encoding="utf-8", newline="\n")
        arguments = [
            *(*input_arguments(clip), *sound.inputs, "-f", "ffmetadata", "-i", f"file:{tags_path}"),
            *("-map", "0:V:0", *sound.outputs, "-map_metadata", "2" if sound.inputs else "1"),
            *(*(("-c:v", "copy") if is_copied else _RE_ENCODED), "-map_chapters", "-1"),
            *("-fflags", "+bitexact", "-movflags", "+faststart", "-f", "mp4", "-y", f"file:{partial}"),
        ]
        _check(path, run(arguments, timeout_seconds=WRITE_TIMEOUT_SECONDS, send=sound.samples))
    is_same = not is_copied or picture_hash(partial) == picture_hash(clip)
    if not is_same or probe(partial).num_frames != facts.num_frames:
        raise MediaError(f"{path.name} was not kept because its picture has changed; export it again.")
    if read_comment(partial) != tags.comment:
        raise MediaError(f"{path.name} was not kept because its metadata did not read back; export it again.")


def picture_hash(path: Path) -> str:
    """Return a hash of the coded picture of the video at `path`, whatever is around it."""
    answer = np.empty(_MAX_HASH_BYTES, dtype=np.uint8)
    arguments = [*input_arguments(path), "-map", "0:V:0", "-c", "copy", "-f", "streamhash", "-"]
    finished = run(arguments, timeout_seconds=WRITE_TIMEOUT_SECONDS, receive=answer)
    if finished.returncode:
        raise MediaError(f"{path.name} cannot be read again; export it again.")
    return answer[: finished.num_bytes].tobytes().decode()


def _check(path: Path, finished: Finished) -> None:
    if any("No space left on device" in error for error in finished.errors):
        raise DiskFullError(
            f"The disk is full, so {path.name} was not written; free some space and try again."
        )
    if finished.returncode:
        reason = finished.errors[0] if finished.errors else f"ffmpeg ended with {finished.returncode}"
        raise MediaError(f"{path.name} could not be written as an MP4: {reason}.")
