"""What an evaluation measures, section by section."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from backend.evaluation import flashvideo, lumina, stiv, videojam
from backend.evaluation.cases import Case, TrueClip, held_out_cases, true_clips
from backend.evaluation.detail_cases import detail_cases
from backend.evaluation.faithfulness import faithfulness
from backend.evaluation.figures import Figure, training_curve
from backend.evaluation.report import Section, digest
from backend.evaluation.sound import all_of_sound
from backend.evaluation.sound_cases import sounding_scenes
from backend.evaluation.sound_sampler import load_members
from backend.evaluation.sound_verifier import SoundVerifier
from backend.evaluation.verifier import Verifier
from backend.models.engine import Engine
from backend.training.world import words

ASSETS = Path(__file__).parent.parent.parent / "assets" / "evaluation"
TRAINING = "Training"
_UNFILMED_PROMPTS = (
    "a red ball bounces on a green meadow",
    "a blue cube spins in a studio",
    "a yellow ring rolls left across the snow",
    "a purple cone swings at night",
    "a green cylinder rolls to the right in the desert",
    "an orange egg wobbles on a beach at sunset",
    "a white diamond rises over the sea",
    "a pink star circles in a forest clearing",
)
"""One in every place, none of which says a camera, so that it may move as the score asks."""
_STORY_FRAMES, _STORY_STRIDE = 129, 4
_SOUND = ("sound_vae", "soundtrack", "text_encoder", "vae", "vocoder")
_BASE = ("text_encoder", "transformer", "vae")


@dataclass(frozen=True)
class Amount:
    """How many clips each measure asks for; for detail: scenes of every one of `places`, and their frames.

    scores: motion asked for, over the range of the slider.
    """

    prompts: int
    scenes: int
    few: int
    motion_prompts: int
    scores: tuple[float, ...]
    places: int
    per_place: int
    details: int
    detail_frames: int
    sounds: int


FULL = Amount(
    200,
    100,
    24,
    motion_prompts=8,
    scores=(2.0, 8.0, 20.0, 40.0),
    places=8,
    per_place=2,
    details=50,
    detail_frames=17,
    sounds=50,
)
QUICK = Amount(
    2, 1, 1, motion_prompts=1, scores=(2.0, 40.0), places=1, per_place=1, details=1, detail_frames=5, sounds=2
)


@dataclass(frozen=True)
class Subject:
    """The engine to be measured, whose weights are in `family`; who reads its clips; and how much of each."""

    engine: Engine
    verifier: Verifier
    amount: Amount
    family: Path

    @cached_property
    def cases(self) -> list[Case]:
        return held_out_cases(self.amount.prompts)

    @cached_property
    def truths(self) -> list[TrueClip]:
        """Return held-out clips as they truly are."""
        return self.true(self.amount.scenes, kind="clip")

    def true(self, count: int, *, kind: str, num_frames: int | None = None) -> list[TrueClip]:
        """Return `count` rendered scenes of `kind`, of two seconds or of `num_frames`."""
        spec = self.engine.spec
        return true_clips(
            count, num_frames=num_frames or spec.num_frames(2.0), side=min(spec.sizes["1:1"]), kind=kind
        )


@dataclass(frozen=True)
class Measure:
    """One section of the report: its title, the function that makes it, and the members it is about."""

    title: str
    run: Callable[[Subject], Section]
    members: tuple[str, ...] = _BASE


def measured(name: str, subject: Subject, *, command: str) -> Section:
    """Return the section of that name of `MEASURES`, timed and marked with the weights it is about."""
    measure, started = MEASURES[name], time.perf_counter()
    section = measure.run(subject)
    seconds, weights = time.perf_counter() - started, digest(subject.family, measure.members)
    return replace(section, seconds=seconds, command=command, members=measure.members, weights=weights)


def _faithfulness(subject: Subject) -> Section:
    findings, _ = faithfulness(subject.engine, subject.verifier, subject.cases)
    return Section(MEASURES["faithfulness"].title, findings)


def _motion(subject: Subject) -> Section:
    prompts = _UNFILMED_PROMPTS[: subject.amount.motion_prompts]
    return Section(
        MEASURES["motion"].title, lumina.motion_control(subject.engine, prompts, subject.amount.scores)
    )


def _patches(subject: Subject) -> Section:
    few = subject.cases[: max(1, subject.amount.prompts // 4)]
    findings = [
        *lumina.patch_times(subject.engine),
        *lumina.combined_schedule(subject.engine, subject.verifier, few),
    ]
    return Section(MEASURES["patches"].title, findings)


def _frames(subject: Subject) -> Section:
    engine, few = subject.engine, subject.amount.few
    stories = subject.true(few, kind="story", num_frames=_STORY_FRAMES)
    findings = [
        *stiv.given_frames(engine, subject.truths),
        *stiv.upsampling(engine, subject.truths[:few]),
        *stiv.key_frames(engine, stories, stride=_STORY_STRIDE),
        *stiv.views(engine, subject.true(few, kind="view")),
    ]
    return Section(MEASURES["frames"].title, findings)


def _guidance(subject: Subject) -> Section:
    findings = stiv.joint_guidance(subject.engine, subject.truths[: subject.amount.few])
    return Section(MEASURES["guidance"].title, findings)


def _channels(subject: Subject) -> Section:
    prompts = [case.prompt for case in subject.cases[: subject.amount.few]]
    findings = [
        *videojam.permutation(ASSETS / "permutation.json"),
        *videojam.coherence(subject.engine, prompts),
    ]
    return Section(MEASURES["channels"].title, findings)


def _detail(subject: Subject) -> Section:
    return detail_section(subject.engine, subject.amount, subject.cases[: subject.amount.details])


def _sound(subject: Subject) -> Section:
    return sound_section(subject.engine, subject.family, subject.amount)


MEASURES = {
    "faithfulness": Measure("Prompt faithfulness", _faithfulness),
    "motion": Measure("Motion strength (Lumina-Video)", _motion),
    "patches": Measure("Patch sizes (Lumina-Video)", _patches),
    "frames": Measure("Given frames (STIV)", _frames),
    "guidance": Measure("Joint guidance (STIV)", _guidance),
    "channels": Measure("Motion channels (VideoJAM)", _channels),
    "detail": Measure("Detail (FlashVideo)", _detail, (*_BASE, "refiner", "finisher")),
    "sound": Measure("Sound (Lumina-V2A)", _sound, _SOUND),
}
"""What can be measured, by the name that `evaluate --only` takes, in the order of the report."""


def detail_section(engine: Engine, amount: Amount, prompts: Sequence[Case]) -> Section:
    """Return what stage II does to true drafts of every place, and to drafts made of `prompts`."""
    left_out = flashvideo.left_out(engine)
    findings, figures = flashvideo.ablation(ASSETS / "ablation.json"), list[Figure]()
    if not left_out:
        scenes = detail_cases(
            [*words.PLACES][: amount.places],
            per_place=amount.per_place,
            num_frames=amount.detail_frames,
            engine=engine,
        )
        found, figures = flashvideo.detail(engine, scenes, prompts)
        findings = [*found, *findings]
    return Section(MEASURES["detail"].title, findings, figures=figures, left_out=left_out)


def training_section(logs: Sequence[Path]) -> list[Section]:
    """Return the curves of the trainings that `logs` tell of; nothing without any. Raises MediaError."""
    figures = [training_curve(log) for log in logs]
    return [Section(TRAINING, [], figures=figures)] if figures else []


def sound_section(engine: Engine, family: Path, amount: Amount) -> Section:
    """Return the section on the sound members in the folder `family`, where they are there."""
    title = MEASURES["sound"].title
    if not ((family / "soundtrack").exists() and (ASSETS / "sound_verifier").exists()):
        return Section(
            title, [], left_out="Sound is not measured: train soundtrack and sound-verifier first."
        )
    verifier = SoundVerifier.from_pretrained(ASSETS / "sound_verifier", use_safetensors=True).float().eval()
    scenes = {kind: sounding_scenes(kind, amount.sounds) for kind in ("striking", "lasting", "still")}
    return Section(title, all_of_sound(load_members(family), verifier, scenes, engine.encode))
