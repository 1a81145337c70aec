"""Runners: how a worker makes each kind of request. Only the worker imports this, since it loads torch."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import backend
from backend.jobs.messages import ProgressReport
from backend.jobs.sound_files import SoundFiles, output, write_own_sound, write_sound_files
from backend.jobs.watch import ClipWatch, RunContext, watched
from backend.media.audio import SAMPLE_RATE, read_sound, read_written
from backend.media.disk import require_space
from backend.media.image import write_poster
from backend.media.inputs import clip_path, load_image, sound_path
from backend.media.probe import probe
from backend.media.sound_export import write_with_sound
from backend.media.video import read_frames, read_resampled, write_video
from backend.models.abilities import LoraEngine
from backend.models.engine import Engine, KeyFrame
from backend.models.loras import lora_path
from backend.pipelines.clip import Clip, Pictures, make_clip
from backend.pipelines.detail import Draft, make_detail
from backend.pipelines.estimate import disk_bytes
from backend.pipelines.plan import predicted_seconds
from backend.pipelines.soundtrack import Silent, Soundtrack, make_soundtrack, size_for
from backend.requests import ClipRequest, DetailRequest, Request, SoundRequest, inference_steps
from backend.store.generations import Output

Results = tuple[tuple[Output, ...], dict[str, Any]]
Made = Clip | Soundtrack
# Without times, the same seed gives the same bytes; what is only drawn says nothing of how a clip was made.
_LEFT_OUT = ("stage_seconds", "predicted_seconds", "waveform", "motion_curve")


def run(request: Request, context: RunContext) -> Results:
    """Return the written, verified files of what `request` describes, and its measured facts."""
    job = context.run
    started = time.perf_counter()
    context.report(ProgressReport(job.job_id, job.attempt, phase="loading"))
    engine = context.load_engine(request.engine)
    load_seconds = round(time.perf_counter() - started, 4)
    _require_space(request, engine, context)
    if isinstance(engine, LoraEngine):
        engine.wear(_strengths(request, context.settings.models_dir))
    made, watch = _MAKERS[request.kind](request, engine, context)
    watch.on_phase("exporting")
    started = time.perf_counter()
    outputs = _write_files(made, request, context)
    seconds = {"load": load_seconds, **made.facts["stage_seconds"]}
    seconds["export"] = round(time.perf_counter() - started, 4)
    return outputs, {**made.facts, "stage_seconds": seconds, "version": backend.__version__}


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
    facts = probe(path)
    made = make_detail(engine, request, Draft(read_frames(path), facts.frame_rate), hooks=hooks)
    if facts.has_audio:
        made.facts["sound_seconds"] = round(len(made.frames) / made.frame_rate, 4)
    return made, watch


def _make_sound(request: SoundRequest, engine: Engine, context: RunContext) -> tuple[Soundtrack, ClipWatch]:
    """Return the soundtrack and its watch."""
    watch, hooks = watched(
        context, engine, num_steps=request.num_inference_steps, has_motion=False, has_preview=False
    )
    path = clip_path(request.source, folder=context.settings.inputs_dir)
    facts = probe(path)
    width, height = size_for(engine.spec, facts)
    frames = read_resampled(path, frame_rate=engine.spec.frame_rate, width=width, height=height)
    take = None
    if request.take is not None:
        take, _ = read_written(sound_path(request.take, folder=context.settings.inputs_dir))
    return make_soundtrack(engine, request, Silent(facts, frames, take), hooks=hooks), watch


_MAKERS: dict[str, Callable[[Any, Engine, RunContext], tuple[Made, ClipWatch]]] = {
    "clip": _make_clip,
    "detail": _make_detail,
    "sound": _make_sound,
}


def _pictures(request: ClipRequest, engine: Engine, folder: Path) -> Pictures:
    """Return the pictures that `request` names, at the size of its clip."""
    width, height = engine.spec.sizes[request.aspect_ratio]

    def loaded(name: str) -> np.ndarray:
        return load_image(name, folder=folder, width=width, height=height)

    return Pictures(
        first=loaded(request.image) if request.image else None,
        last=loaded(request.last_image) if request.last_image else None,
        between=tuple(KeyFrame(each.frame, loaded(each.image)) for each in request.given_frames),
    )


def _strengths(request: Request, models_dir: Path) -> dict[Path, float]:
    """Return the LoRA files that `request` names, and how strongly each is used."""
    uses = request.loras if isinstance(request, ClipRequest) else ()
    return {lora_path(models_dir, use.lora): use.strength for use in uses}


def _require_space(request: Request, engine: Engine, context: RunContext) -> None:
    """Raise ResourceError where the disk has filled since the request was accepted."""
    require_space(context.settings.data_dir, disk_bytes(request, engine.spec), what="This clip")


def _write_files(made: Made, request: Request, context: RunContext) -> tuple[Output, ...]:
    """Write what was made; the clip says how it was made, so that it can be opened as a request."""
    day = datetime.fromtimestamp(context.run.created_at, UTC).strftime("%Y-%m-%d")
    path = context.settings.outputs_dir / day / f"{context.run.job_id}.mp4"
    facts = {name: value for name, value in made.facts.items() if name not in _LEFT_OUT}
    told = {"request": request.model_dump(), "facts": facts, "version": backend.__version__}
    if isinstance(made, Soundtrack):
        assert isinstance(request, SoundRequest)
        return _write_sound(path, made, request, told, context)
    return _write_clip(path, made, request, told, context)


def _write_clip(
    path: Path, clip: Clip, request: Request, told: dict[str, Any], context: RunContext
) -> tuple[Output, ...]:
    """Write the clip with its own sound, if any, its poster and its motion layer."""
    metadata, data_dir = {"kinora": told}, context.settings.data_dir
    picture_path = path if clip.sound is None else path.with_name(f"{path.stem}-silent.mp4")
    write_video(
        picture_path, clip.frames, frame_rate=clip.frame_rate, metadata=metadata, title=request.prompt
    )
    if isinstance(request, DetailRequest):
        _keep_sound(path, request, metadata, context)
    poster_path = path.with_suffix(".jpg")
    write_poster(poster_path, clip.frames[len(clip.frames) // 2])
    if clip.sound is None:
        outputs: tuple[Output, ...] = (output("clip", path, media_type="video/mp4", data_dir=data_dir),)
    else:
        outputs = write_own_sound(
            path, picture_path, clip.sound, metadata=metadata, title=request.prompt, data_dir=data_dir
        )
    outputs = (*outputs, output("poster", poster_path, media_type="image/jpeg", data_dir=data_dir))
    if clip.motion_frames is None:
        return outputs
    motion_path = path.with_name(f"{path.stem}-motion.mp4")
    write_video(motion_path, clip.motion_frames, frame_rate=clip.frame_rate, metadata=metadata)
    return (*outputs, output("motion", motion_path, media_type="video/mp4", data_dir=data_dir))


def _keep_sound(path: Path, request: DetailRequest, metadata: dict[str, Any], context: RunContext) -> None:
    """Give the detailed clip at `path` what is heard in that part of its draft, if anything is."""
    draft = clip_path(request.source, folder=context.settings.inputs_dir)
    if probe(draft).has_audio:
        begun = round((request.start_seconds or 0.0) * SAMPLE_RATE)
        write_with_sound(path, path, read_sound(draft)[begun:], metadata=metadata, title=request.prompt)


def _write_sound(
    path: Path, made: Soundtrack, request: SoundRequest, told: dict[str, Any], context: RunContext
) -> tuple[Output, ...]:
    """Write the sound and its clip with it."""
    clip = clip_path(request.source, folder=context.settings.inputs_dir)
    files = SoundFiles(clip, made.samples, made.frame, told, title=request.prompt)
    return write_sound_files(path, files, data_dir=context.settings.data_dir)
