"""A worker that is killed while it makes a sound: the sound is made all the same, and is the same."""

import pytest

from backend.api import Api, Generation
from tests.jobs.dying import REQUEST, arm
from tests.waiting import ended

pytestmark = pytest.mark.faults

MOMENTS = (
    "sound velocities 1",
    "sound velocities 5",
    "sound decode 1",
    "rename .wav 1",
    "rename .mp4 1",
    "rename .jpg 1",
)


@pytest.fixture(scope="module")
def clip(mortal: Api) -> Generation:
    return ended(mortal, mortal.submit(REQUEST)[0])


def sound(studio: Api, clip: Generation) -> Generation:
    request = studio.sounds.request(clip.id, num_inference_steps=8, seed=5)
    return ended(studio, studio.submit(request, parents=[clip.id])[0])


@pytest.fixture(scope="module")
def undisturbed(mortal: Api, clip: Generation) -> Generation:
    return sound(mortal, clip)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_sound_survives_its_worker(
    mortal: Api, clip: Generation, undisturbed: Generation, moment: str
) -> None:
    armed = arm(mortal.settings.weights_dir, moment, victim="worker")
    made = sound(mortal, clip)
    assert not armed.exists(), "nobody died"
    assert (made.status, made.attempt) == ("done", 2)
    assert [each.sha256 for each in made.outputs] == [each.sha256 for each in undisturbed.outputs]
