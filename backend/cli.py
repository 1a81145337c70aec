"""The command line: `python -m backend.cli generate PROMPT`. Through a running studio where there is one.

Exit codes: 0 done, 1 failed, 2 a request that is not allowed, 130 canceled with Ctrl-C.
"""

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from backend.api import Api, Progress, request_from_file
from backend.config import Settings, load_settings
from backend.errors import RequestError, StudioError
from backend.media.files import copy_file
from backend.media.inputs import store_image
from backend.models import registry
from backend.requests import ClipRequest, parse_request, validate_for, validate_variations

POLL_SECONDS = 0.5
LIVE = ("queued", "running")

_FLAGS = {
    "prompt": "prompt",
    "negative": "negative_prompt",
    "seconds": "duration_seconds",
    "aspect": "aspect_ratio",
    "seed": "seed",
    "preset": "preset",
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "image_guidance": "image_guidance_scale",
    "motion_guidance": "motion_guidance_scale",
    "motion": "motion_score",
    "motion_negative": "negative_motion_score",
    "renormalisation": "renormalisation",
}
_IMAGE_FLAGS = {"image": "image", "last_image": "last_image"}
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
    "engine": "engine",
    "weights_sha256": "weights_sha256",
    "device": "device",
}


class Studio(Protocol):
    """What the command line needs of a studio, in this process or another."""

    def submit(self, request: ClipRequest, *, variations: int) -> list[str]:
        """Return the ids of the new generations."""
        ...

    def generation(self, generation_id: str) -> dict[str, Any]:
        """Return the generation as JSON, its outputs with absolute paths."""
        ...

    def cancel(self, generation_id: str) -> None:
        """Cancel the generation."""
        ...


class OwnStudio:
    """A studio in this process."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def submit(self, request: ClipRequest, *, variations: int) -> list[str]:
        return self._api.submit(request, variations=variations)

    def generation(self, generation_id: str) -> dict[str, Any]:
        """Return the generation as JSON, with "progress" while it runs."""
        generation = self._api.generation(generation_id).to_json()
        for output in generation["outputs"]:
            output["path"] = str(self._api.settings.data_dir / output["path"])
        return {**generation, "progress": self._api.progress(generation_id)}

    def cancel(self, generation_id: str) -> None:
        self._api.cancel(generation_id)


def main(arguments: list[str] | None = None, *, extra_engines: tuple[str, ...] = ()) -> int:
    """Run the command that `arguments` name and return the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    settings = load_settings(data_dir=options.data, device=options.device)
    try:
        return _generate(options, settings, extra_engines)
    except KeyboardInterrupt:
        return _complain(options, "Canceled.", code=130)
    except RequestError as exc:
        return _complain(options, str(exc), code=2)
    except StudioError as exc:
        return _complain(options, str(exc), code=1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend.cli", description="Kinora without a browser.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    generate = commands.add_parser("generate", help="make a clip from a prompt")
    generate.add_argument("prompt", nargs="?", metavar="PROMPT", help="what the clip shows")
    generate.add_argument("--negative", metavar="TEXT", help="what the clip should not show")
    generate.add_argument("--seconds", metavar="S", help="length of the clip")
    generate.add_argument("--aspect", metavar="W:H", help="aspect ratio, such as 1:1 or 16:9")
    generate.add_argument("--seed", metavar="N", help="the same seed gives the same clip; default: drawn")
    generate.add_argument("--preset", metavar="Q", help="fast, balanced or quality")
    generate.add_argument("--image", type=Path, metavar="FILE", help="picture that the clip starts with")
    generate.add_argument("--last-image", type=Path, metavar="FILE", help="picture that the clip ends with")
    generate.add_argument("--motion", metavar="M", help="how much motion to make")
    generate.add_argument("--motion-negative", metavar="M", help="how much motion to move away from")
    generate.add_argument(
        "--text-guidance", "--guidance", dest="guidance", metavar="G", help="how closely to follow the prompt"
    )
    generate.add_argument("--image-guidance", metavar="G", help="the same for given pictures, if not alike")
    generate.add_argument("--motion-guidance", metavar="G", help="how much its own motion steers the clip")
    generate.add_argument("--renormalisation", metavar="R", help="match, cap or off")
    generate.add_argument("--steps", metavar="N", help="number of sampling steps, if not the preset's")
    generate.add_argument("--variations", metavar="N", default="1", help="clips with seeds counting up")
    generate.add_argument("--out", type=Path, metavar="FILE", help="copy the finished MP4 to this file")
    generate.add_argument(
        "--from", type=Path, dest="source", metavar="FILE", help="take the request out of an exported MP4"
    )
    generate.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    generate.add_argument("--data", type=Path, metavar="DIR", help="folder of the database, clips and logs")
    generate.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), help="where to compute")
    return parser


def _generate(options: argparse.Namespace, settings: Settings, extra_engines: tuple[str, ...]) -> int:
    """Make what `options` ask for, print it, and return the exit code."""
    request, variations = _request(options, settings), validate_variations(options.variations)
    validate_for(request, registry.spec(request.engine, extra_engines=extra_engines))
    if options.out is not None and options.out.is_dir():
        raise RequestError("out", f"--out must name a file; {options.out} is a folder.")
    with _studio(settings, request, extra_engines) as studio:
        ids = studio.submit(request, variations=variations)
        try:
            ended = [_watch(studio, generation_id) for generation_id in ids]
        except KeyboardInterrupt:
            for generation_id in ids:
                studio.cancel(generation_id)
            raise
    failures = [str(each["error"] or "Canceled.") for each in ended if each["status"] != "done"]
    if failures:
        raise StudioError(failures[0])
    results = [_result(each) for each in ended]
    for number, result in enumerate(results, start=1):
        if options.out is not None:
            _copy_out(result, options.out, number=number if variations > 1 else None)
    _print_results(results, as_json=options.json)
    return 0


def _request(options: argparse.Namespace, settings: Settings) -> ClipRequest:
    """Return the request in the file given with --from, if any, changed by every flag that was given.

    Pictures are copied into the data folder, where the request names them by their content.
    """
    fields = {} if options.source is None else request_from_file(options.source).model_dump()
    given = {field: getattr(options, flag) for flag, field in _FLAGS.items()}
    for flag, field in _IMAGE_FLAGS.items():
        path = getattr(options, flag)
        given[field] = None if path is None else store_image(path, folder=settings.inputs_dir)
    return parse_request({**fields, **{field: value for field, value in given.items() if value is not None}})


@contextmanager
def _studio(settings: Settings, request: ClipRequest, extra_engines: tuple[str, ...]) -> Iterator[Studio]:
    """Yield the studio that runs on the data folder, or one of our own for as long as the block lasts."""
    if settings.door_path.exists():
        from backend.door import find_running_studio  # Gradio's client takes a second to import

        running = find_running_studio(settings.door_path)
        if running is not None:
            yield running
            return
    with Api.open(settings, warm_engine=request.engine, extra_engines=extra_engines) as api:
        yield OwnStudio(api)


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
    """Copy the clip to `out`, numbered where there are several, and note its place in `result`."""
    target = out if number is None else out.with_name(f"{out.stem}-{number}{out.suffix}")
    clip = next(output for output in result["outputs"] if output["role"] == "clip")
    copy_file(Path(clip["path"]), target)
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
