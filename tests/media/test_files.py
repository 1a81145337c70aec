import errno
import hashlib
from pathlib import Path

import pytest

from backend.errors import MediaError, ResourceError
from backend.media.files import (
    copy_file,
    readable_size,
    replacing,
    safe_name,
    sha256_of,
    unused_path,
    write_error,
)


def test_sha256_of_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"kinora" * 100_000)
    assert sha256_of(path) == hashlib.sha256(b"kinora" * 100_000).hexdigest()


def test_sha256_of_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^gone\.mp4 cannot be read: No such file or directory\.$"):
        sha256_of(tmp_path / "gone.mp4")


def test_a_copy_has_the_same_bytes_and_leaves_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    source.write_bytes(b"frames")
    copy_file(source, tmp_path / "new folder" / "target.mp4")
    assert (tmp_path / "new folder" / "target.mp4").read_bytes() == b"frames"
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["target.mp4"]


def test_a_failed_write_keeps_the_older_file_and_removes_the_partial_one(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"older")
    with pytest.raises(ZeroDivisionError), replacing(path) as partial:
        partial.write_bytes(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_a_partial_file_is_hidden_and_recognisable_until_it_is_whole(tmp_path: Path) -> None:
    with replacing(tmp_path / "clip.mp4") as partial:
        partial.write_bytes(b"whole")
        assert partial.parent == tmp_path
        assert partial.name.startswith(".clip.mp4.") and partial.name.endswith(".partial")
    assert (tmp_path / "clip.mp4").read_bytes() == b"whole"


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^clip\.mp4 cannot be written"), replacing(tmp_path / "clip.mp4"):
        pass


def test_a_folder_that_is_a_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder").write_bytes(b"")
    with (
        pytest.raises(MediaError, match=r"clip\.mp4 cannot be written"),
        replacing(tmp_path / "folder" / "clip.mp4"),
    ):
        pass


def test_a_full_disk_is_named_as_such() -> None:
    error = write_error(Path("clip.mp4"), OSError(errno.ENOSPC, "No space left on device"))
    assert isinstance(error, ResourceError)
    assert str(error) == "The disk is full, so clip.mp4 was not written; free some space and try again."


@pytest.mark.parametrize("name", ["gone.mp4", ".", "nul\0.mp4", "x" * 300])
def test_what_is_not_a_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match="does not exist or is not a file"):
        readable_size(tmp_path / name, wanted="a video")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../../etc/passwd", "etc passwd"),
        ("/absolute", "absolute"),
        (r"C:\x", "C x"),
        ("nul\0byte", "nul byte"),
        ("a film . ", "a film"),
        ("-vf crop", "vf crop"),
        (".hidden", "hidden"),
        ("gnp.\u202eexe", "gnp. exe"),
        ("<img src=x onerror=alert()>", "img src x onerror alert()"),
        ("كرة 球 é", "كرة 球 é"),
        ("clip (2)_final+v1", "clip (2)_final+v1"),
        *((text, "clip") for text in ("", "...", "CON", "con.mp4", "lpt1", "🎬", "\ud800", " ")),
    ],
)
def test_a_name_is_one_that_every_system_can_hold(tmp_path: Path, text: str, name: str) -> None:
    assert safe_name(text, otherwise="clip") == name
    (tmp_path / f"{name}.mp4").write_bytes(b"")


@pytest.mark.parametrize("letter", ["x", "é", "球"])
def test_a_long_name_is_cut_between_letters(letter: str) -> None:
    name = safe_name(letter * 300, otherwise="clip")
    assert set(name) == {letter} and 145 < len(name.encode()) <= 150


def test_a_name_that_is_taken_is_numbered(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"")
    (tmp_path / "clip-2.mp4").symlink_to("nowhere")
    assert unused_path(tmp_path, "clip", ".mp4").name == "clip-3.mp4"
