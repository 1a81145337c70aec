"""Video: frames to an H.264 MP4 that says how it was made, and frames back from any video file."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import DiskFullError, MediaError
from backend.media.ffmpeg import input_arguments, run
from backend.media.files import replacing
from backend.media.metadata import comment_of, read_comment, tags_file
from backend.media.probe import VideoFacts, probe, read_error

MAX_READ_BYTES = 4 * 1024**3
MAX_WRITE_FRAME_RATE = 240
WRITE_TIMEOUT_SECONDS = 3600
READ_TIMEOUT_SECONDS = 600

# x264 gives the same bytes for the same number of threads, so the number does not depend on the machine.
_ENCODER_THREADS = 4
_EXACT_SCALING = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
_TO_BT709 = (
    f"scale=in_range=pc:out_color_matrix=bt709:out_range=tv:{_EXACT_SCALING},format=yuv420p,"
    "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
)


def write_video(
    path: Path,
    frames: np.ndarray,
    *,
    frame_rate: int,
    metadata: Mapping[str, Any],
    title: str = "",
    crf: int = 16,
    preset: str = "medium",
) -> VideoFacts:
    """Write `frames` as H.264 (yuv420p, BT.709, faststart) in an MP4 and return what was read back from it.

    frames: (T, H, W, 3) uint8 RGB, H and W even. metadata: JSON object {"kinora": ...} for `read_metadata`.
    title: shown by players. crf: 0 (lossless) to 51; preset: x264's. The same arguments give the same bytes.
    `path` appears only once the whole file is on the disk and was read back with the right frame count, size,
    rate and metadata. Raises MediaError; DiskFullError if the disk is full.
    """
    _check_frames(path, frames, frame_rate)
    comment = comment_of(metadata)
    with replacing(path) as partial, tempfile.TemporaryDirectory(prefix="kinora-") as folder:
        tags_path = Path(folder) / "tags.txt"
        tags_path.write_text(tags_file(comment, title=title), encoding="utf-8", newline="\n")
        _encode(path, partial, frames, [*_input(frames, frame_rate, tags_path), *_output(crf, preset)])
        facts = probe(partial)
        _verify(path, facts, frames, frame_rate)
        if read_comment(partial) != comment:
            raise MediaError(
                f"{path.name} was not kept because its metadata did not read back; export it again."
            )
    return facts


def read_frames(path: Path, *, limit: int | None = None) -> np.ndarray:
    """Return the frames of the video at `path`, or its first `limit`, as (T, H, W, 3) uint8 RGB, upright.

    Raises MediaError if `probe` refuses the file, a frame is damaged, or the frames need more than 4 GiB.
    """
    facts = probe(path)
    num_frames = facts.num_frames if limit is None else min(limit, facts.num_frames)
    shape = (num_frames, facts.height, facts.width, 3)
    if np.prod(shape, dtype=np.int64) > MAX_READ_BYTES:
        raise MediaError(
            f"{path.name} has {num_frames:,} frames of {facts.width}x{facts.height} pixels, more than the "
            f"{MAX_READ_BYTES // 1024**3} GiB that can be read at once; use a shorter or smaller clip."
        )
    frames = np.empty(shape, dtype=np.uint8)
    arguments = [
        *input_arguments(path),
        *("-xerror", "-map", "0:V:0", "-frames:v", str(num_frames), "-fps_mode", "passthrough"),
        *("-vf", f"scale={facts.width}:{facts.height}:{_EXACT_SCALING}"),
        *("-pix_fmt", "rgb24", "-f", "rawvideo", "-"),
    ]
    finished = run(arguments, timeout_seconds=READ_TIMEOUT_SECONDS, receive=frames)
    if finished.returncode or finished.errors or finished.num_bytes != frames.nbytes:
        raise read_error(path, finished)
    return frames


def read_resampled(path: Path, *, frame_rate: float, width: int, height: int) -> np.ndarray:
    """Return the video at `path` as frames (T, height, width, 3) uint8 RGB at another rate and size.

    frame_rate: frames per second of its time, so that frames of uneven times are repeated or left out.
    The picture is scaled and cut around its middle to fill the size.
    Raises what `read_frames` raises.
    """
    facts = probe(path)
    num_frames = max(1, round(facts.duration_seconds * frame_rate))
    shape = (num_frames, height, width, 3)
    if np.prod(shape, dtype=np.int64) > MAX_READ_BYTES:
        raise MediaError(
            f"{path.name} lasts {facts.duration_seconds:,.0f} seconds, more than can be read at once; cut it."
        )
    frames = np.empty(shape, dtype=np.uint8)
    fill = f"scale={width}:{height}:force_original_aspect_ratio=increase:{_EXACT_SCALING}"
    arguments = [
        *(*input_arguments(path), "-xerror", "-map", "0:V:0"),
        *("-vf", f"fps={frame_rate:g}:start_time=0,{fill},crop={width}:{height}"),
        *("-frames:v", str(num_frames), "-pix_fmt", "rgb24", "-f", "rawvideo", "-"),
    ]
    finished = run(arguments, timeout_seconds=READ_TIMEOUT_SECONDS, receive=frames)
    num_read = finished.num_bytes // frames[0].nbytes
    if finished.returncode or finished.errors or not num_read:
        raise read_error(path, finished)
    frames[num_read:] = frames[num_read - 1]
    return frames


def _check_frames(path: Path, frames: np.ndarray, frame_rate: int) -> None:
    """Raise MediaError unless H.264 in yuv420p can hold `frames` at `frame_rate`."""
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise MediaError(
            f"{path.name} needs frames of shape (T, H, W, 3) in uint8; "
            f"these have shape {frames.shape} in {frames.dtype}."
        )
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        raise MediaError(
            f"{path.name} cannot have frames of {width}x{height} pixels: "
            "H.264 needs an even width and an even height."
        )
    if not 1 <= frame_rate <= MAX_WRITE_FRAME_RATE:
        raise MediaError(
            f"{path.name} cannot play at {frame_rate} frames per second; "
            f"1 to {MAX_WRITE_FRAME_RATE} are possible."
        )


def _input(frames: np.ndarray, frame_rate: int, tags_path: Path) -> list[str]:
    """Return the arguments that read frames from standard input and tags from a file."""
    height, width = frames.shape[1:3]
    return [
        *("-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{width}x{height}"),
        *("-framerate", str(frame_rate), "-i", "pipe:0"),
        *("-f", "ffmetadata", "-i", f"file:{tags_path}", "-map", "0:v", "-map_metadata", "1"),
    ]


def _output(crf: int, preset: str) -> list[str]:
    """Return the arguments that encode to an MP4 with nothing of the machine or the hour in it."""
    return [
        *("-vf", _TO_BT709, "-c:v", "libx264", "-preset", preset, "-crf", str(crf)),
        *("-threads", str(_ENCODER_THREADS), "-fflags", "+bitexact", "-flags:v", "+bitexact"),
        *("-movflags", "+faststart", "-f", "mp4", "-y"),
    ]


def _encode(path: Path, partial: Path, frames: np.ndarray, arguments: list[str]) -> None:
    """Send `frames` to ffmpeg, which writes `partial`; errors speak of `path`."""
    finished = run(
        [*arguments, f"file:{partial}"],
        timeout_seconds=WRITE_TIMEOUT_SECONDS,
        send=np.ascontiguousarray(frames),
    )
    if any("No space left on device" in error for error in finished.errors):
        raise DiskFullError(
            f"The disk is full, so {path.name} was not written; free some space and try again."
        )
    if finished.returncode:
        reason = finished.errors[0] if finished.errors else f"ffmpeg ended with {finished.returncode}"
        raise MediaError(f"{path.name} could not be written as an MP4: {reason}.")


def _verify(path: Path, facts: VideoFacts, frames: np.ndarray, frame_rate: int) -> None:
    """Raise MediaError unless the written file holds what was sent."""
    num_frames, height, width = frames.shape[:3]
    if (facts.num_frames, facts.width, facts.height, facts.frame_rate) != (
        num_frames,
        width,
        height,
        frame_rate,
    ):
        raise MediaError(
            f"{path.name} was not kept because it read back as {facts.num_frames} frames of "
            f"{facts.width}x{facts.height} at {facts.frame_rate:g} per second instead of {num_frames} of "
            f"{width}x{height} at {frame_rate}; export it again."
        )
