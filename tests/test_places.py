"""Odd places and odd words: a studio works in any folder, and keeps what a creator wrote to the letter."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.api import Api
from backend.config import Settings
from backend.errors import StoreError
from backend.media.metadata import read_metadata
from backend.requests import ClipRequest
from backend.store.library import Wanted
from tests.conftest import TINY
from tests.waiting import ended

ROOT = Path(__file__).parents[1]
PROMPTS = (
    "👩‍👩‍👧 a family 🌍",
    "كرة حمراء تقفز",
    "a ball\0with a gap",
    "%s {0} ${x} '; DROP TABLE jobs; --",
    "<img src=x onerror=alert(1)>",
    "two\nlines\\ and a backslash\\",
    "a" * 10_000,
)


def open_api(settings: Settings) -> Api:
    return Api.open(settings, warm_engine=None, extra_engines=TINY)


def test_prompts_are_the_same_to_the_letter_after_a_restart(settings: Settings) -> None:
    with open_api(settings) as api:
        api.controls.pause()
        ids = [api.submit(ClipRequest(prompt=prompt, engine="tiny"))[0] for prompt in PROMPTS]
    with open_api(settings) as api:
        assert tuple(api.generation(each).request.prompt for each in ids) == PROMPTS
        assert [each.request.prompt for each in api.library.page(Wanted(text="family"))] == [PROMPTS[0]]


def test_a_studio_works_in_a_folder_with_spaces_and_other_letters(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "ä b" / "数据 '\"", tmp_path / "no weights", device="cpu")
    with open_api(settings) as api:
        request = ClipRequest(prompt=PROMPTS[0], engine="tiny", num_inference_steps=1)
        generation = ended(api, api.submit(request)[0])
        assert (generation.status, generation.error) == ("done", None)
        made = read_metadata(api.exports.make(generation.id, {}).path)
    assert made["kinora"]["request"]["prompt"] == PROMPTS[0]


def test_without_a_home_there_is_a_folder_all_the_same() -> None:
    code = "from backend.config import load_settings; print(load_settings().data_dir)"
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "KINORA_DATA")}
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert Path(told.stdout.strip()).is_absolute()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match=f"{tmp_path}"):
        open_api(Settings(tmp_path / "data", tmp_path / "weights"))
    tmp_path.chmod(0o700)


def test_a_folder_in_which_nothing_can_be_made_is_named() -> None:
    with pytest.raises(StoreError, match="The data folder /proc/kinora cannot be used"):
        open_api(Settings(Path("/proc/kinora"), Path("/proc/weights")))
