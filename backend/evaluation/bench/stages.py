"""Two stages against one, and against a cascade that refines from noise (FlashVideo Fig. 1 and Sec. 4.1).

Single stage: the base network with the same schedule and guidance, at the size of the detail. Cascade: the
same refiner in 30 steps from noise after the same draft. Both cost too much to run whole on a CPU: their
passes are timed and multiplied, which the table says. Loading is never counted, text is embedded and cached.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backend.evaluation.bench.timing import (
    Effort,
    Round,
    Run,
    Timing,
    interleaved,
    least,
    middle,
    timed,
    timing,
)
from backend.evaluation.detail_cases import asked, missing_refiner
from backend.evaluation.finding import Finding
from backend.evaluation.runs import request
from backend.models.engine import Conditioning, Engine, Pass
from backend.pipelines.clip import make_clip
from backend.pipelines.detail import Draft, make_detail
from backend.pipelines.plan import plan_for
from backend.pipelines.sampling import initial_noise
from backend.requests import ClipRequest

FEW_STEPS, CASCADE_STEPS = 4, 30
_LEAST_GAIN, _LEAST_CASCADE_GAIN, _MOST_DRAFT_SHARE = 10.0, 4.0, 0.30
_PROMPT = "a red ball bounces on a green meadow"


@dataclass(frozen=True)
class Job:
    """What is timed: a clip of `seconds` detailed to `side` pixels.

    detail_steps: those that are run; fewer than four are multiplied.
    """

    side: int
    seconds: float
    detail_steps: int = FEW_STEPS


@dataclass(frozen=True)
class StageTimes:
    """Rounds of seconds: "draft", "decode", "pass 1" to "pass 3" of the base at the size of the detail, and,
    where there is a refiner, "prepare" and "step" of the detail.

    passes: how many the schedule takes at each patch scale.
    """

    job: Job
    passes: dict[int, int]
    rounds: list[Round]
    has_refiner: bool = True

    def two_stages(self, each: Round) -> float:
        """Return seconds of the draft and of its detail in four steps."""
        return each["draft"] + each["prepare"] + FEW_STEPS * each["step"] + each["decode"]

    def cascade(self, each: Round) -> float:
        """Return seconds of the draft and of a refinement from noise, to which no draft is encoded."""
        return each["draft"] + CASCADE_STEPS * each["step"] + each["decode"]

    def single_stage(self, each: Round) -> float:
        """Return seconds of the base network alone at the size of the detail."""
        return sum(count * each[f"pass {scale}"] for scale, count in self.passes.items()) + each["decode"]


def stage_times(engine: Engine, job: Job, effort: Effort) -> StageTimes:
    """Return what the parts of `job` take on `engine`; without a refiner, the parts that need none."""
    draft_request = request(engine, _PROMPT, seed=0, duration_seconds=job.seconds)
    has_refiner = not missing_refiner(engine)
    draft = make_clip(engine, draft_request)
    runs: list[Run] = [lambda: {"draft": _spent(make_clip(engine, draft_request).facts)}]
    if has_refiner:
        runs.append(_detail_run(engine, job, Draft(draft.frames, float(draft.frame_rate))))
    runs += _base_runs(engine, job, draft_request, with_decode=not has_refiner)
    passes = plan_for(draft_request, engine.spec).passes_by_scale()
    return StageTimes(job, passes, interleaved(runs, effort), has_refiner)


def stage_timings(times: StageTimes) -> list[Timing]:
    """Return what a draft and a whole clip take in each of the ways that can be measured."""
    rounds, job = times.rounds, times.job
    size = f"{job.seconds:g} s of {job.side} px"
    counts = sorted(times.passes.items(), reverse=True)
    passes = " + ".join(f"{count} passes at scale {scale}" for scale, count in counts)
    draft = timing("draft", rounds, lambda each: each["draft"], how="run whole")
    single = timing(
        f"{size}, single stage", rounds, times.single_stage, how=f"extrapolated: {passes}, each timed"
    )
    if not times.has_refiner:
        return [draft, single]
    measured = f"{job.detail_steps} step{'s' if job.detail_steps > 1 else ''}"
    whole = (
        "run whole" if job.detail_steps == FEW_STEPS else f"extrapolated: {FEW_STEPS} steps from {measured}"
    )
    cascade = f"extrapolated: {CASCADE_STEPS} steps of two passes from {measured}"
    return [
        draft,
        timing(f"{size}, two stages", rounds, times.two_stages, how=whole),
        single,
        timing(f"{size}, cascade from noise", rounds, times.cascade, how=cascade),
    ]


def stage_findings(times: StageTimes) -> list[Finding]:
    """Return how much two stages save, beside what FlashVideo found; nothing without a refiner."""
    if not times.has_refiner:
        return []
    at = f"at {times.job.side} px"
    return [
        _ratio(f"single stage over two stages {at}", times, times.single_stage, _LEAST_GAIN, "21.0"),
        _ratio(f"cascade from noise over two stages {at}", times, times.cascade, _LEAST_CASCADE_GAIN, "5.6"),
        _draft_share(times),
    ]


def _detail_run(engine: Engine, job: Job, draft: Draft) -> Run:
    asked_for = asked(engine, _PROMPT, seed=0, steps=job.detail_steps)
    asked_for = asked_for.model_copy(update={"target_size": job.side})

    def run() -> Round:
        spent = make_detail(engine, asked_for, draft).facts["stage_seconds"]
        prepare = spent["text"] + spent["prepare"]
        return {
            "prepare": prepare,
            "step": spent["sampling"] / job.detail_steps,
            "decode": spent["decode"],
        }

    return run


def _base_runs(engine: Engine, job: Job, draft: ClipRequest, *, with_decode: bool) -> list[Run]:
    """Return a run for a pass of the base network at each patch scale, at the size of the detail."""
    num_frames = engine.spec.num_frames(draft.duration_seconds)
    shape = engine.latent_shape(num_frames=num_frames, height=job.side, width=job.side)
    latents = initial_noise(shape, seed=0)
    conditioning = Conditioning(engine.encode_prompt(_PROMPT), engine.encode_prompt(""))

    def base_pass(scale: int) -> Run:
        return timed(
            f"pass {scale}",
            lambda: engine.velocities(latents, 0.5, conditioning, (Pass(),), scale=scale),
        )

    runs = [base_pass(scale) for scale in sorted(engine.spec.pass_cost.token_sizes)]
    return [*runs, *([timed("decode", lambda: engine.decode(latents))] if with_decode else [])]


def _spent(facts: dict[str, Any]) -> float:
    return float(sum(facts["stage_seconds"].values()))


def _ratio(
    title: str, times: StageTimes, reference: Callable[[Round], float], target: float, paper: str
) -> Finding:
    def ratio(each: Round) -> float:
        return reference(each) / times.two_stages(each)

    median, lowest = middle(times.rounds, ratio), least(times.rounds, ratio)
    expected = f"at least {target:g} (the paper: {paper}, at 1080p)"
    return Finding(title, expected, f"{median:.1f}, least {lowest:.1f}", median >= target)


def _draft_share(times: StageTimes) -> Finding:
    share = middle(times.rounds, lambda each: each["draft"] / times.two_stages(each))
    expected = f"at most {_MOST_DRAFT_SHARE:.2f} (the paper: 0.29)"
    title = f"time to the draft over the whole at {times.job.side} px"
    return Finding(title, expected, f"{share:.2f}", share <= _MOST_DRAFT_SHARE)
