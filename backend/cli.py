"""The command line: `python -m backend.cli generate PROMPT`, `detail CLIP`, `sound CLIP`, `export CLIP`.

Through a running studio where there is one.

Exit codes: 0 done, 1 failed, 2 a request that is not allowed, 130 canceled with Ctrl-C.
"""

import argparse
import json
import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from backend.api import Progress, request_from_file
from backend.commands import COMMANDS, add_options
from backend.config import Settings, load_settings
from backend.errors import MediaError, RequestError, StudioError
from backend.media.export import EXPORTERS, export
from backend.media.export_settings import export_settings
from backend.media.files import copy_file, safe_name, unused_path
from backend.media.inputs import store_clip, store_picture, store_sound
from backend.models import registry
from backend.models.engine import EngineSpec
from backend.named_files import given_frame, lora_use
from backend.requests import Request, parse_request, validate_for, validate_variations
from backend.session import Studio, open_studio

POLL_SECONDS = 0.5
LIVE = ("queued", "running")

_FLAGS = {
    "prompt": "prompt",
    "engine": "engine",
    "negative": "negative_prompt",
    "seconds": "duration_seconds",
    "aspect": "aspect_ratio",
    "seed": "seed",
    "preset": "preset",
    "steps": "num_inference_steps",
    "text_guidance": "guidance_scale",
    "image_guidance": "image_guidance_scale",
    "motion_guidance": "motion_guidance_scale",
    "motion": "motion_score",
    "motion_negative": "negative_motion_score",
    "renormalisation": "renormalisation",
}
_PICTURES = ("image", "last_image")
_DETAIL_SETTINGS = {"size": "target_size", "fidelity": "degradation_step"}
_DETAIL_FLAGS = {
    "prompt": "prompt",
    "engine": "engine",
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "shift": "timestep_shift",
    "start": "start_seconds",
    "seconds": "duration_seconds",
    "seed": "seed",
}
_SOUND_FLAGS = {
    "prompt": "prompt",
    "negative": "negative_prompt",
    "guidance": "guidance_scale",
    "video_guidance": "video_guidance_scale",
    "steps": "num_inference_steps",
    "start": "start_seconds",
    "seconds": "duration_seconds",
    "seed": "seed",
}
_EXPORT_FLAGS = {"format": "format", "quality": "quality"}
_EXPORT_NUMBERS = {"size": "short_side", "frame_rate": "frame_rate", "loops": "loops"}
_FACTS = {
    "seed": "seed",
    "frames": "num_frames",
    "frame_rate": "frame_rate",
    "width": "width",
    "height": "height",
    "stage_seconds": "stage_seconds",
    "network_passes": "network_passes",
    "predicted_seconds": "predicted_seconds",
    "motion_asked": "motion_asked",
    "motion_measured": "motion_measured",
    "similarity": "similarity",
    "sync": "sync",
    "loudness_lufs": "loudness_lufs",
    "engine": "engine",
    "weights_sha256": "weights_sha256",
    "device": "device",
}


def main(arguments: list[str] | None = None, *, extra_engines: tuple[str, ...] = ()) -> int:
    """Run the command that `arguments` name and return the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    settings = load_settings(data_dir=options.data, device=getattr(options, "device", None))
    try:
        return _COMMANDS[options.command](options, settings, extra_engines)
    except KeyboardInterrupt:
        return _complain(options, "Canceled.", code=130)
    except RequestError as exc:
        return _complain(options, str(exc), code=2)
    except StudioError as exc:
        return _complain(options, str(exc), code=1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend.cli", description="Kinora without a browser.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name in _COMMANDS:
        summary, options = COMMANDS[name]
        add_options(commands.add_parser(name, help=summary, description=summary), options)
    return parser


def _generate(options: argparse.Namespace, settings: Settings, extra_engines: tuple[str, ...]) -> int:
    """Make the clips that `options` ask for, with detail and sound where they are asked for too."""
    request = _clip_request(options, settings, extra_engines)
    variations = validate_variations(options.variations or 1)
    following = [("detail", _given(options, _DETAIL_SETTINGS))] if options.detail else []
    following += [("sound", {})] if options.sound else []
    for kind, fields in following:  # refused before the clip is made, not after
        unnamed = {"kind": kind, "source": "0" * 64, "engine": request.engine}
        validate_for(parse_request({**unnamed, **fields}), _spec(request.engine, settings, extra_engines))

    def make(studio: Studio) -> list[dict[str, Any]]:
        made = _finished(studio, studio.submit(request, variations=variations))
        for kind, fields in following:
            told = {"kind": kind, "prompt": request.prompt, **fields}
            submitted = [
                studio.submit(_made_of(each, told, settings), variations=1, parents=[each["id"]])
                for each in made
            ]
            made = _finished(studio, [id for ids in submitted for id in ids])
        return made

    return _run(options, settings, request, extra_engines, make)


def _detail(options: argparse.Namespace, settings: Settings, extra_engines: tuple[str, ...]) -> int:
    """Detail the clip that `options` name."""
    if options.clip is None:
        raise RequestError("source", "Name the video to detail: detail CLIP.")
    fields = {**_told_by(options.clip, settings), **_given(options, _DETAIL_SETTINGS | _DETAIL_FLAGS)}
    if options.box is not None:
        fields["box"] = options.box.split(",")
    request = parse_request({"kind": "detail", **fields})
    return _run(
        options,
        settings,
        request,
        extra_engines,
        lambda studio: _finished(studio, studio.submit(request, variations=1)),
    )


def _sound(options: argparse.Namespace, settings: Settings, extra_engines: tuple[str, ...]) -> int:
    """Give the clip that `options` name a sound."""
    if options.clip is None:
        raise RequestError("source", "Name the video to give a sound: sound CLIP.")
    fields = {**_told_by(options.clip, settings), **_given(options, _SOUND_FLAGS)}
    if options.words_alone:
        fields["sees_video"] = False
    if options.take is not None:
        fields["take"] = store_sound(Path(options.take), folder=settings.inputs_dir)
    request = parse_request({"kind": "sound", **fields})
    return _run(
        options,
        settings,
        request,
        extra_engines,
        lambda studio: _finished(studio, studio.submit(request, variations=1)),
    )


def _told_by(clip: Path, settings: Settings) -> dict[str, Any]:
    """Return the request fields that `clip`, which is stored, tells: its name, and how it was made."""
    fields: dict[str, Any] = {"source": store_clip(clip, folder=settings.inputs_dir)}
    try:
        made = request_from_file(clip)
    except (MediaError, RequestError):
        return fields  # a clip of another program says nothing of itself
    return fields | {"prompt": made.prompt, "engine": made.engine, "seed": made.seed}


def _export(options: argparse.Namespace, settings: Settings, extra_engines: tuple[str, ...]) -> int:
    """Export the video, or the clip of the generation, that `options` name."""
    if options.clip is None:
        raise RequestError("clip", "Name the video or the generation to export: export CLIP.")
    numbers = {field: _whole(value) for field, value in _given(options, _EXPORT_NUMBERS).items()}
    given = {**_given(options, _EXPORT_FLAGS), **numbers, "has_metadata": not options.no_metadata}
    if options.no_ai_mark:
        given["has_provenance"] = False
    chosen, source = export_settings(given), options.clip
    if not source.is_file():
        with open_studio(settings, None, extra_engines) as studio:
            outputs = studio.generation(str(source))["outputs"]
        source = next((Path(output["path"]) for output in outputs if output["role"] == "clip"), source)
    stem, suffix = safe_name(source.stem, otherwise="clip"), EXPORTERS[chosen.format].suffix
    target = options.out or unused_path(settings.exports_dir, stem, suffix)
    made = export(source, target, chosen, device_dir=settings.device_dir)
    path = str(made.path.absolute())
    print(json.dumps({**made.to_json(), "out": path}, indent=2) if options.json else path)
    return 0


def _whole(value: str) -> int | str:
    """Return `value` as a number where it is one; what is none is refused later, in a sentence."""
    return int(value) if re.fullmatch(r"-?\d{1,9}", value) else value


_COMMANDS = {"generate": _generate, "detail": _detail, "sound": _sound, "export": _export}


def _run(
    options: argparse.Namespace,
    settings: Settings,
    request: Request,
    extra_engines: tuple[str, ...],
    make: Callable[[Studio], list[dict[str, Any]]],
) -> int:
    """Check `request`, let a studio `make` it, copy and print what came out, and return the exit code."""
    validate_for(request, _spec(request.engine, settings, extra_engines))
    if options.out is not None and options.out.is_dir():
        raise RequestError("out", f"--out must name a file; {options.out} is a folder.")
    with open_studio(settings, request.engine, extra_engines) as studio:
        results = [_result(each) for each in make(studio)]
    for number, result in enumerate(results, start=1):
        if options.out is not None:
            _copy_out(result, options.out, number=number if len(results) > 1 else None)
    _print_results(results, as_json=options.json)
    return 0


def _finished(studio: Studio, ids: list[str]) -> list[dict[str, Any]]:
    """Return the generations of `ids` once all have ended well; Ctrl-C cancels them."""
    try:
        ended = [_watch(studio, generation_id) for generation_id in ids]
    except KeyboardInterrupt:
        for generation_id in ids:
            studio.cancel(generation_id)
        raise
    failures = [str(each["error"] or "Canceled.") for each in ended if each["status"] != "done"]
    if failures:
        raise StudioError(failures[0])
    return ended


def _spec(engine: str, settings: Settings, extra_engines: tuple[str, ...]) -> EngineSpec:
    return registry.spec(engine, extra_engines=extra_engines, models_dir=settings.models_dir)


def _clip_request(options: argparse.Namespace, settings: Settings, extra_engines: tuple[str, ...]) -> Request:
    """Return the request in the file given with --from, if any, changed by every flag that was given.

    What neither says is as the engine has it, then as the request has it. Pictures are copied into the data
    folder, where the request names them by their content.
    """
    source = getattr(options, "from")
    fields = {} if source is None else request_from_file(source).model_dump()
    given = _given(options, _FLAGS)
    if source is None and "engine" in given:
        fields = dict(_spec(given["engine"], settings, extra_engines).defaults)
    for flag in _PICTURES:
        path = getattr(options, flag)
        if path is not None:
            stored = store_picture(path, folder=settings.inputs_dir)
            given[flag] = stored.name
            print(*stored.notes, sep="\n", end="\n" if stored.notes else "", file=sys.stderr)
    if options.frame:
        given["given_frames"] = [given_frame(each, folder=settings.inputs_dir) for each in options.frame]
    if options.lora:
        given["loras"] = [lora_use(each, models_dir=settings.models_dir) for each in options.lora]
    return parse_request({**fields, **given})


def _made_of(made: dict[str, Any], fields: dict[str, Any], settings: Settings) -> Request:
    """Return the request, of the kind that `fields` say, for the clip of the finished generation `made`."""
    clip = next(output["path"] for output in made["outputs"] if output["role"] == "clip")
    source = store_clip(Path(clip), folder=settings.inputs_dir)
    request = made["request"]
    own = {"engine": request["engine"], "seed": request["seed"], "source": source}
    return parse_request({**own, **fields})


def _given(options: argparse.Namespace, flags: Mapping[str, str]) -> dict[str, Any]:
    """Return the request fields of those `flags` that were given."""
    values = {field: getattr(options, flag) for flag, field in flags.items()}
    return {field: value for field, value in values.items() if value is not None}


def _watch(studio: Studio, generation_id: str) -> dict[str, Any]:
    """Return the generation once it has ended, telling on standard error how it goes."""
    told = ""
    while True:
        generation = studio.generation(generation_id)
        line = _line(generation)
        if line != told:
            _tell(line)
            told = line
        if generation["status"] not in LIVE:
            if sys.stderr.isatty():
                print(file=sys.stderr)
            return generation
        time.sleep(POLL_SECONDS)


def _line(generation: dict[str, Any]) -> str:
    """Return one line on how the generation stands."""
    progress: Progress | None = generation.get("progress")
    if generation["status"] != "running" or progress is None:
        return str(generation["status"])
    if progress.phase != "sampling":
        return progress.phase
    line = f"sampling, step {progress.step} of {progress.num_steps}"
    if progress.remaining_seconds is None:
        return line
    return f"{line}, about {progress.remaining_seconds:.0f} s left"


def _tell(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)


def _result(generation: dict[str, Any]) -> dict[str, Any]:
    """Return what --json prints of a finished generation."""
    facts = generation["facts"]
    return {
        "generation_id": generation["id"],
        "outputs": generation["outputs"],
        **{name: facts.get(fact) for name, fact in _FACTS.items()},
    }


def _copy_out(result: dict[str, Any], out: Path, *, number: int | None) -> None:
    """Copy the clip, or its sound where `out` is a WAV, there, numbered where there are several; note it."""
    target = out if number is None else out.with_name(f"{out.stem}-{number}{out.suffix}")
    role = "sound" if out.suffix.lower() == ".wav" else "clip"
    wanted = next((output for output in result["outputs"] if output["role"] == role), None)
    if wanted is None:
        raise RequestError("out", "Only a sound can be written as WAV; give --out a name that ends in .mp4.")
    copy_file(Path(wanted["path"]), target)
    result["out"] = str(target.absolute())


def _print_results(results: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(results[0] if len(results) == 1 else {"generations": results}, indent=2))
        return
    for result in results:
        clip = next(output["path"] for output in result["outputs"] if output["role"] == "clip")
        print(result.get("out", clip))


def _complain(options: argparse.Namespace, sentence: str, *, code: int) -> int:
    """Tell what went wrong, with --json as an object too, and return `code`."""
    shown = sentence.encode("utf-8", "backslashreplace").decode()
    print(shown, file=sys.stderr)
    if options.json:
        print(json.dumps({"error": shown}))
    return code


if __name__ == "__main__":
    sys.exit(main())
