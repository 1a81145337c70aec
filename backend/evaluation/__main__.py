"""Measure Kinora Pocket:  python launcher.py evaluate [--quick] [--out DIR] [--log FILE ...]

Every figure lands in one report, beside the relation that a paper found or that we set ourselves, met or not.
The quick form asks for few clips: it shows that the measures run, its figures are coarse.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.config import load_settings
from backend.errors import StudioError
from backend.evaluation import flashvideo, lumina, stiv, videojam
from backend.evaluation.cases import held_out_cases, true_clips
from backend.evaluation.detail_cases import detail_cases
from backend.evaluation.faithfulness import faithfulness
from backend.evaluation.figures import Figure, training_curve
from backend.evaluation.finding import Finding
from backend.evaluation.report import Section, write_report
from backend.evaluation.sound import all_of_sound
from backend.evaluation.sound_cases import sounding_scenes
from backend.evaluation.sound_sampler import load_members
from backend.evaluation.sound_verifier import SoundVerifier
from backend.evaluation.verifier import Verifier
from backend.models.engine import Engine
from backend.models.registry import load_engine
from backend.training.world import words

_ASSETS = Path(__file__).parent.parent.parent / "assets" / "evaluation"
_STILL_PROMPTS = (
    "a red ball bounces on a green meadow",
    "a blue cube spins in a studio",
    "a yellow ring rolls left across the snow",
    "a purple cone swings at night",
)
_SCORES = (1.0, 2.0, 4.0, 8.0)
_STORY_FRAMES, _STORY_STRIDE = 129, 4
_DETAIL = "Detail (FlashVideo)"
_SOUND = "Sound (Lumina-V2A)"


@dataclass(frozen=True)
class Amount:
    """How many clips each measure asks for; for detail: scenes of every one of `places`, and their frames."""

    prompts: int
    scenes: int
    few: int
    motion_prompts: int
    places: int
    per_place: int
    details: int
    detail_frames: int
    sounds: int


FULL = Amount(200, 100, 24, motion_prompts=4, places=8, per_place=2, details=9, detail_frames=17, sounds=32)
QUICK = Amount(2, 1, 1, motion_prompts=1, places=1, per_place=1, details=1, detail_frames=5, sounds=2)


def evaluate(
    engine: Engine, verifier: Verifier, amount: Amount, *, tell: Callable[[str], None]
) -> list[Section]:
    """Return all sections of the report on `engine`; `tell` hears which measure begins."""
    side = min(engine.spec.sizes["1:1"])
    frames = engine.spec.num_frames(2.0)
    truths = true_clips(amount.scenes, num_frames=frames, side=side)
    views = true_clips(amount.few, num_frames=frames, side=side, kind="view")
    stories = true_clips(amount.few, num_frames=_STORY_FRAMES, side=side, kind="story")
    cases, prompts = held_out_cases(amount.prompts), _STILL_PROMPTS[: amount.motion_prompts]
    few, coherent = cases[: max(1, amount.prompts // 4)], [case.prompt for case in cases[: amount.few]]
    runs: dict[str, Callable[[], list[Finding]]] = {
        "Prompt faithfulness": lambda: faithfulness(engine, verifier, cases)[0],
        "Motion strength (Lumina-Video)": lambda: lumina.motion_control(engine, prompts, _SCORES),
        "Patch sizes (Lumina-Video)": lambda: [
            *lumina.patch_times(engine),
            *lumina.combined_schedule(engine, verifier, few),
        ],
        "Given frames (STIV)": lambda: [
            *stiv.given_frames(engine, truths),
            *stiv.upsampling(engine, truths[: amount.few]),
            *stiv.key_frames(engine, stories, stride=_STORY_STRIDE),
            *stiv.views(engine, views),
        ],
        "Joint guidance (STIV)": lambda: stiv.joint_guidance(engine, truths[: amount.few]),
        "Motion channels (VideoJAM)": lambda: [
            *videojam.permutation(_ASSETS / "permutation.json"),
            *videojam.coherence(engine, coherent),
        ],
    }
    sections = []
    for title, run in runs.items():
        tell(title)
        started = time.perf_counter()
        findings = run()
        sections.append(Section(title, findings, seconds=time.perf_counter() - started))
    tell(_DETAIL)
    return [*sections, detail_section(engine, amount, [case.prompt for case in cases[: amount.details]])]


def detail_section(engine: Engine, amount: Amount, prompts: Sequence[str]) -> Section:
    """Return what stage II does to true drafts of every place, and to drafts made of `prompts`."""
    started = time.perf_counter()
    left_out = flashvideo.left_out(engine)
    findings, figures = flashvideo.ablation(_ASSETS / "ablation.json"), list[Figure]()
    if not left_out:
        scenes = detail_cases(
            [*words.PLACES][: amount.places],
            per_place=amount.per_place,
            num_frames=amount.detail_frames,
            engine=engine,
        )
        found, figures = flashvideo.detail(engine, scenes, prompts)
        findings = [*found, *findings]
    seconds = time.perf_counter() - started
    return Section(_DETAIL, findings, seconds=seconds, figures=figures, left_out=left_out)


def training_section(logs: Sequence[Path]) -> list[Section]:
    """Return the curves of the trainings that `logs` tell of; nothing without any. Raises MediaError."""
    figures = [training_curve(log) for log in logs]
    return [Section("Training", [], seconds=0.0, figures=figures)] if figures else []


def sound_section(engine: Engine, family: Path, amount: Amount) -> Section:
    """Return the section on the sound members in the folder `family`, where they are there."""
    if not ((family / "soundtrack").exists() and (_ASSETS / "sound_verifier").exists()):
        left_out = "Sound is not measured: train soundtrack and sound-verifier first."
        return Section(_SOUND, [], seconds=0.0, left_out=left_out)
    started = time.perf_counter()
    verifier = SoundVerifier.from_pretrained(_ASSETS / "sound_verifier", use_safetensors=True).float().eval()
    scenes = {kind: sounding_scenes(kind, amount.sounds) for kind in ("striking", "lasting", "still")}
    findings = all_of_sound(load_members(family), verifier, scenes, engine.encode)
    return Section(_SOUND, findings, seconds=time.perf_counter() - started)


def main(arguments: list[str] | None = None) -> int:
    """Write the report that `arguments` ask for and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python launcher.py evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="few clips: minutes instead of most of an hour")
    parser.add_argument("--out", type=Path, default=_ASSETS, help="folder of the report")
    parser.add_argument("--log", type=Path, nargs="+", default=[], help="log.jsonl of trainings, to be drawn")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not (_ASSETS / "verifier" / "config.json").exists():
        print(
            "The verifier is missing; train it with: python launcher.py train verifier --minutes 10",
            file=sys.stderr,
        )
        return 1
    weights, amount = load_settings().weights_dir, QUICK if options.quick else FULL
    try:
        trained = training_section(options.log)
        engine = load_engine("kinora-pocket", weights_dir=weights, device=options.device)
    except StudioError as exc:
        print(exc, file=sys.stderr)
        return 1
    verifier = Verifier.from_pretrained(_ASSETS / "verifier", use_safetensors=True).float().eval()
    sections = evaluate(engine, verifier, amount, tell=lambda line: print(line, file=sys.stderr))
    print(_SOUND, file=sys.stderr)
    sections.append(sound_section(engine, weights / engine.spec.folder, amount))
    command = "python launcher.py evaluate" + (" --quick" if options.quick else "")
    path = write_report(options.out, [*sections, *trained], engine=engine, command=command)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
