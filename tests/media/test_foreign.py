"""Foreign pictures are decoded elsewhere: what comes back, what is refused, and what a hostile one can do."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.errors import MediaError
from backend.media.foreign import read_foreign_image
from backend.media.image import read_image
from backend.media.inputs import image_path, store_image
from tests.media.clips import moving_blob

NAMES = ["-vf crop.png", "--help", "http:%s{0}.png", "a\nb.png", "ä b‮.png", "con.png.", b"\xff.png"]


def photo(path: Path) -> Path:
    Image.fromarray(moving_blob(1)[0]).save(path, "PNG")
    return path


@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_those_of_the_picture_whatever_its_name(tmp_path: Path, name: str | bytes) -> None:
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
    path = photo(tmp_path / text)
    assert np.array_equal(read_foreign_image(path), moving_blob(1)[0])


def test_a_refusal_is_the_same_sentence(tmp_path: Path) -> None:
    path = tmp_path / "-cut.png"
    path.write_bytes(photo(tmp_path / "whole.png").read_bytes()[:300])
    sentences = []
    for read in (read_image, read_foreign_image):
        with pytest.raises(MediaError) as refusal:
            read(path)
        sentences.append(str(refusal.value))
    assert sentences == ["-cut.png is damaged or incomplete; save it again as PNG or JPEG."] * 2


def fits() -> bytes:
    values = {"SIMPLE": "T", "BITPIX": "8", "NAXIS": "0"}
    cards = [f"{name:8}={value:>21}".ljust(80) for name, value in values.items()]
    return "".join([*cards, "END".ljust(80)]).ljust(2880).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"<!doctype html><script>alert()</script>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file\n",
        fits(),
        b"PK\x03\x04" + bytes(60),
        b"\x89PNG\r\n\x1a\n",
        bytes(1),
    ],
    ids=["SVG", "HTML", "EPS", "FITS", "ZIP", "a signature alone", "a zero"],
)
def test_what_is_no_picture_of_the_list_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image.png").write_bytes(content)
    with pytest.raises(MediaError, match=r"^image\.png is (not an image in PNG|damaged)"):
        read_foreign_image(tmp_path / "image.png")


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def claiming(width: int, height: int, rows: bytes) -> bytes:
    """Return a PNG, 1 bit grey, that claims a size whatever it holds."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([1, 0, 0, 0, 0])
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize("side", [7_100, 20_000, 2**31 - 1])
def test_a_bomb_is_refused_by_what_it_claims(tmp_path: Path, side: int) -> None:
    (tmp_path / "bomb.png").write_bytes(claiming(side, side, bytes(100)))
    with pytest.raises(MediaError, match=r"^bomb\.png (has .* pixels; at most 50 megapixels|is damaged)"):
        read_foreign_image(tmp_path / "bomb.png")


def test_text_that_swells_is_refused(tmp_path: Path) -> None:
    swollen = zlib.compress(bytes(300_000_000), 9)
    plain = photo(tmp_path / "plain.png").read_bytes()
    (tmp_path / "bomb.png").write_bytes(plain[:33] + chunk(b"zTXt", b"k\0\0" + swollen) + plain[33:])
    with pytest.raises(MediaError, match=r"^bomb\.png (is damaged|needs more memory)"):
        read_foreign_image(tmp_path / "bomb.png")


def test_a_decoder_without_enough_memory_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^photo\.png needs more memory or time than a picture may"):
        read_foreign_image(photo(tmp_path / "photo.png"), memory_bytes=30 * 1024**2)


def test_a_decoder_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^photo\.png took more than 0\.001 seconds to decode"):
        read_foreign_image(photo(tmp_path / "photo.png"), timeout_seconds=0.001)


def test_nothing_but_pixels_of_a_polyglot_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "page.html.png"
    script = b"<script>alert()</script>"
    path.write_bytes(photo(tmp_path / "plain.png").read_bytes() + script + b"PK\x05\x06" + bytes(18))
    name = store_image(path, folder=tmp_path / "inputs")
    kept = image_path(name, folder=tmp_path / "inputs").read_bytes()
    assert script not in kept and b"PK\x05\x06" not in kept and kept.endswith(b"IEND\xaeB`\x82")
