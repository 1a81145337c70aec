"""`export` on the command line: a file, or the clip of a generation."""

import json
from pathlib import Path

import numpy as np
import pytest

from backend.api import Api
from backend.cli import main
from backend.config import Settings
from backend.media.metadata import read_comment
from backend.media.probe import probe
from backend.media.video import write_video
from backend.requests import ClipRequest
from tests.conftest import TINY
from tests.waiting import ended


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "-a clip.mp4"
    write_video(path, np.zeros((9, 32, 48, 3), np.uint8), frame_rate=16, metadata={"kinora": {"request": {}}})
    return path


def export(*words: object, data_dir: Path) -> int:
    return main(["export", *map(str, words), "--data", str(data_dir)], extra_engines=TINY)


def test_a_file_is_exported_as_every_flag_says(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.webm"
    flags = ["--format", "webm", "--size", "64", "--frame-rate", "8", "--loops", "2", "--no-metadata"]
    flags += ["--quality", "small", "--out", str(out), "--json"]
    assert export(clip, *flags, data_dir=tmp_path / "data") == 0
    made = json.loads(capsys.readouterr().out)
    facts = probe(out)
    assert (facts.codec, facts.width, facts.height) == ("vp9", 96, 64)
    assert facts.frame_rate == pytest.approx(8, rel=0.02) and facts.num_frames == 9
    assert read_comment(out) == "" and made["out"] == str(out)
    assert made["settings"]["quality"] == "small"


def test_without_a_place_it_lies_in_the_data_folder(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(clip, data_dir=tmp_path / "data") == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "data" / "exports" / "a clip.mp4")


def test_a_generation_is_exported_by_its_id(tmp_path: Path, settings: Settings) -> None:
    with Api.open(settings, warm_engine=None, extra_engines=TINY) as api:
        (id,) = api.submit(ClipRequest(prompt="a ball", engine="tiny", num_inference_steps=1, seed=1))
        ended(api, id)
    assert export(id, "--format", "gif", "--out", tmp_path / "ball.gif", data_dir=settings.data_dir) == 0
    assert probe(tmp_path / "ball.gif").codec == "gif"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ([], 2, "Name the video or the generation to export"),
        (["clip", "--format", "exe"], 2, "Format must be one of mp4, webm, gif, png, wav; you gave 'exe'."),
        (["clip", "--size", "big"], 2, "Size must be a whole number from 16 to 4320; you gave 'big'."),
        (["clip", "--format", "wav"], 1, "This clip has no sound to export; choose another format."),
        (["nothing"], 1, "There is no generation 'nothing'; it may be in another data folder."),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, sentence: str
) -> None:
    given = [str(clip) if word == "clip" else word for word in words]
    assert export(*given, data_dir=tmp_path / "data") == code
    assert capsys.readouterr().err.strip().startswith(sentence)
