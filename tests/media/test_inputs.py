"""Given pictures: kept by content, cut to the clip's size, refused with a sentence."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.errors import MediaError
from backend.media.inputs import image_path, load_image, store_image, store_picture


def picture(
    path: Path, *, size: tuple[int, int] = (40, 20), colour: tuple[int, int, int] = (200, 10, 10)
) -> Path:
    Image.new("RGB", size, colour).save(path)
    return path


def test_the_same_pixels_have_one_name_whatever_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "inputs"
    png, bmp = picture(tmp_path / "a.png"), picture(tmp_path / "b.bmp")
    names = {store_image(path, folder=folder) for path in (png, bmp)}
    assert len(names) == 1
    assert [path.name for path in folder.iterdir()] == [f"{names.pop()}.png"]


def test_a_picture_is_cut_around_its_middle_to_the_size(tmp_path: Path) -> None:
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 255
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    name = store_image(tmp_path / "wide.png", folder=tmp_path)
    loaded = load_image(name, folder=tmp_path, width=32, height=32)
    assert loaded.shape == (32, 32, 3)
    assert loaded[:, 4:-4].min() > 245  # the filter rings at the cut


def test_metadata_is_not_kept(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8))
    exif = image.getexif()
    exif[0x010F] = "a camera that knows where I live"
    image.save(tmp_path / "photo.jpg", exif=exif)
    name = store_image(tmp_path / "photo.jpg", folder=tmp_path)
    assert b"where I live" not in image_path(name, folder=tmp_path).read_bytes()


def test_what_is_no_picture_is_refused_and_nothing_kept(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(MediaError, match=r"text\.png is not an image"):
        store_image(tmp_path / "text.png", folder=tmp_path / "inputs")
    assert not (tmp_path / "inputs").exists()


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="The picture 000000000000… is not in the data folder any more"):
        load_image("0" * 64, folder=tmp_path, width=8, height=8)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_of_an_animation_the_first_picture_is_used_and_that_is_said(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"two.{suffix}"
    red, blue = (Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255)))
    red.save(path, save_all=True, append_images=[blue], lossless=True)
    stored = store_picture(path, folder=tmp_path)
    assert (load_image(stored.name, folder=tmp_path, width=8, height=8) == (255, 0, 0)).all()
    assert stored.notes == (f"two.{suffix} holds more than one picture; its first one is used.",)


def test_transparent_parts_are_said_and_an_ordinary_picture_tells_nothing(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "glass.png")
    told = ("glass.png has transparent parts; they are laid on black.",)
    assert store_picture(tmp_path / "glass.png", folder=tmp_path).notes == told
    assert store_picture(picture(tmp_path / "plain.jpg"), folder=tmp_path).notes == ()
