"""FlashVideo's claims (arXiv 2502.05179): few steps from the draft add detail, and keep what it shows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.evaluation.ablation import KINDS
from backend.evaluation.cases import Case
from backend.evaluation.detail_cases import (
    DetailCase,
    asked,
    bicubic,
    judged,
    missing_refiner,
    natural_of,
    refined,
)
from backend.evaluation.figures import Figure
from backend.evaluation.finding import Finding
from backend.evaluation.metrics import psnr
from backend.evaluation.runs import request
from backend.evaluation.sweep import FEW, MANY, sweep_figures, sweep_findings, sweep_steps
from backend.models.engine import Engine
from backend.pipelines.clip import Clip, make_clip
from backend.pipelines.detail import Draft, make_detail

_LEAST_GAIN_DB = 1.0
_MOTION_WITHIN = 0.10
_STEPS = (1, FEW, MANY)


def left_out(engine: Engine) -> str:
    """Return one sentence on what cannot be measured on `engine`, or the empty string."""
    missing = missing_refiner(engine)
    return f"What detail adds and keeps is left out: {missing}" if missing else ""


@dataclass(frozen=True)
class Detailed:
    """A draft that stage I made of a prompt that names `place`, and the clip refined from it."""

    place: str
    draft: Draft
    clip: Clip


def detail(
    engine: Engine, cases: Sequence[DetailCase], prompts: Sequence[Case]
) -> tuple[list[Finding], list[Figure]]:
    """Return what detail adds to true drafts and to drafts made of `prompts`, and the curves over steps."""
    clips = [refined(engine, case, seed=seed, steps=FEW).frames for seed, case in enumerate(cases)]
    sweep = sweep_steps(engine, _one_a_place(cases), _STEPS)
    seconds = len(cases[0].truth) / engine.spec.frame_rate
    details = made_details(engine, prompts, duration_seconds=seconds)
    findings = [
        gain(engine, cases, clips),
        naturalness(engine, details),
        *sweep_findings(sweep),
        *kept([each.clip for each in details], least_similarity=_least_similarity(engine)),
    ]
    return findings, sweep_figures(sweep)


def gain(engine: Engine, cases: Sequence[DetailCase], clips: Sequence[np.ndarray]) -> Finding:
    """Return how much closer to the truth `clips` (T, H, W, 3) are than the enlarged drafts of `cases`."""
    ours = [psnr(clip, case.truth) for clip, case in zip(clips, cases, strict=True)]
    theirs = [psnr(bicubic(engine, case.draft), case.truth) for case in cases]
    difference = float(np.mean(ours) - np.mean(theirs))
    return Finding(
        "scenes refined from true low-resolution renders",
        f"at least {_LEAST_GAIN_DB:g} dB closer to the truth than bicubic",
        f"{np.mean(ours):.1f} dB against {np.mean(theirs):.1f} dB over {len(cases)}: {difference:+.1f} dB",
        difference >= _LEAST_GAIN_DB,
    )


def naturalness(engine: Engine, details: Sequence[Detailed]) -> Finding:
    """Return the own-NIQE of `details` beside that of their enlarged drafts, for every place."""
    scores: dict[str, list[tuple[float, float]]] = {}
    for each in details:
        frames = (each.clip.frames, bicubic(engine, each.draft))
        ours, theirs = (judged(shown, natural_of(each.place)) for shown in frames)
        scores.setdefault(each.place, []).append((ours, theirs))
    means = {place: np.mean(pairs, axis=0).tolist() for place, pairs in sorted(scores.items())}
    better = sum(ours < theirs for ours, theirs in means.values())
    listed = ", ".join(f"{place} {ours:.2f} to {theirs:.2f}" for place, (ours, theirs) in means.items())
    return Finding(
        "own-NIQE of detail against bicubic, of drafts of stage I",
        "lower on every class of scenes (FlashVideo: 11.81 to 5.36 from stage I to II)",
        f"on {better} of {len(means)}, over {len(details)}: {listed}",
        better == len(means),
    )


def made_details(engine: Engine, prompts: Sequence[Case], *, duration_seconds: float) -> list[Detailed]:
    """Return clips refined from drafts that `engine` made of `prompts`, as long as it can at least."""
    details, seconds = [], max(duration_seconds, engine.spec.duration_range[0])
    for seed, case in enumerate(prompts):
        clip = make_clip(engine, request(engine, case.prompt, seed=seed, duration_seconds=seconds))
        draft = Draft(clip.frames, float(clip.frame_rate))
        made = make_detail(engine, asked(engine, case.prompt, seed=seed, steps=FEW), draft)
        details.append(Detailed(case.asked["place"], draft, made))
    return details


def kept(details: Sequence[Clip], *, least_similarity: float) -> list[Finding]:
    """Return how alike `details`, scaled down, are to their drafts, and how alike they move."""
    alike = [float(clip.facts["similarity"]) for clip in details]
    changes = [_motion_change(clip) for clip in details]
    return [
        Finding(
            "SSIM of the clip, scaled down, with its draft",
            f"at least {least_similarity:g} on the median scene",
            f"{np.median(alike):.3f}, least {min(alike):.3f}, over {len(alike)}",
            float(np.median(alike)) >= least_similarity,
        ),
        Finding(
            "motion of the clip and of its draft",
            f"within {_MOTION_WITHIN:.0%} on the median scene",
            f"{np.median(changes):.1%}, most {max(changes):.1%}, over {len(changes)}",
            float(np.median(changes)) <= _MOTION_WITHIN,
        ),
    ]


def ablation(path: Path) -> list[Finding]:
    """Return what `backend.evaluation.ablation` wrote to `path`; nothing if it was never run."""
    if not path.exists():
        return []
    result = json.loads(path.read_text(encoding="utf-8"))
    none, pixel, both = (float(result["unnaturalness"][kind]) for kind in KINDS)
    return [
        Finding(
            "own-NIQE of drafts refined after training without degradation, with that of pixels, with both",
            "falls each time (FlashVideo: 12.02, 4.95, 4.69)",
            f"{none:.2f}, {pixel:.2f}, {both:.2f} over {result['drafts']}",
            none > pixel > both,
        )
    ]


def _motion_change(clip: Clip) -> float:
    """Return by what share the motion of `clip` differs from that of its draft; 0 where both are still."""
    before, after = (float(clip.facts[name]) for name in ("draft_motion", "detail_motion"))
    return abs(after - before) / before if before else float(after > 0)


def _least_similarity(engine: Engine) -> float:
    assert engine.spec.detail is not None
    return engine.spec.detail.least_similarity


def _one_a_place(cases: Sequence[DetailCase]) -> list[DetailCase]:
    return [*{case.place: case for case in cases}.values()]
