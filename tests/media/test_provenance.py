"""The mark of exports that were made by AI: readable, private, and broken by any change."""

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.errors import RequestError
from backend.media.export import Exported, export
from backend.media.export_settings import export_settings
from backend.media.metadata import read_metadata
from backend.media.probe import probe
from backend.media.provenance import MADE_BY_AI, PARTLY_MADE_BY_AI, read_mark, source_type
from backend.media.sound_export import write_with_sound
from tests.media.clips import pattern_clip

PROMPT = "my secret garden"
EXPORT = """
import sys
from pathlib import Path
from backend.media.export import export
from backend.media.export_settings import export_settings
from backend.media.provenance import read_mark
source = Path(sys.argv[1])
target = source.with_name("out.mp4")
export(source, target, export_settings({}), device_dir=source.with_name("device"))
assert read_mark(target, media_type="video/mp4") is not None
"""
MADE = {"kinora": {"request": {"kind": "clip", "prompt": PROMPT}}}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A clip with sound that Kinora made."""
    silent = pattern_clip(tmp_path / "silent.mp4", size="64x48", rate="16", seconds=1)
    write_with_sound(tmp_path / "clip.mp4", silent, np.full((48_000, 1), 0.1, np.float32), metadata=MADE)
    return tmp_path / "clip.mp4"


def marked(source: Path, **settings: object) -> Exported:
    target = source.with_name(f"out.{settings.get('format', 'mp4')}")
    return export(source, target, export_settings(settings), device_dir=source.parent / "device")


@pytest.mark.parametrize("format", ["mp4", "gif", "wav"])
def test_an_export_says_that_it_was_made_by_ai_and_no_prompt(source: Path, format: str) -> None:
    made = marked(source, format=format, has_metadata=False)
    manifest = read_mark(made.path, media_type=made.media_type)
    (actions,) = [each for each in manifest["assertions"] if each["label"].startswith("c2pa.actions")]
    (action,) = actions["data"]["actions"]
    assert (action["action"], action["digitalSourceType"]) == ("c2pa.created", MADE_BY_AI)
    assert manifest["claim_generator_info"][0]["name"] == "Kinora"
    assert PROMPT.encode() not in made.path.read_bytes()


def test_a_changed_byte_breaks_the_mark(source: Path) -> None:
    made = marked(source)
    content = bytearray(made.path.read_bytes())
    content[content.index(b"mdat") + 1000] ^= 1
    made.path.write_bytes(content)
    assert read_mark(made.path, media_type=made.media_type) is None


def test_a_marked_clip_has_the_same_frames_sound_and_metadata(source: Path) -> None:
    made, plain = marked(source), export(source, source.with_name("plain.mp4"), export_settings({}))
    assert probe(made.path) == probe(plain.path)
    assert read_metadata(made.path)["kinora"]["request"] == MADE["kinora"]["request"]
    assert 0 < made.size_bytes - plain.size_bytes < 20_000


def test_there_is_no_mark_where_it_is_unwanted_or_would_be_untrue(source: Path, tmp_path: Path) -> None:
    unwanted = marked(source, has_provenance=False)
    assert read_mark(unwanted.path, media_type="video/mp4") is None
    camera = marked(pattern_clip(tmp_path / "camera.mp4", size="64x48", seconds=1))
    assert read_mark(camera.path, media_type="video/mp4") is None
    assert not (tmp_path / "device").exists()


def test_a_format_that_holds_no_mark_does_not_offer_to_leave_it_out(source: Path) -> None:
    assert marked(source, format="webm").path.is_file()
    with pytest.raises(RequestError, match="AI mark changes nothing in the format webm"):
        export_settings({"format": "webm", "has_provenance": False})


def test_what_somebody_filmed_is_only_partly_made_by_ai() -> None:
    sound = {"request": {"kind": "sound"}}
    assert source_type({"request": {"kind": "clip"}}) == MADE_BY_AI
    assert source_type({**sound, "clip": {"request": {"kind": "clip"}}}) == MADE_BY_AI
    assert source_type(sound) == source_type({"request": {"kind": "detail"}}) == PARTLY_MADE_BY_AI


def test_the_key_is_the_owners_alone_and_made_once(source: Path) -> None:
    marked(source)
    device = source.parent / "device"
    before = {path.name: path.read_bytes() for path in device.iterdir()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in device.iterdir()} == {0o600}
    marked(source)
    assert {path.name: path.read_bytes() for path in device.iterdir()} == before


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare to be without a network")
def test_a_mark_is_made_without_a_network(source: Path) -> None:
    command = ["unshare", "-rn", sys.executable, "-c", EXPORT, str(source)]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    if "unshare failed" in ended.stderr:
        pytest.skip("this machine lets no test be without a network")
    assert ended.returncode == 0, ended.stderr
