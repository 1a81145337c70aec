from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.errors import MediaError
from backend.media.image import Sprite, read_image, write_poster, write_sprite
from tests.media.clips import moving_blob, one_colour

RGBW = np.array(
    [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]], [[9, 9, 9], [0, 0, 0]]], np.uint8
)


def test_a_sprite_lays_frames_row_by_row(tmp_path: Path) -> None:
    frames = np.concatenate(
        [one_colour((index * 6, 0, 255 - index * 6), num_frames=1) for index in range(33)]
    )
    sprite = write_sprite(tmp_path / "sprite.jpg", frames)
    assert sprite == Sprite(columns=6, rows=6, num_frames=33, width=32, height=32)
    sheet = np.array(Image.open(tmp_path / "sprite.jpg")).astype(int)
    assert sheet.shape == (192, 192, 3)
    for index in range(33):
        cell = sheet[index // 6 * 32 :, index % 6 * 32 :][8:24, 8:24]
        assert abs(cell - (index * 6, 0, 255 - index * 6)).max() <= 6  # JPEG at quality 80


@pytest.mark.parametrize(
    ("shape", "columns", "grid"),
    [((33, 128, 224, 3), None, (5, 7)), ((1, 16, 16, 3), None, (1, 1)), ((5, 16, 16, 3), 2, (2, 3))],
)
def test_a_sheet_is_nearly_square_or_as_asked(
    tmp_path: Path, shape: tuple[int, ...], columns: int | None, grid: tuple[int, int]
) -> None:
    sprite = write_sprite(tmp_path / "sprite.jpg", np.zeros(shape, np.uint8), columns=columns)
    assert (sprite.columns, sprite.rows) == grid


def test_a_sheet_beyond_what_jpeg_holds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="too large for one JPEG"):
        write_sprite(tmp_path / "sprite.jpg", np.zeros((700, 2, 100, 3), np.uint8), columns=700)


def test_a_poster_is_the_frame(tmp_path: Path) -> None:
    frame = moving_blob(1)[0]
    write_poster(tmp_path / "poster.jpg", frame)
    assert abs(read_image(tmp_path / "poster.jpg").astype(int) - frame).mean() < 2
    assert [path.name for path in tmp_path.iterdir()] == ["poster.jpg"]


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp"])
def test_lossless_formats_come_back_exactly(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(RGBW).save(tmp_path / f"image.{suffix}", lossless=True)
    assert np.array_equal(read_image(tmp_path / f"image.{suffix}"), RGBW)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_ends_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(_as_camera_stores(RGBW, orientation)).save(tmp_path / "photo.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "photo.png"), RGBW)


def _as_camera_stores(upright: np.ndarray, orientation: int) -> np.ndarray:
    """Return the pixels a camera stores under an EXIF orientation so that they are shown as `upright`."""
    turned = upright.swapaxes(0, 1) if orientation >= 5 else upright
    flip_rows, flip_columns = orientation in (3, 4, 6, 7), orientation in (2, 3, 7, 8)
    return np.ascontiguousarray(turned[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])


def test_transparent_parts_lie_on_black(tmp_path: Path) -> None:
    pixels = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 51]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    assert read_image(tmp_path / "image.png").tolist() == [[[200, 100, 50], [0, 0, 0], [40, 20, 10]]]


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "PA", "CMYK"])
def test_every_mode_ends_as_rgb(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (5, 3), "white").convert(mode).save(tmp_path / "image.tiff")
    assert np.array_equal(read_image(tmp_path / "image.tiff"), np.full((3, 5, 3), 255))


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16)).save(tmp_path / "image.png")
    assert read_image(tmp_path / "image.png")[0, :, 0].tolist() == [0, 1, 128, 255]


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    red, blue = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    red.save(tmp_path / "two.gif", save_all=True, append_images=[blue])
    assert (read_image(tmp_path / "two.gif") == (255, 0, 0)).all()


def test_a_truncated_image_is_refused(tmp_path: Path) -> None:
    write_poster(tmp_path / "whole.jpg", moving_blob(1)[0])
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:1000])
    with pytest.raises(
        MediaError, match=r"^cut\.jpg is damaged or incomplete; save it again as PNG or JPEG\.$"
    ):
        read_image(tmp_path / "cut.jpg")


@pytest.mark.parametrize(
    "content",
    [
        b"text " * 100,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"8BPS\0\1" + b"\0" * 60,
        b"<svg/>",
    ],
    ids=["text", "EPS", "PSD", "SVG"],
)
def test_other_formats_are_refused_whatever_their_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image.png").write_bytes(content)
    with pytest.raises(MediaError, match=r"^image\.png is not an image in PNG, JPEG, WEBP, GIF, BMP or TIFF"):
        read_image(tmp_path / "image.png")


@pytest.mark.parametrize("side", [7_100, 14_000])
def test_an_image_over_fifty_megapixels_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    with pytest.raises(MediaError, match=r"^bomb\.png has .* pixels; at most 50 megapixels can be opened"):
        read_image(tmp_path / "bomb.png")


def test_an_image_over_fifty_megabytes_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "image.png").open("wb") as file:
        file.truncate(50_000_001)
    with pytest.raises(MediaError, match=r"^image\.png has 50\.0 MB; at most 50 MB can be opened"):
        read_image(tmp_path / "image.png")


def test_an_empty_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"")
    with pytest.raises(MediaError, match=r"^image\.png is empty \(0 bytes\)"):
        read_image(tmp_path / "image.png")
