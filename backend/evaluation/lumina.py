"""Lumina-Video's claims (arXiv 2502.06782): motion follows its score, coarse patches save most time."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from backend.evaluation.cases import Case
from backend.evaluation.faithfulness import shares_right
from backend.evaluation.finding import Finding
from backend.evaluation.metrics import spearman
from backend.evaluation.runs import motion_of, request, sampled
from backend.evaluation.verifier import Verifier
from backend.guidance.text import NegativeMotion, TextGuidance
from backend.models.engine import Conditioning, Engine, Pass
from backend.pipelines.plan import Plan, plan_for
from backend.pipelines.sampling import initial_noise

_ROUNDS = 7
_TIMED_LATENTS = (8, 28, 32)  # frames, rows, columns: 1,792 tokens at the finest patch, 7 for each channel
_TIME_LIMITS = {2: 0.40, 3: 0.09}
_COMBINED_LIMIT, _FAITHFUL_WITHIN = 0.38, 0.03
_FLAT_SHARE = 0.5


def motion_control(engine: Engine, prompts: Sequence[str], scores: Sequence[float]) -> list[Finding]:
    """Return how measured motion follows the score asked for, and what the negative score does to it."""

    def measured(score: float, negative: float | None, until: float | None = None) -> float:
        """Return the mean over prompts; until: where the negative score ends, if not as usual."""
        return float(
            np.mean([_motion(engine, p, seed, score, negative, until) for seed, p in enumerate(prompts)])
        )

    got = np.array([[_motion(engine, p, seed, s, None) for s in scores] for seed, p in enumerate(prompts)])
    asked = np.tile(scores, (len(prompts), 1))
    correlation = spearman(asked.ravel(), got.ravel())
    within = float(np.mean([spearman(*pair) for pair in zip(asked, got, strict=True)]))
    means = got.mean(0).tolist()
    listed = ", ".join(f"{score:g}: {mean:.1f}" for score, mean in zip(scores, means, strict=True))
    low, high = min(scores), max(scores)
    always, scheduled, equal = measured(high, low, 1.0), measured(high, low), measured(high, high)
    flat = measured(low, low) / max(equal, 1e-6)
    span = means[0] / max(means[-1], 1e-6)
    return [
        Finding(
            "motion asked against measured",
            "Spearman at least 0.9 (more score, more motion)",
            f"{correlation:.2f}, {within:.2f} within one prompt ({listed})",
            correlation >= 0.9,
        ),
        Finding(
            "a low negative score adds motion, its schedule less",
            "always > scheduled > equal scores (Table 3)",
            f"{always:.1f} > {scheduled:.1f} > {equal:.1f} at a score of {high:g} and {low:g}",
            always > scheduled > equal,
        ),
        Finding(
            "equal positive and negative scores are nearly flat",
            f"least over greatest at least {_FLAT_SHARE:g} of 1 and flatter than without (Table 3)",
            f"{flat:.2f} against {span:.2f}",
            flat >= _FLAT_SHARE and flat > span,
        ),
    ]


def patch_times(engine: Engine) -> list[Finding]:
    """Return the time of a pass at coarser patches, and of a whole schedule, as shares of the finest.

    On one thread and in turn, at the size where attention has its share of Lumina-Video's 2B model.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = _pass_seconds(engine)
    finally:
        torch.set_num_threads(threads)
    combined = plan_for(request(engine, "a ball", seed=0), engine.spec).passes_by_scale()
    share = sum(n * seconds[scale] for scale, n in combined.items()) / (sum(combined.values()) * seconds[1])
    findings = [
        _time_finding(f"time of a pass at patch scale {scale}", seconds[scale] / seconds[1], limit)
        for scale, limit in _TIME_LIMITS.items()
    ]
    return [*findings, _time_finding("time of the combined schedule", share, _COMBINED_LIMIT)]


def combined_schedule(engine: Engine, verifier: Verifier, cases: Sequence[Case]) -> list[Finding]:
    """Return the faithfulness of the combined schedule beside that of the finest patch alone."""
    clips: dict[bool, list[np.ndarray]] = {True: [], False: []}
    for seed, case in enumerate(cases):
        asked = request(engine, case.prompt, seed=seed)
        plan = plan_for(asked, engine.spec)
        finest = replace(plan, schedule=replace(plan.schedule, scales=(1,) * plan.schedule.num_steps))
        for is_combined, used in ((True, plan), (False, finest)):
            clips[is_combined].append(engine.decode(sampled(engine, asked, plan=used)))
    combined, single = (
        float(np.mean(list(shares_right(verifier, cases, clips[is_combined]).values())))
        for is_combined in (True, False)
    )
    return [
        Finding(
            "faithfulness of the combined schedule",
            "at most 3 points below the finest patch alone (Table 2)",
            f"{combined:.1%} against {single:.1%} over {len(cases)}",
            round(single - combined, 6) <= _FAITHFUL_WITHIN,  # 9 of 300 are 3 points, rounding or not
        )
    ]


def _motion(
    engine: Engine, prompt: str, seed: int, score: float, negative: float | None, until: float | None = None
) -> float:
    fields: dict[str, Any] = {"motion_score": score, "negative_motion_score": negative}
    asked = request(engine, prompt, seed=seed, **fields)
    plan = plan_for(asked, engine.spec)
    if until is not None:
        plan = _with_negative_motion(plan, NegativeMotion(negative, until=until))
    return motion_of(engine, sampled(engine, asked, plan=plan))


def _with_negative_motion(plan: Plan, negative: NegativeMotion) -> Plan:
    terms = tuple(
        replace(term, negative_motion=negative) if isinstance(term, TextGuidance) else term
        for term in plan.guidance.terms
    )
    return replace(plan, guidance=replace(plan.guidance, terms=terms))


def _pass_seconds(engine: Engine) -> dict[int, float]:
    """Return the median seconds of a pass at each patch scale, timed in turn."""
    channels = engine.latent_shape(num_frames=1, height=32, width=32)[0]
    latents = initial_noise((channels, *_TIMED_LATENTS), seed=0)
    conditioning = Conditioning(engine.encode_prompt("a ball"), engine.encode_prompt(""))
    timings: dict[int, list[float]] = {scale: [] for scale in engine.spec.pass_cost.token_sizes}
    for _ in range(2 + _ROUNDS):
        for scale, seconds in timings.items():
            started = time.perf_counter()
            engine.velocities(latents, 0.5, conditioning, (Pass(),), scale=scale)
            seconds.append(time.perf_counter() - started)
    return {scale: statistics.median(seconds[2:]) for scale, seconds in timings.items()}


def _time_finding(title: str, share: float, limit: float) -> Finding:
    expected = f"at most {limit:.2f} of scale 1 (Table 2)"
    return Finding(title, expected, f"{share:.3f}", share <= limit)
