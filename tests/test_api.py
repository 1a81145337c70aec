import json
import os
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import backend
from backend.api import Api
from backend.config import Settings
from backend.errors import MediaError, NotFoundError, RequestError, StoreError
from backend.media.video import read_frames
from backend.requests import MAX_SEED, ClipRequest
from tests.conftest import TINY
from tests.waiting import ended


def clip(**fields: object) -> ClipRequest:
    return ClipRequest(**{"prompt": "a red ball", "engine": "tiny", "num_inference_steps": 8} | fields)


def test_drawn_seed_is_stored_and_gives_the_same_clip_again(tiny_studio: Api) -> None:
    (first_id,) = tiny_studio.submit(clip())
    first = ended(tiny_studio, first_id)
    (second_id,) = tiny_studio.submit(first.request)
    second = ended(tiny_studio, second_id)
    assert first.request.seed == first.facts["seed"] == second.facts["seed"]
    assert first.outputs[0].sha256 == second.outputs[0].sha256


def test_variations_count_seeds_up_and_around(tiny_studio: Api) -> None:
    ids = tiny_studio.submit(clip(seed=MAX_SEED), variations=3)
    found = [ended(tiny_studio, generation_id) for generation_id in ids]
    assert [each.request.seed for each in found] == [MAX_SEED, 0, 1]
    assert len({each.outputs[0].sha256 for each in found}) == 3


def test_exported_file_opens_as_its_request(tiny_studio: Api, tmp_path: Path) -> None:
    (generation_id,) = tiny_studio.submit(clip(prompt="<b>كرة</b> 🌍\0 = ; # \\ \n", seed=7))
    generation = ended(tiny_studio, generation_id)
    exported = shutil.copy(tiny_studio.output_path(generation_id, "clip"), tmp_path / "ball.mp4")
    assert tiny_studio.request_from_file(exported) == generation.request


def test_file_without_a_request_is_refused(tiny_studio: Api, tmp_path: Path) -> None:
    (tmp_path / "ball.mp4").write_text("not a video")
    with pytest.raises(MediaError, match=r"ball\.mp4"):
        tiny_studio.request_from_file(tmp_path / "ball.mp4")


def test_newest_come_first_and_page_by_page(tiny_studio: Api) -> None:
    ids = tiny_studio.submit(clip(), variations=3)
    first = tiny_studio.generations(limit=2)
    second = tiny_studio.generations(limit=1, before=first[-1].id)
    assert [each.id for each in first + second] == ids[::-1]


def test_output_that_is_gone_is_said_so(tiny_studio: Api) -> None:
    (generation_id,) = tiny_studio.submit(clip())
    ended(tiny_studio, generation_id)
    tiny_studio.output_path(generation_id, "clip").unlink()
    with pytest.raises(NotFoundError, match=r"The clip of generation .* is not in the data folder"):
        tiny_studio.output_path(generation_id, "clip")


def test_generation_is_plain_json(tiny_studio: Api) -> None:
    (generation_id,) = tiny_studio.submit(clip(seed=7))
    shown = json.loads(json.dumps(ended(tiny_studio, generation_id).to_json()))
    assert (shown["status"], shown["request"]["seed"], shown["outputs"][0]["role"]) == ("done", 7, "clip")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (clip(engine="sora"), "Engine must be one of kinora-pocket, tiny; you gave 'sora'"),
        (clip(duration_seconds=1000), "Seconds must be between 0.25 and 4 for Tiny; you asked for 1000"),
        (clip(num_inference_steps=101), "Steps must be at most 100 for Tiny; you asked for 101"),
    ],
)
def test_what_the_engine_cannot_make_is_refused_and_not_stored(
    idle_studio: Api, request_: ClipRequest, words: str
) -> None:
    with pytest.raises(RequestError) as refusal:
        idle_studio.submit(request_)
    assert words in str(refusal.value)
    assert idle_studio.generations() == []


@pytest.mark.parametrize("variations", [0, 17])
def test_variations_are_limited(idle_studio: Api, variations: int) -> None:
    with pytest.raises(RequestError, match="from 1 to 16"):
        idle_studio.submit(clip(), variations=variations)


@pytest.mark.parametrize("call", [Api.generation, Api.cancel, Api.project])
def test_unknown_id_is_named(idle_studio: Api, call: object) -> None:
    with pytest.raises(NotFoundError, match="'no-such-id'"):
        call(idle_studio, "no-such-id")


def test_unknown_project_is_refused(idle_studio: Api) -> None:
    with pytest.raises(NotFoundError, match="no project 'nowhere'"):
        idle_studio.submit(clip(), project_id="nowhere")


def test_every_folder_has_one_first_project(settings: Settings) -> None:
    with Api.open(settings, warm_engine=None) as api:
        first = api.default_project()
    with Api.open(settings, warm_engine=None) as api:
        assert api.default_project() == first


def test_second_studio_on_a_folder_is_refused_with_the_pid(idle_studio: Api) -> None:
    with pytest.raises(StoreError, match=f"already running on .* as process {os.getpid()};"):
        Api.open(idle_studio.settings)


def test_studio_opens_without_weights_and_says_so(idle_studio: Api) -> None:
    status = idle_studio.status()
    assert (status.worker, status.queued, status.device) == ("stopped", 0, "cpu")
    (problem,) = status.problems
    assert "kinora-pocket/checksums.json is missing" in problem


def test_words_come_from_the_weights_folder(idle_studio: Api) -> None:
    folder = idle_studio.settings.weights_dir / "kinora-pocket"
    folder.mkdir(parents=True)
    (folder / "vocabulary.json").write_text(json.dumps({"shapes": ["ball"], "words": ["a", "ball"]}))
    assert idle_studio.known_words() == {"shapes": ["ball"]}
    assert idle_studio.unknown_words("A cat, a ball, a cat") == ["cat"]


def test_no_word_is_marked_without_a_vocabulary(idle_studio: Api) -> None:
    assert idle_studio.unknown_words("a cat") == []
    assert idle_studio.known_words(engine="tiny") == {}


def test_engines_are_listed(idle_studio: Api) -> None:
    assert [spec.name for spec in idle_studio.engines()] == ["kinora-pocket", "tiny"]


def test_closing_twice_is_fine_and_frees_the_folder(settings: Settings) -> None:
    api = Api.open(settings, warm_engine=None, extra_engines=TINY)
    project = api.default_project()
    api.close()
    api.close()
    with Api.open(settings, warm_engine=None) as reopened:
        assert reopened.default_project() == project


def test_version_is_the_one_of_the_package() -> None:
    project = tomllib.loads((Path(backend.__path__[0]).parent / "pyproject.toml").read_text())["project"]
    assert project.get("version", backend.__version__) == backend.__version__


def red_picture(folder: Path) -> Path:
    path = folder / "red.png"
    Image.new("RGB", (64, 64), (220, 20, 20)).save(path)
    return path


def test_a_given_picture_is_the_first_frame(tiny_studio: Api, tmp_path: Path) -> None:
    name = tiny_studio.inputs.add_image(red_picture(tmp_path))
    (generation_id,) = tiny_studio.submit(clip(image=name, seed=7))
    ended(tiny_studio, generation_id)
    first = read_frames(tiny_studio.output_path(generation_id, "clip"))[0].astype(int)
    assert np.abs(first - (220, 20, 20)).mean() < 8  # H.264 at its usual quality


def test_a_picture_that_is_not_there_is_refused(tiny_studio: Api) -> None:
    with pytest.raises(RequestError, match="The picture 000000000000… is not in the data folder") as caught:
        tiny_studio.submit(clip(last_image="0" * 64))
    assert caught.value.field == "last_image"


def test_motion_is_told_as_asked_and_as_measured(tiny_studio: Api) -> None:
    (generation_id,) = tiny_studio.submit(clip(motion_score=4, seed=7))
    facts = ended(tiny_studio, generation_id).facts
    assert facts["motion_asked"] == 4
    assert facts["motion_measured"] > 0


def test_seconds_are_predicted_once_the_engine_has_loaded(tiny_studio: Api) -> None:
    ended(tiny_studio, tiny_studio.submit(clip())[0])
    short, long = (tiny_studio.estimate(clip(duration_seconds=s)).seconds for s in (1, 4))
    assert short is not None and long is not None
    assert 0 < short < long


def test_seconds_are_not_predicted_without_a_measure(idle_studio: Api) -> None:
    assert idle_studio.estimate(clip()).seconds is None
