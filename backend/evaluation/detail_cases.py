"""Held-out scenes as drafts and as they truly are four times larger, and clips refined from the drafts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice

import numpy as np

from backend.errors import WeightsError
from backend.evaluation.cases import held_out_scenes, rendered
from backend.evaluation.naturalness import Statistics, statistics_of, unnaturalness
from backend.models.abilities import FinishingEngine
from backend.models.engine import Engine
from backend.pipelines.clip import Clip
from backend.pipelines.detail import Draft, enlarged, make_detail, part_of
from backend.requests import DetailRequest

SIDE = 512
_REFERENCE_SEED = 500  # scenes that clips come from have seeds far below
_REFERENCES = 4  # pictures of 256 patches each
_JUDGED_FRAMES = 3
_NO_FILE = "0" * 64
_NO_FRAMES = np.zeros((0, 8, 8, 3), np.uint8)


@dataclass(frozen=True)
class DetailCase:
    """A scene no training saw: its words, its draft, and its frames (T, 512, 512, 3) uint8 in truth.

    draft: the scene rendered at the size of a draft. natural: statistics of other scenes of the same place.
    """

    prompt: str
    place: str
    draft: Draft
    truth: np.ndarray
    natural: Statistics

    def unnaturalness(self, frames: np.ndarray) -> float:
        """Return the own-NIQE of `frames` (T, H, W, 3) uint8, as `judged` does."""
        return judged(frames, self.natural)


def missing_refiner(engine: Engine) -> str:
    """Return one sentence that says why `engine` cannot add detail, or the empty string where it can."""
    if engine.spec.detail is None:
        return f"{engine.spec.title} adds no detail yet: its refiner is not installed."
    try:
        engine.refiner(engine.spec.detail.degradation_step)
        if engine.spec.detail.has_finisher and isinstance(engine, FinishingEngine):
            engine.finish(_NO_FRAMES, _NO_FRAMES)
    except WeightsError as exc:
        return str(exc)
    return ""


def detail_cases(
    places: Sequence[str], *, per_place: int, num_frames: int, engine: Engine
) -> list[DetailCase]:
    """Return `per_place` scenes of each of `places`, with drafts of the size of those of `engine`."""
    side = min(engine.spec.sizes["1:1"])
    cases = []
    for place in places:
        natural = natural_of(place)
        scenes = (each for each in held_out_scenes("clip", num_frames=num_frames) if each[0].place == place)
        for scene, prompt in islice(scenes, per_place):
            draft = Draft(rendered(scene, side=side), float(engine.spec.frame_rate))
            cases.append(DetailCase(prompt, place, draft, rendered(scene, side=SIDE), natural))
    return cases


def asked(engine: Engine, prompt: str, *, seed: int, steps: int) -> DetailRequest:
    """Return the request for detail in `steps` steps, all else as usual; its draft is handed over."""
    return DetailRequest(
        engine=engine.spec.name, source=_NO_FILE, prompt=prompt, seed=seed, num_inference_steps=steps
    )


def refined(engine: Engine, case: DetailCase, *, seed: int, steps: int) -> Clip:
    """Return the clip that `engine` makes of the draft of `case`."""
    return make_detail(engine, asked(engine, case.prompt, seed=seed, steps=steps), case.draft)


def bicubic(engine: Engine, draft: Draft) -> np.ndarray:
    """Return `draft` enlarged without a network, as the refiner is given it."""
    request = asked(engine, "", seed=0, steps=1)
    frames = enlarged(draft, part_of(request, draft), frame_rule=engine.spec.frame_rule)
    return frames[: len(draft.frames)]


def judged(frames: np.ndarray, natural: Statistics) -> float:
    """Return the own-NIQE of the first, the middle and the last of `frames` (T, H, W, 3) uint8."""
    picked = np.linspace(0, len(frames) - 1, min(_JUDGED_FRAMES, len(frames))).round().astype(int)
    return unnaturalness(frames[picked], natural)


@cache
def natural_of(place: str) -> Statistics:
    """Return the statistics of pictures of held-out scenes of `place`, others than clips come from."""
    scenes = held_out_scenes("picture", num_frames=1, first_seed=_REFERENCE_SEED)
    of_place = (scene for scene, _ in scenes if scene.place == place)
    pictures = [rendered(scene, side=SIDE) for scene in islice(of_place, _REFERENCES)]
    return statistics_of(np.concatenate(pictures))
