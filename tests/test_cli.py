import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from backend.api import Api
from backend.cli import main
from backend.config import Settings
from backend.door import find_running_studio
from backend.media.audio import read_sound, read_written
from backend.media.files import sha256_of
from backend.media.video import read_frames, write_video
from backend.requests import ClipRequest
from studio.endpoints import add_endpoints
from tests.conftest import TINY

BALL = "a red ball"


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """An exported file whose request asks for the tiny engine."""
    request = ClipRequest(prompt=BALL, engine="tiny", seed=7, num_inference_steps=8, duration_seconds=1)
    made = {"kinora": {"request": request.model_dump()}}
    path = tmp_path / "made.mp4"
    write_video(path, np.zeros((5, 32, 32, 3), np.uint8), frame_rate=16, metadata=made)
    return path


@pytest.fixture
def door(tiny_studio: Api) -> Iterator[Path]:
    """The door of a studio that answers on a port of its own."""
    with gr.Blocks(analytics_enabled=False) as page:
        add_endpoints(tiny_studio)
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
    path = tiny_studio.settings.door_path
    path.write_text(json.dumps({"url": url, "pid": 1, "token": "secret"}))
    yield path
    path.unlink()
    page.close()


def generate(*arguments: object, data_dir: Path) -> int:
    return main(["generate", *map(str, arguments), "--data", str(data_dir)], extra_engines=TINY)


BAD = [
    ([""], "Prompt must be text of 1 to 10,000 characters; you gave ''."),
    (["a" * 10_001], "you gave 10,001 characters."),
    (["half \udcff of a letter"], "lone surrogate"),
    ([], "Prompt is missing"),
    ([BALL, "--frame", "dawn.png"], "--frame takes N:FILE, such as 48:dawn.png; you gave dawn.png."),
    ([BALL, "--seed", "-1"], "you gave '-1'."),
    ([BALL, "--seed", str(2**63)], "at most 9223372036854775807; you gave '9223372036854775808'."),
    ([BALL, "--seed", "abc"], "you gave 'abc'."),
    ([BALL, "--seed", "1.5"], "you gave '1.5'."),
    ([BALL, "--seconds", "0"], "Seconds must be a number of more than 0"),
    ([BALL, "--seconds", "1000"], "between 0.5 and 4 for Kinora Pocket; you asked for 1000."),
    ([BALL, "--aspect", "2:1"], "one of 1:1, 4:3, 3:4, 16:9, 9:16; you gave '2:1'."),
    ([BALL, "--guidance", "nan"], "Text guidance must be a number of at least 1 and at most 30"),
    ([BALL, "--steps", "0"], "you gave '0'."),
    ([BALL, "--variations", "many"], "from 1 to 16; you gave 'many'."),
    ([BALL, "--out", "/"], "--out must name a file; / is a folder."),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=lambda value: ascii(value)[:30])
def test_bad_request_exits_2_with_one_sentence(
    arguments: list[str], words: str, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate(*arguments, data_dir=settings.data_dir) == 2
    told = capsys.readouterr()
    assert words in told.err
    assert told.err.count("\n") == 1 and told.out == ""
    assert not settings.data_dir.exists()


def test_refusal_is_an_object_with_json(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(BALL, "--seed", "abc", "--json", data_dir=settings.data_dir) == 2
    assert "you gave 'abc'" in json.loads(capsys.readouterr().out)["error"]


def test_file_that_is_no_clip_is_refused(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate("--from", settings.data_dir / "no.mp4", data_dir=settings.data_dir) == 1
    assert "no.mp4 does not exist" in capsys.readouterr().err


def test_taken_folder_exits_1(tiny_studio: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(BALL, data_dir=tiny_studio.settings.data_dir) == 1
    assert "Kinora is already running on" in capsys.readouterr().err


def test_clip_is_made_without_a_studio(
    exported: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    out = settings.data_dir.parent / "new" / "ball.mp4"
    code = generate("--from", exported, "--seconds", 0.5, "--json", "--out", out, data_dir=settings.data_dir)
    told = capsys.readouterr()
    result = json.loads(told.out)
    assert code == 0
    assert [result[name] for name in ("seed", "frames", "frame_rate", "engine")] == [7, 9, 16, "tiny"]
    assert result["network_passes"] == 16
    assert Path(result["outputs"][0]["path"]).is_absolute()
    assert sha256_of(out) == result["outputs"][0]["sha256"]
    assert "done" in told.err


def test_variations_go_through_the_running_studio(
    exported: Path, door: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--from", exported, "a blue cube", "--variations", 2, "--json", "--out", tmp_path / "c.mp4")
    assert generate(*arguments, data_dir=door.parent) == 0
    results = json.loads(capsys.readouterr().out)["generations"]
    assert [result["seed"] for result in results] == [7, 8]
    hashes = [sha256_of(tmp_path / name) for name in ("c-1.mp4", "c-2.mp4")]
    assert [result["outputs"][0]["sha256"] for result in results] == hashes


def test_failure_in_the_running_studio_exits_1(
    exported: Path, door: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate("--from", exported, "nan", data_dir=door.parent) == 1
    assert "invalid at step 1 of 8" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"url": "http://127.0.0.1:PORT", "token": "x"}'])
def test_stale_door_leads_nowhere(tmp_path: Path, content: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        free_port = str(listener.getsockname()[1])
    (tmp_path / "door.json").write_text(content.replace("PORT", free_port))
    assert find_running_studio(tmp_path / "door.json") is None


def test_ctrl_c_cancels_the_generation(exported: Path, settings: Settings) -> None:
    arguments = ["generate", "slowly", "--from", exported, "--steps", 100, "--data", settings.data_dir]
    code = (
        "import sys; from backend.cli import main; "
        f"sys.exit(main({[*map(str, arguments)]!r}, extra_engines={TINY!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as process:
        while not process.stderr.readline().startswith("sampling"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert "Canceled." in process.stderr.read()
    assert process.returncode == 130
    with Api.open(settings, warm_engine=None, extra_engines=TINY) as api:
        assert [each.status for each in api.generations()] == ["canceled"]


def test_pictures_and_motion_reach_the_clip_through_the_running_studio(
    exported: Path, door: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "last.png"
    Image.new("RGB", (64, 48), (20, 200, 20)).save(picture)
    out = tmp_path / "c.mp4"
    arguments = ("--from", exported, "--last-image", picture, "--motion", 3, "--preset", "fast", "--json")
    assert generate(*arguments, "--out", out, data_dir=door.parent) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["motion_asked"] == 3 and result["motion_measured"] > 0
    assert result["predicted_seconds"] > 0
    last = read_frames(out)[-1].astype(int)
    assert np.abs(last - (20, 200, 20)).mean() < 8  # H.264 at its usual quality


def test_picture_that_is_none_is_refused(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_text("no picture")
    assert generate(BALL, "--image", tmp_path / "a.png", data_dir=settings.data_dir) == 1
    assert "a.png is not an image" in capsys.readouterr().err


def test_clip_is_made_and_detailed_in_one_go(
    exported: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--seconds", 0.5, "--detail", "--fidelity", 100, "--json")
    assert generate("--from", exported, *flags, data_dir=settings.data_dir) == 0
    result = json.loads(capsys.readouterr().out)
    assert [result[name] for name in ("width", "height", "frames", "seed")] == [512, 512, 9, 7]
    assert result["similarity"] is not None
    with Api.open(settings, warm_engine=None, extra_engines=TINY) as studio:
        final, draft = studio.generations()
    assert (final.kind, draft.kind, final.parents) == ("detail", "clip", (draft.id,))
    assert final.request.prompt == BALL


def detail(*arguments: object, data_dir: Path) -> int:
    return main(["detail", *map(str, arguments), "--data", str(data_dir)], extra_engines=TINY)


def sound(*arguments: object, data_dir: Path) -> int:
    return main(["sound", *map(str, arguments), "--data", str(data_dir)], extra_engines=TINY)


def test_a_part_of_any_clip_is_detailed(
    exported: Path, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "probe.mp4"
    flags = ("--box", "0,0,0.5,0.5", "--steps", 2, "--out", out, "--json")
    assert detail(exported, *flags, data_dir=settings.data_dir) == 0
    assert json.loads(capsys.readouterr().out)["network_passes"] == 4
    assert read_frames(out).shape == (5, 256, 256, 3)


def test_detail_is_refused_before_the_clip_is_made(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate(BALL, "--detail", "--size", 720, data_dir=settings.data_dir) == 2
    assert "Target size must be one of 512, 1024" in capsys.readouterr().err
    assert not settings.data_dir.exists()


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        (detail, [], "Name the video to detail: detail CLIP."),
        (detail, ["--size", "720"], "Target size must be one of 512, 1024; you gave '720'."),
        (detail, ["--box", "0,0,2,1"], "Box must be left, top, right and bottom"),
        (detail, ["--fidelity", "1000"], "Fidelity to detail must be a whole number of at least 0"),
        (sound, [], "Name the video to give a sound: sound CLIP."),
        (sound, ["--guidance", "0"], "Text guidance must be a number of at least 1 and at most 30"),
        (sound, ["--steps", "101"], "Steps must be a whole number of at least 1 and at most 100"),
        (sound, ["--start", "1"], "give the take that it belongs to"),
    ],
)
def test_a_command_on_a_clip_that_is_not_allowed_exits_2_with_one_sentence(
    command: Callable[..., int],
    arguments: list[str],
    words: str,
    exported: Path,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip = [exported] if arguments else []
    assert command(*clip, *arguments, data_dir=settings.data_dir) == 2
    assert words in capsys.readouterr().err


def test_any_clip_gets_a_sound_and_the_sound_alone_is_written(
    exported: Path, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "heard.wav"
    flags = ("--steps", 2, "--prompt", "a bell", "--words-alone", "--out", out, "--json")
    assert sound(exported, *flags, data_dir=settings.data_dir) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["network_passes"], result["frames"], result["seed"]) == (4, 5, 7)
    assert len(read_written(out)[0]) == 5 * 3000


def test_clip_is_made_and_given_a_sound_in_one_go(
    exported: Path, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "heard.mp4"
    flags = ("--seconds", 0.5, "--sound", "--json", "--out", out)
    assert generate("--from", exported, *flags, data_dir=settings.data_dir) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 9
    assert len(read_sound(out)) == 9 * 3000
    with Api.open(settings, warm_engine=None, extra_engines=TINY) as studio:
        heard, clip = studio.generations()
    assert (heard.kind, clip.kind, heard.parents) == ("sound", "clip", (clip.id,))
