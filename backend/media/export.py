"""Export: a finished clip as the file that a creator asks for, made by one ffmpeg process and read back."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import backend
from backend.errors import MediaError, RequestError
from backend.media.disk import require_space
from backend.media.export_formats import Plan, write_gif, write_mp4, write_png, write_wav, write_webm
from backend.media.export_settings import FOREVER, ExportSettings
from backend.media.files import replacing, sha256_of
from backend.media.metadata import comment_of, read_metadata
from backend.media.probe import VideoFacts, probe
from backend.media.provenance import MARKED_TYPES, mark, source_type
from backend.media.watch import Watch

MAX_GIF_FRAMES = 1500
MAX_GIF_RATE = 50


@dataclass(frozen=True)
class Exporter:
    """One format. bytes_per_pixel: at most, of one frame; for sound, bytes_per_second."""

    suffix: str
    media_type: str
    write: Callable[[Plan, Path], None]
    bytes_per_pixel: float = 0.0
    bytes_per_second: float = 0.0


EXPORTERS = {
    "mp4": Exporter(".mp4", "video/mp4", write_mp4, 0.25, 48_000),
    "webm": Exporter(".webm", "video/webm", write_webm, 0.25, 24_000),
    "gif": Exporter(".gif", "image/gif", write_gif, 1.0),
    "png": Exporter(".zip", "application/zip", write_png, 7.0),
    "wav": Exporter(".wav", "audio/wav", write_wav, 0.0, 192_000),
}
"""Format -> how it is written. A PNG sequence lies on the disk twice while it is packed."""


@dataclass(frozen=True)
class Exported:
    """A finished export, with what it was made from and how, so that it can be recorded."""

    path: Path
    settings: ExportSettings
    sha256: str
    size_bytes: int
    media_type: str

    def to_json(self) -> dict[str, Any]:
        """Return the same as a plain dict, without the path."""
        return {
            "name": self.path.name,
            "settings": asdict(self.settings),
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "media_type": self.media_type,
        }


def export(
    source: Path,
    target: Path,
    settings: ExportSettings,
    *,
    on_progress: Callable[[float], None] = lambda _: None,
    is_canceled: Callable[[], bool] = lambda: False,
    device_dir: Path | None = None,
) -> Exported:
    """Write the video at `source` to `target` as `settings` say, and return what was written.

    on_progress: told the share of the frames that is written, from 0 to 1. device_dir: where the certificate
    lies that marks are signed with; without it there is no mark, nor on clips that Kinora did not make.

    `target` appears only once the whole file is on the disk and was read back with the right frames, size,
    rate, sound and metadata. Raises MediaError for a source that cannot be read or made into that,
    RequestError for settings that do not go with it, ResourceError where the disk has no room, CanceledError.
    """
    plan = _plan(probe(source), source, settings)
    watch = Watch(lambda frame: on_progress(min(1.0, frame / plan.num_frames)), is_canceled)
    plan = replace(plan, watch=watch)
    exporter = EXPORTERS[settings.format]
    made = _made(source) if settings.has_provenance and exporter.media_type in MARKED_TYPES else None
    is_marked = made is not None and device_dir is not None
    needed = _needed_bytes(plan, exporter) * (2 if is_marked else 1)  # for a moment both files are there
    require_space(target.parent, needed, what=f"{target.name} as {settings.format}")
    with replacing(target) as partial:
        exporter.write(plan, partial)
        if made is not None and device_dir is not None:
            _mark(partial, exporter.media_type, source_type(made), device_dir)
    return Exported(target, settings, sha256_of(target), target.stat().st_size, exporter.media_type)


def _mark(path: Path, media_type: str, made_by: str, device_dir: Path) -> None:
    """Mark the file as made by AI; MediaError unless its frames still read back."""
    is_moving = not media_type.startswith("audio/")
    before = probe(path) if is_moving else None
    mark(path, media_type=media_type, made_by=made_by, device_dir=device_dir, version=backend.__version__)
    if is_moving and probe(path) != before:
        raise MediaError("The export was not kept because its AI mark changed it; export it without.")


def _plan(facts: VideoFacts, source: Path, settings: ExportSettings) -> Plan:
    """Return what the file will be; RequestError or MediaError where it cannot be that."""
    if settings.format == "wav" and not facts.has_audio:
        raise MediaError("This clip has no sound to export; choose another format.")
    is_gif = settings.format == "gif"
    width, height = scaled_size(facts, settings)
    frame_rate = float(settings.frame_rate or facts.frame_rate)
    if is_gif and frame_rate > MAX_GIF_RATE:
        if settings.frame_rate is not None:
            raise RequestError("frame_rate", f"A GIF plays at most {MAX_GIF_RATE} frames per second.")
        frame_rate = float(MAX_GIF_RATE)
    loops = 1 if is_gif or settings.loops is None else settings.loops
    once = facts.num_frames
    if frame_rate != facts.frame_rate:
        once = max(1, round(facts.duration_seconds * frame_rate))
    if is_gif and once > MAX_GIF_FRAMES:
        raise MediaError(
            f"A GIF of {once:,} frames is too long; at most {MAX_GIF_FRAMES:,} are possible, "
            "so choose a lower frame rate or MP4."
        )
    return Plan(
        source=source,
        facts=facts,
        settings=settings,
        width=width,
        height=height,
        frame_rate=frame_rate,
        num_frames=once * loops,
        loops=(FOREVER if settings.loops is None else settings.loops) if is_gif else loops,
        comment=_comment(source, settings),
        watch=Watch(),
    )


def scaled_size(facts: VideoFacts, settings: ExportSettings) -> tuple[int, int]:
    """Return (width, height) of the exported frames, both even, as H.264 needs them."""
    scale = 1.0 if settings.short_side is None else settings.short_side / min(facts.width, facts.height)
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (facts.width, facts.height))
    return width, height


def _needed_bytes(plan: Plan, exporter: Exporter) -> int:
    """Return about how much room the file takes, at most."""
    pixels = plan.width * plan.height * plan.num_frames
    seconds = plan.num_frames / plan.frame_rate if plan.facts.has_audio else 0
    return round(exporter.bytes_per_pixel * pixels + exporter.bytes_per_second * seconds)


def _comment(source: Path, settings: ExportSettings) -> str:
    """Return what the file will say of how it was made: nothing where that is unwanted or unknown."""
    made = _made(source) if settings.has_metadata else None
    return "" if made is None else comment_of({"kinora": {**made, "export": asdict(settings)}})


def _made(source: Path) -> dict[str, Any] | None:
    """Return what the clip says of how it was made, or None for a clip of another program."""
    try:
        return dict(read_metadata(source)["kinora"])
    except MediaError:
        return None
