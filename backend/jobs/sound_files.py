"""The files of a finished soundtrack: the sound alone, the clip with it, and a poster."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import MediaError
from backend.media.audio import fitted, write_sound
from backend.media.files import sha256_of
from backend.media.image import write_poster
from backend.media.metadata import read_metadata
from backend.media.probe import probe
from backend.media.sound_export import num_samples, write_with_sound
from backend.store.generations import Output


@dataclass(frozen=True)
class SoundFiles:
    """What goes into the files: the silent clip, samples (N, channels) at 48 kHz, and a frame to show.

    made: how the sound was made, for the metadata; that of the clip goes in beside it. title: for players.
    """

    clip: Path
    samples: np.ndarray
    frame: np.ndarray
    made: dict[str, Any]
    title: str


def write_sound_files(path: Path, files: SoundFiles, *, data_dir: Path) -> tuple[Output, ...]:
    """Write the clip with its sound to `path`, sound and poster beside it, and return the outputs."""
    sound_path, poster_path = path.with_suffix(".wav"), path.with_suffix(".jpg")
    write_sound(sound_path, files.samples)
    metadata = with_clip(files.made, files.clip)
    write_with_sound(path, files.clip, files.samples, metadata=metadata, title=files.title)
    write_poster(poster_path, files.frame)
    return (
        output("clip", path, media_type="video/mp4", data_dir=data_dir),
        output("poster", poster_path, media_type="image/jpeg", data_dir=data_dir),
        output("sound", sound_path, media_type="audio/wav", data_dir=data_dir),
    )


def write_own_sound(
    path: Path, silent: Path, samples: np.ndarray, *, metadata: dict[str, Any], title: str, data_dir: Path
) -> tuple[Output, ...]:
    """Write the clip `silent` with the `samples` (N, channels) at 48 kHz that were made with it to `path`.

    Returns the outputs: the clip, the sound alone, and the clip as it is without.
    """
    sound_path, lasting = path.with_suffix(".wav"), fitted(samples, num_samples(probe(silent)))
    write_sound(sound_path, lasting)
    write_with_sound(path, silent, lasting, metadata=metadata, title=title)
    return (
        output("clip", path, media_type="video/mp4", data_dir=data_dir),
        output("sound", sound_path, media_type="audio/wav", data_dir=data_dir),
        output("silent", silent, media_type="video/mp4", data_dir=data_dir),
    )


def with_clip(made: dict[str, Any], clip: Path) -> dict[str, Any]:
    """Return metadata: how the sound was `made`, and under "clip" how its clip was, if that is known."""
    try:
        of_clip = read_metadata(clip)["kinora"]
    except MediaError:
        return {"kinora": made}
    # A clip that has sound already says what it was before.
    return {"kinora": {**made, "clip": of_clip.get("clip", of_clip)}}


def output(role: str, path: Path, *, media_type: str, data_dir: Path) -> Output:
    """Return the row of a finished file."""
    return Output(
        role=role,
        path=path.relative_to(data_dir).as_posix(),
        sha256=sha256_of(path),
        media_type=media_type,
        size_bytes=path.stat().st_size,
    )
