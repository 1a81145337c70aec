"""A clip of an open model that was stopped on its way: it goes on, or begins again, to the same frames."""

from collections.abc import Iterator

import numpy as np
import pytest

from backend.api import Api
from backend.config import Settings
from backend.media.video import read_frames
from backend.models.adding import install_folder
from backend.requests import ClipRequest
from tests.models.tiny_open import write_ltx, write_wan
from tests.waiting import ended, sampling, until

STEPS = 30


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("resume")
    settings = Settings(data_dir=folder / "data", weights_dir=folder / "weights", device="cpu")
    wan, ltx = write_wan(folder / "wan"), write_ltx(folder / "ltx", takes_key_frames=True)
    install_folder(wan, name="wan", models_dir=settings.models_dir, short_side=64)
    install_folder(ltx, name="ltx", models_dir=settings.models_dir, short_side=96)
    with Api.open(settings, warm_engine=None) as api:
        yield api


@pytest.fixture(scope="module")
def undisturbed(studio: Api) -> dict[str, np.ndarray]:
    """Return engine -> the frames of its clip."""
    ids = {engine: studio.submit(asked(engine))[0] for engine in ("wan", "ltx")}
    return {engine: frames(studio, generation_id) for engine, generation_id in ids.items()}


def asked(engine: str) -> ClipRequest:
    return ClipRequest(
        prompt="a red ball", engine=engine, seed=7, num_inference_steps=STEPS, duration_seconds=1.5
    )


def frames(studio: Api, generation_id: str) -> np.ndarray:
    made = ended(studio, generation_id)
    assert made.status == "done", made.error
    return read_frames(studio.output_path(generation_id, "clip"))


@pytest.mark.parametrize("engine", ["wan", "ltx"])
def test_a_stopped_clip_goes_on_to_the_same_frames(
    studio: Api, undisturbed: dict[str, np.ndarray], engine: str
) -> None:
    (generation_id,) = studio.submit(asked(engine))
    sampling(studio, generation_id, step=5)
    studio.controls.pause(at_once=True)
    until(lambda: studio.status().worker == "stopped")
    assert studio.generation(generation_id).status == "queued"
    studio.controls.resume()
    assert np.array_equal(frames(studio, generation_id), undisturbed[engine])
    assert studio.generation(generation_id).attempt == 2


@pytest.mark.parametrize("engine", ["wan", "ltx"])
def test_a_canceled_clip_is_made_again_to_the_same_frames(
    studio: Api, undisturbed: dict[str, np.ndarray], engine: str
) -> None:
    (generation_id,) = studio.submit(asked(engine))
    sampling(studio, generation_id, step=2)
    studio.cancel(generation_id)
    until(lambda: studio.progress(generation_id) is None)
    assert studio.generation(generation_id).status == "canceled"
    studio.controls.retry(generation_id)
    assert np.array_equal(frames(studio, generation_id), undisturbed[engine])


def test_a_changed_plan_or_size_is_used_by_the_next_clip(studio: Api) -> None:
    request = ClipRequest(
        prompt="a red ball", engine="wan", seed=7, num_inference_steps=2, duration_seconds=0.6
    )
    before = ended(studio, studio.submit(request)[0])
    assert before.facts["device"].endswith(", whole")
    studio.models.change("wan", memory_plan="models", short_side=32)
    after = ended(studio, studio.submit(request)[0])
    assert after.status == "done", after.error
    assert after.facts["device"].endswith(", models")
    assert (before.facts["width"], after.facts["width"]) == (64, 32)
