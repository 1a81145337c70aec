from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.evaluation.contact_sheet import contact_sheet, evenly_spaced, main
from backend.media.video import write_video
from tests.media.clips import one_colour


def _clip(path: Path, prompt: str) -> Path:
    shades = [one_colour((shade, 0, 0), num_frames=1) for shade in range(0, 251, 50)]
    metadata = {"kinora": {"request": {"prompt": prompt}}}
    write_video(path, np.concatenate(shades), frame_rate=16, metadata=metadata)
    return path


def test_frames_are_picked_from_first_to_last() -> None:
    assert evenly_spaced(33, picked=9) == [0, 4, 8, 12, 16, 20, 24, 28, 32]
    assert evenly_spaced(3, picked=9) == [0, 1, 2]


def test_a_row_shows_the_frames_below_its_label(tmp_path: Path) -> None:
    sheet = contact_sheet([_clip(tmp_path / "clip.mp4", "red")], num_frames=6, frame_height=32)
    pixels = np.array(sheet).astype(int)
    frames_row = pixels[sheet.height - 8 - 16]
    centres = [frames_row[8 + 16 + column * 34] for column in range(6)]
    assert np.allclose(centres, [(shade, 0, 0) for shade in range(0, 251, 50)], atol=8)  # H.264 at crf 16
    assert (pixels[8:22, 8:40] > 200).any()


def test_a_long_prompt_is_wrapped_within_its_row(tmp_path: Path) -> None:
    short = contact_sheet([_clip(tmp_path / "short.mp4", "red")])
    long = contact_sheet([_clip(tmp_path / "long.mp4", "a ball that slowly turns red " * 3 + "x" * 5000)])
    assert long.width == short.width and long.height > short.height


def test_clips_stand_side_by_side_in_columns(tmp_path: Path) -> None:
    clips = [_clip(tmp_path / f"{index}.mp4", "red") for index in range(3)]
    one, two = contact_sheet(clips), contact_sheet(clips, columns=2)
    assert two.width > 1.9 * one.width and two.height < 0.7 * one.height


def test_the_command_writes_the_sheet(tmp_path: Path) -> None:
    arguments = [str(tmp_path / "sheet.png"), str(_clip(tmp_path / "clip.mp4", "red")), "--height", "20"]
    assert main([*arguments, "--frames", "2"]) == 0
    assert Image.open(tmp_path / "sheet.png").format == "PNG"


@pytest.mark.parametrize(
    "arguments", [["gone.mp4"], ["clip.mp4", "--frames", "0"], ["clip.mp4", "--height", "x"]]
)
def test_a_wrong_command_ends_with_code_2(tmp_path: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "sheet.png"), *arguments])
    assert ended.value.code == 2
