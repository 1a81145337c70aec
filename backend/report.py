"""The report that a creator may copy and send when something failed. Nothing sends it by itself."""

import json
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import backend
from backend.config import Settings
from backend.logs import last_lines
from backend.store.generations import Generation

LOG_LINES = 60

_LOGS = ("worker.log", "studio.log")
_WORDS = ("prompt", "negative_prompt")
_HIDDEN = "[words]"
_TELLING = 4  # a shorter prompt is part of too many words, and tells nobody anything
_HOMES = re.compile(r"(/home|/Users|[A-Za-z]:\\+Users)[/\\]+[^/\\\s\"':,]+")
_SECRETS = re.compile(r"(token[=\"': ]+)[\w-]{16,}", re.IGNORECASE)


def written_report(
    settings: Settings, facts: Mapping[str, Any], *, generation: Generation | None, with_prompt: bool
) -> str:
    """Return a report as text: version and machine, `facts`, the generation, and the last lines of the logs.

    What the creator wrote is left out unless `with_prompt`; home folders, the folders of the studio and its
    token are never in it.
    """
    lines = [f"Kinora {backend.__version__}", f"{platform.platform()}, Python {platform.python_version()}"]
    lines += [f"{name}: {value}" for name, value in facts.items()]
    if generation is not None:
        lines += _told(generation, with_prompt=with_prompt)
    for name in _LOGS:
        lines += ["", f"--- {name}", *last_lines(settings.logs_dir / name, count=LOG_LINES)]
    text = "\n".join(lines) + "\n"
    if generation is not None and not with_prompt:
        text = _without_words(text, generation)
    return _without_names(text, settings)


def _told(generation: Generation, *, with_prompt: bool) -> list[str]:
    """Return what is known of `generation`, one thing a line."""
    request = generation.request.model_dump()
    if not with_prompt:
        request |= {name: _HIDDEN for name in _WORDS if request.get(name)}
    measured = ("engine", "device", "weights_sha256", "num_frames", "width", "height", "stage_seconds")
    facts = {name: generation.facts[name] for name in measured if name in generation.facts}
    return [
        "",
        f"generation {generation.id}: {generation.kind}, {generation.status}, attempt {generation.attempt}",
        f"error: {generation.error or 'none'}",
        f"request: {json.dumps(request, ensure_ascii=False)}",
        f"facts: {json.dumps(facts)}",
    ]


def _without_words(text: str, generation: Generation) -> str:
    """Return `text` without what the creator wrote for `generation`, in whatever way a log quotes it."""
    request = generation.request.model_dump()
    written = {str(request.get(name) or "") for name in _WORDS}
    for words in sorted((each for each in written if len(each) >= _TELLING), key=len, reverse=True):
        quoted = json.dumps(words, ensure_ascii=False)[1:-1]
        for form in {words, quoted, json.dumps(words)[1:-1], repr(words)[1:-1]}:
            text = text.replace(form, _HIDDEN)
    return text


def _without_names(text: str, settings: Settings) -> str:
    """Return `text` without the names of people and folders in paths, and without tokens."""
    known = {
        settings.data_dir: "<data>",
        settings.weights_dir: "<weights>",
        Path(backend.__path__[0]).parent: "<kinora>",
        Path.home(): "~",
    }
    for path, name in sorted(known.items(), key=lambda each: len(str(each[0])), reverse=True):
        if len(path.parts) > 1:
            text = text.replace(str(path), name)
    return _SECRETS.sub(r"\1[secret]", _HOMES.sub("~", text))
