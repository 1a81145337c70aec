"""Images: posters and moving previews as JPEG, and pictures that creators bring along."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps

from backend.errors import MediaError
from backend.media.files import readable_size, replacing

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
MAX_IMAGE_BYTES = 50_000_000
MAX_IMAGE_PIXELS = 50_000_000
MAX_JPEG_SIDE = 65_500


@dataclass(frozen=True)
class Sprite:
    """A JPEG that holds all frames of a clip, row by row. width, height: pixels of one frame."""

    columns: int
    rows: int
    num_frames: int
    width: int
    height: int


def write_sprite(path: Path, frames: np.ndarray, *, columns: int | None = None, quality: int = 80) -> Sprite:
    """Write `frames`, (T, H, W, 3) uint8, as one JPEG and return how they are laid out.

    Without `columns` the sheet is as square as it can be; cells after the last frame are black. The file
    replaces an older one at once but is not forced to the disk, since a preview does not outlive its job.
    MediaError if the sheet would be wider or higher than a JPEG may be.
    """
    num_frames, height, width, channels = frames.shape
    columns = columns or min(num_frames, math.ceil(math.sqrt(num_frames * height / width)))
    rows = math.ceil(num_frames / columns)
    if max(columns * width, rows * height) > MAX_JPEG_SIDE:
        raise MediaError(
            f"A preview of {num_frames} frames of {width}x{height} is too large for one JPEG, "
            f"which holds at most {MAX_JPEG_SIDE} pixels per side."
        )
    cells = np.zeros((rows * columns, height, width, channels), dtype=np.uint8)
    cells[:num_frames] = frames
    sheet = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)  # (rows, H, columns, W, 3)
    with replacing(path, durable=False) as partial:
        _as_image(sheet.reshape(rows * height, columns * width, channels)).save(
            partial, "JPEG", quality=quality
        )
    return Sprite(columns, rows, num_frames, width, height)


def write_poster(path: Path, frame: np.ndarray, *, quality: int = 90) -> None:
    """Write `frame`, (H, W, 3) uint8, as a JPEG.

    `path` appears only once the whole file is on the disk and was decoded again. MediaError if it cannot be
    written, ResourceError if the disk is full.
    """
    with replacing(path) as partial:
        _as_image(frame).save(partial, "JPEG", quality=quality, optimize=True)
        if read_image(partial).shape != frame.shape:
            raise MediaError(f"{path.name} was not kept because it did not read back; try again.")


def read_image(path: Path, *, content: IO[bytes] | None = None) -> np.ndarray:
    """Return the picture at `path`, of an animation its first frame, as (H, W, 3) uint8 RGB.

    It is turned upright as its EXIF orientation says, and transparent parts are laid on black. content: the
    file's bytes where it is open already; errors then speak of `path` all the same. For pictures of foreign
    origin there is `read_foreign_image`. Raises MediaError if it is not one of IMAGE_FORMATS, is damaged, or
    exceeds 50 MB or 50 megapixels.
    """
    if content is None:
        check_image_size(path)
    try:
        with Image.open(content or path, formats=IMAGE_FORMATS) as image:
            _check_pixels(path, *image.size)
            return np.array(_flatten(_eight_bits(ImageOps.exif_transpose(image))))
    except MediaError:
        raise
    except MemoryError as exc:
        raise MediaError(f"{path.name} needs more memory than a picture may; scale it down.") from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise MediaError(_too_many_pixels(path, "far too many")) from exc
    except Image.UnidentifiedImageError as exc:
        raise MediaError(
            f"{path.name} is not an image in {_format_names()}; save it as PNG or JPEG."
        ) from exc
    except Exception as exc:  # decoders of damaged files raise errors of nearly every type
        raise MediaError(f"{path.name} is damaged or incomplete; save it again as PNG or JPEG.") from exc


def image_notes(name: str, content: IO[bytes]) -> tuple[str, ...]:
    """Return one sentence for each thing that `read_image` leaves out of the picture in `content`.

    name: to speak of. Its bytes must be those of a picture that `read_image` reads.
    """
    notes = []
    with Image.open(content, formats=IMAGE_FORMATS) as image:
        if getattr(image, "is_animated", False):
            notes.append(f"{name} holds more than one picture; its first one is used.")
        if image.has_transparency_data:
            notes.append(f"{name} has transparent parts; they are laid on black.")
    return tuple(notes)


def _as_image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels))


def check_image_size(path: Path) -> None:
    """Raise MediaError unless `path` is a file that is small enough to be opened."""
    size_bytes = readable_size(path, wanted=f"an image in {_format_names()}")
    if size_bytes > MAX_IMAGE_BYTES:
        raise MediaError(
            f"{path.name} has {size_bytes / 1e6:.1f} MB; at most {MAX_IMAGE_BYTES // 1_000_000} MB "
            "can be opened, so save it smaller."
        )


def _check_pixels(path: Path, width: int, height: int) -> None:
    """Raise MediaError if the picture is too large to be decoded."""
    if width * height > MAX_IMAGE_PIXELS:
        raise MediaError(_too_many_pixels(path, f"{width}x{height}"))


def _too_many_pixels(path: Path, amount: str) -> str:
    limit = MAX_IMAGE_PIXELS // 1_000_000
    return f"{path.name} has {amount} pixels; at most {limit} megapixels can be opened, so scale it down."


def _format_names() -> str:
    return ", ".join(IMAGE_FORMATS[:-1]) + " or " + IMAGE_FORMATS[-1]


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return `image` with 8 bits per channel; Pillow's own conversion clips 16 bits, this scales them."""
    if image.mode.startswith("I;16"):
        return _as_image((np.array(image) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise MediaError("Images with 32 bits per channel cannot be opened; save it with 8 bits as PNG.")
    return image


def _flatten(image: Image.Image) -> Image.Image:
    """Return `image` as RGB, its transparent parts laid on black."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (0, 0, 0, 255)), layer).convert("RGB")
