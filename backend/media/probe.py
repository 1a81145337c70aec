"""Probing: what a video file holds, found by ffmpeg in a process of its own."""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from backend.errors import MediaError
from backend.media.ffmpeg import MAX_PIXELS, VIDEO_FORMATS, Finished, input_arguments, run

MAX_DURATION_SECONDS = 3600
MAX_FRAME_RATE = 1000
PROBE_TIMEOUT_SECONDS = 20

_MAX_LISTING_BYTES = 64 * 1024**2
_PACKET_IS_DISCARDED = 0x4


@dataclass(frozen=True)
class VideoFacts:
    """What a video file holds. Width and height are as shown, after any rotation the file asks for.

    frame_rate: frames per second, the mean where frames are not evenly spaced. codec: ffmpeg's name, as
    "h264".
    """

    num_frames: int
    width: int
    height: int
    frame_rate: float
    duration_seconds: float
    has_audio: bool
    codec: str


@dataclass(frozen=True)
class _Packet:
    """One stored frame: when it is shown and for how long, in ticks of the stream's time base."""

    shown_at: int
    duration: int


def probe(path: Path) -> VideoFacts:
    """Return what the video at `path` holds; every stored frame is visited, so the count is exact.

    Raises MediaError, one sentence for the page, if it is not a video Kinora opens or exceeds 50 megapixels
    per frame, one hour or 1000 frames per second.
    """
    listing = np.empty(_MAX_LISTING_BYTES, dtype=np.uint8)
    arguments = [
        *input_arguments(path),
        *("-xerror", "-map", "0:V:0", "-map", "0:a:0?", "-c", "copy", "-f", "framecrc", "-"),
    ]
    finished = run(arguments, timeout_seconds=PROBE_TIMEOUT_SECONDS, receive=listing)
    if not finished.is_complete:
        raise MediaError(f"{path.name} holds too many frames; use a clip of at most one hour.")
    if finished.returncode or "File ended prematurely" in finished.errors:
        raise read_error(path, finished)
    facts = _facts(path, listing[: finished.num_bytes].tobytes().decode(), is_turned=_is_turned(finished.log))
    _check_limits(path, facts)
    return facts


def read_error(path: Path, finished: Finished) -> MediaError:
    """Return the error to raise when ffmpeg could not read `path`."""
    errors = "\n".join(finished.errors)
    if "not on whitelist" in errors:
        return MediaError(f"{path.name} is not a video in {VIDEO_FORMATS}; convert it to MP4.")
    if "matches no streams" in errors:
        return MediaError(f"{path.name} holds no moving picture; choose a video in {VIDEO_FORMATS}.")
    return MediaError(
        f"{path.name} cannot be read as {VIDEO_FORMATS}: it is damaged, incomplete or something else; "
        "export it again or convert it to MP4."
    )


def _is_turned(log: str) -> bool:
    """Return whether the copied stream asks to be shown turned by a quarter."""
    _, _, output = log.partition("Output #0")
    turn = re.search(r"^\[info\] +Display Matrix: rotation of (-?\d+\.\d+) degrees", output, re.MULTILINE)
    return turn is not None and round(float(turn[1])) % 180 == 90


def _facts(path: Path, listing: str, *, is_turned: bool) -> VideoFacts:
    """Return the facts in ffmpeg's `framecrc` listing, of which the first stream is the picture."""
    header = dict(re.findall(r"^#(\w+ \d): *(.+)$", listing, re.MULTILINE))
    packets = _packets(listing)
    if not packets or "dimensions 0" not in header:
        raise MediaError(f"{path.name} holds no frames; choose a video in {VIDEO_FORMATS}.")
    width, height = (int(side) for side in header["dimensions 0"].split("x"))
    frame_rate, duration = _timing(path, packets, Fraction(header["tb 0"]))
    return VideoFacts(
        num_frames=len(packets),
        width=height if is_turned else width,
        height=width if is_turned else height,
        frame_rate=float(frame_rate),
        duration_seconds=float(duration),
        has_audio=header.get("media_type 1") == "audio",
        codec=header["codec_id 0"],
    )


def _packets(listing: str) -> list[_Packet]:
    """Return the packets of the first stream that are shown, in the order in which they are shown."""
    packets = []
    for line in re.findall(r"^0,.+$", listing, re.MULTILINE):
        _, decoded_at, shown_at, duration, _, _, *rest = (field.strip() for field in line.split(","))
        flags = next((int(field[2:], 16) for field in rest if field.startswith("F=")), 0)
        if not flags & _PACKET_IS_DISCARDED:
            packets.append(_Packet(int(decoded_at if shown_at == "NOPTS" else shown_at), int(duration)))
    return sorted(packets, key=lambda packet: packet.shown_at)


def _timing(path: Path, packets: list[_Packet], tick: Fraction) -> tuple[Fraction, Fraction]:
    """Return (frames per second, duration in seconds)."""
    span = (packets[-1].shown_at - packets[0].shown_at) * tick
    last = packets[-1].duration * tick
    if (len(packets) > 1 and span <= 0) or (len(packets) == 1 and last <= 0):
        raise MediaError(f"{path.name} does not say when its frames are shown; convert it to MP4.")
    if len(packets) == 1:
        return 1 / last, last
    frame_rate = (len(packets) - 1) / span
    nominal = max(round(frame_rate), 1)
    if abs((len(packets) - 1) / Fraction(nominal) - span) <= tick:
        frame_rate = Fraction(nominal)
    return frame_rate, span + (last or 1 / frame_rate)


def _check_limits(path: Path, facts: VideoFacts) -> None:
    """Raise MediaError unless `facts` are within what Kinora opens."""
    if not 0 < facts.width * facts.height <= MAX_PIXELS:
        raise MediaError(
            f"{path.name} has frames of more than {MAX_PIXELS // 1_000_000} megapixels or of unknown size; "
            "scale it down and export it again."
        )
    if facts.duration_seconds > MAX_DURATION_SECONDS:
        raise MediaError(
            f"{path.name} lasts {facts.duration_seconds:,.0f} seconds; at most {MAX_DURATION_SECONDS:,} "
            "can be opened, so cut it shorter."
        )
    if facts.frame_rate > MAX_FRAME_RATE:
        raise MediaError(
            f"{path.name} claims {facts.frame_rate:,.0f} frames per second; "
            f"at most {MAX_FRAME_RATE:,} can be opened."
        )
