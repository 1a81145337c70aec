"""What a creator is told before anything is begun: no room on the disk, no ffmpeg."""

from collections.abc import Iterator

import pytest

from backend.api import Api
from backend.config import Settings
from backend.errors import ResourceError
from backend.models.kinora.spec import KINORA_POCKET
from backend.pipelines.plan import predicted_pixels
from backend.requests import ClipRequest, DetailRequest
from tests.conftest import TINY
from tests.tiny_engine import SPEC


@pytest.fixture
def studio(settings: Settings) -> Iterator[Api]:
    engines = (*TINY, "tests.vast_engine:make")
    with Api.open(settings, warm_engine=None, extra_engines=engines) as api:
        yield api


def test_a_clip_without_room_is_refused_with_the_estimate_before_anything_is_stored(studio: Api) -> None:
    request = ClipRequest(prompt="a ball", engine="vast", aspect_ratio="1:1", duration_seconds=2)
    with pytest.raises(ResourceError, match=r"^This clip needs about 581 TB and the disk has .* free;"):
        studio.submit(request)
    assert studio.generations() == [] and not studio.settings.outputs_dir.exists()


def test_every_variation_needs_its_own_room(studio: Api) -> None:
    request = ClipRequest(prompt="a ball", engine="vast", aspect_ratio="1:1", duration_seconds=2)
    with pytest.raises(ResourceError, match=r"^This needs about 1\.2 PB"):
        studio.submit(request, variations=2)


def test_pixels_are_counted_over_all_frames() -> None:
    clip = ClipRequest(prompt="a ball", duration_seconds=2, aspect_ratio="1:1")
    width, height = KINORA_POCKET.sizes["1:1"]
    assert predicted_pixels(clip, KINORA_POCKET) == KINORA_POCKET.num_frames(2) * width * height
    detail = DetailRequest(source="0" * 64, engine="tiny", target_size=512)
    assert predicted_pixels(detail, SPEC) >= 33 * 512 * 512


def test_without_ffmpeg_the_studio_opens_and_says_so(studio: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    before = studio.status().problems
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    (told,) = (problem for problem in studio.status().problems if problem not in before)
    assert told.startswith("The ffmpeg program cannot be started (no such program); run `python launcher.py")
