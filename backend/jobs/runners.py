"""Runners: how a worker makes each kind of request. Only the worker imports this, since it loads torch."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import backend
from backend.jobs.messages import ProgressReport
from backend.jobs.watch import ClipWatch, RunContext, watched
from backend.media.disk import CLIP_BYTES_PER_PIXEL, require_space
from backend.media.files import sha256_of
from backend.media.image import write_poster
from backend.media.inputs import clip_path, load_image
from backend.media.probe import probe
from backend.media.video import read_frames, write_video
from backend.models.engine import Engine
from backend.pipelines.clip import Clip, Pictures, make_clip
from backend.pipelines.detail import Draft, make_detail
from backend.pipelines.plan import predicted_pixels, predicted_seconds
from backend.requests import ClipRequest, DetailRequest, Request, inference_steps
from backend.store.generations import Output

Results = tuple[tuple[Output, ...], dict[str, Any]]


def run(request: Request, context: RunContext) -> Results:
    """Return the written, verified files of what `request` describes, and its measured facts."""
    job = context.run
    started = time.perf_counter()
    context.report(ProgressReport(job.job_id, job.attempt, phase="loading"))
    engine = context.load_engine(request.engine)
    load_seconds = round(time.perf_counter() - started, 4)
    _require_space(request, engine, context)
    clip, watch = _MAKERS[request.kind](request, engine, context)
    watch.on_phase("exporting")
    started = time.perf_counter()
    outputs = _write_files(clip, request, context)
    seconds = {"load": load_seconds, **clip.facts["stage_seconds"]}
    seconds["export"] = round(time.perf_counter() - started, 4)
    return outputs, {**clip.facts, "stage_seconds": seconds, "version": backend.__version__}


def _make_clip(request: ClipRequest, engine: Engine, context: RunContext) -> tuple[Clip, ClipWatch]:
    """Return a clip, with how long it should have taken, and its watch."""
    has_motion = "motion_layer" in engine.spec.capabilities
    num_steps = inference_steps(request, engine.spec)
    watch, hooks = watched(context, engine, num_steps=num_steps, has_motion=has_motion)
    pictures = _pictures(request, engine, context.settings.inputs_dir)
    clip = make_clip(engine, request, pictures=pictures, hooks=hooks)
    speed = context.speed()
    predicted = None if speed is None else round(predicted_seconds(request, engine.spec, speed), 4)
    clip.facts["predicted_seconds"] = predicted
    return clip, watch


def _make_detail(request: DetailRequest, engine: Engine, context: RunContext) -> tuple[Clip, ClipWatch]:
    """Return the detailed clip and its watch."""
    watch, hooks = watched(context, engine, num_steps=request.num_inference_steps, has_motion=False)
    path = clip_path(request.source, folder=context.settings.inputs_dir)
    draft = Draft(read_frames(path), probe(path).frame_rate)
    return make_detail(engine, request, draft, hooks=hooks), watch


_MAKERS: dict[str, Callable[[Any, Engine, RunContext], tuple[Clip, ClipWatch]]] = {
    "clip": _make_clip,
    "detail": _make_detail,
}


def _pictures(request: ClipRequest, engine: Engine, folder: Path) -> Pictures:
    """Return the pictures that `request` names, at the size of its clip."""
    width, height = engine.spec.sizes[request.aspect_ratio]

    def loaded(name: str | None) -> np.ndarray | None:
        return None if name is None else load_image(name, folder=folder, width=width, height=height)

    return Pictures(first=loaded(request.image), last=loaded(request.last_image))


def _require_space(request: Request, engine: Engine, context: RunContext) -> None:
    """Raise ResourceError where the disk has filled since the request was accepted."""
    needed = CLIP_BYTES_PER_PIXEL * predicted_pixels(request, engine.spec)
    require_space(context.settings.data_dir, round(needed), what="This clip")


def _write_files(clip: Clip, request: Request, context: RunContext) -> tuple[Output, ...]:
    """Write the clip and its poster; the clip says how it was made, so that it can be opened as a request."""
    day = datetime.fromtimestamp(context.run.created_at, UTC).strftime("%Y-%m-%d")
    path = context.settings.outputs_dir / day / f"{context.run.job_id}.mp4"
    # Without times, the same seed gives the same bytes.
    timed = ("stage_seconds", "predicted_seconds")
    facts = {name: value for name, value in clip.facts.items() if name not in timed}
    made = {"request": request.model_dump(), "facts": facts, "version": backend.__version__}
    write_video(
        path, clip.frames, frame_rate=clip.frame_rate, metadata={"kinora": made}, title=request.prompt
    )
    poster_path = path.with_suffix(".jpg")
    write_poster(poster_path, clip.frames[len(clip.frames) // 2])
    data_dir = context.settings.data_dir
    outputs = (
        _output("clip", path, media_type="video/mp4", data_dir=data_dir),
        _output("poster", poster_path, media_type="image/jpeg", data_dir=data_dir),
    )
    if clip.motion_frames is None:
        return outputs
    motion_path = path.with_name(f"{path.stem}-motion.mp4")
    write_video(motion_path, clip.motion_frames, frame_rate=clip.frame_rate, metadata={"kinora": made})
    return (*outputs, _output("motion", motion_path, media_type="video/mp4", data_dir=data_dir))


def _output(role: str, path: Path, *, media_type: str, data_dir: Path) -> Output:
    return Output(
        role=role,
        path=path.relative_to(data_dir).as_posix(),
        sha256=sha256_of(path),
        media_type=media_type,
        size_bytes=path.stat().st_size,
    )
