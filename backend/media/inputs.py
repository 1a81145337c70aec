"""What creators bring along, pictures, clips and sounds: kept by content, so that no request loses them."""

import hashlib
import io
import secrets
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from backend.errors import MediaError
from backend.media.audio import read_sound, write_sound
from backend.media.files import copy_file, replacing, sha256_of
from backend.media.foreign import read_picture
from backend.media.image import read_image
from backend.media.probe import probe


@dataclass(frozen=True)
class StoredPicture:
    """A kept picture. name: the sha256 of its PNG; notes: what was left out of it, as sentences."""

    name: str
    notes: tuple[str, ...]


def store_image(source: Path, *, folder: Path) -> str:
    """Return the name of `store_picture`."""
    return store_picture(source, folder=folder).name


def store_picture(source: Path, *, folder: Path) -> StoredPicture:
    """Return what the picture at `source` is in `folder`, where it is kept as a PNG.

    Only pixels are kept, no metadata. Raises MediaError for what `read_foreign_image` refuses, ResourceError
    where the disk is full.
    """
    buffer, picture = io.BytesIO(), read_picture(source)
    Image.fromarray(picture.pixels).save(buffer, "PNG")
    content = buffer.getvalue()
    name = hashlib.sha256(content).hexdigest()
    path = image_path(name, folder=folder)
    if not path.exists():
        with replacing(path) as partial:
            partial.write_bytes(content)
            if sha256_of(partial) != name:
                raise MediaError(f"{source.name} was not kept because it did not read back; choose it again.")
    return StoredPicture(name, picture.notes)


def store_clip(source: Path, *, folder: Path) -> str:
    """Return the name of the video at `source` in `folder`: the sha256 of the file, kept there as it is.

    Raises MediaError for what `probe` refuses, ResourceError where the disk is full.
    """
    probe(source)
    name = sha256_of(source)
    path = clip_path(name, folder=folder)
    if not path.exists():
        copy_file(source, path)
    return name


def store_sound(source: Path, *, folder: Path) -> str:
    """Return the name of the sound of any media file in `folder`: the sha256 of the 48 kHz WAV kept there.

    A sound that Kinora wrote keeps every bit. Raises MediaError for what `read_sound` refuses, ResourceError
    where the disk is full.
    """
    samples = read_sound(source)
    unnamed = folder / f"{secrets.token_hex(8)}.wav"
    try:
        write_sound(unnamed, samples)
        name = sha256_of(unnamed)
        unnamed.replace(sound_path(name, folder=folder))
    finally:
        unnamed.unlink(missing_ok=True)
    return name


def clip_path(name: str, *, folder: Path) -> Path:
    """Return where the clip called `name` lies, whether it is there or not."""
    return folder / f"{name}.mp4"


def sound_path(name: str, *, folder: Path) -> Path:
    """Return where the sound called `name` lies, whether it is there or not."""
    return folder / f"{name}.wav"


def image_path(name: str, *, folder: Path) -> Path:
    """Return where the picture called `name` lies, whether it is there or not."""
    return folder / f"{name}.png"


def load_image(name: str, *, folder: Path, width: int, height: int) -> np.ndarray:
    """Return the stored picture (height, width, 3) uint8, cut around its middle to fill the size.

    Raises MediaError if it is missing or damaged.
    """
    path = image_path(name, folder=folder)
    if not path.is_file():
        raise MediaError(f"The picture {name[:12]}… is not in the data folder any more; choose it again.")
    picture = Image.fromarray(read_image(path))
    return np.asarray(ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS))
