"""Open models on the command line: `python -m backend.models list | add | check | set | remove`.

Exit codes: 0 done, 1 failed, 2 a command that is not allowed, 130 stopped with Ctrl-C.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from backend.commands import COMMANDS, add_options
from backend.config import Settings, load_settings
from backend.errors import RequestError, StudioError
from backend.models import registry, weights
from backend.models.adding import install_folder, remove_model
from backend.models.changing import Change, changed
from backend.models.engine import EngineSpec
from backend.models.families import spec_of
from backend.models.installed import Installed, problems, read, read_all, record_path, write
from backend.models.memory_plans import PLANS, needed_bytes

if TYPE_CHECKING:
    from backend.models.downloads import Progress


def main(arguments: list[str] | None = None) -> int:
    """Carry out the command in `arguments` and return the exit code."""
    summary, options = COMMANDS["models"]
    parser = argparse.ArgumentParser(prog="python -m backend.models", description=summary)
    add_options(parser, options)
    asked = parser.parse_args(arguments)
    settings = load_settings(data_dir=asked.data)
    try:
        action = _ACTIONS.get(asked.action or "list")
        if action is None:
            raise RequestError("action", f"Say one of {', '.join(_ACTIONS)}; you gave '{asked.action[:40]}'.")
        if asked.model is None and asked.action not in ("list", "check", None):
            raise RequestError("model", f"Name the model to {asked.action}.")
        return action(asked, settings)
    except KeyboardInterrupt:
        print("Stopped; adding the model again goes on from here.", file=sys.stderr)
        return 130
    except RequestError as exc:
        print(exc, file=sys.stderr)
        return 2
    except StudioError as exc:
        print(exc, file=sys.stderr)
        return 1


def _list(_: argparse.Namespace, settings: Settings) -> int:
    """Print what every engine can make, what it needs and where it came from."""
    for spec in registry.specs():
        print("\n".join(_lines(spec)))
    for installed in read_all(settings.models_dir):
        print("\n".join([*_lines(spec_of(installed)), *_origin(installed)]))
    return 0


def _add(asked: argparse.Namespace, settings: Settings) -> int:
    """Add a folder, or download a model and add that."""
    if asked.name is None:
        raise RequestError("name", "Say what to call it, with --name NAME.")
    record_path(settings.models_dir, asked.name)
    folder = Path(asked.model)
    origin: dict[str, str] = {}
    if not folder.exists():
        folder, origin = _downloaded(asked, settings)
    installed = install_folder(
        folder,
        name=asked.name,
        models_dir=settings.models_dir,
        short_side=asked.short_side,
        **origin,
    )
    print("\n".join([*_lines(spec_of(installed)), *_origin(installed)]))
    return 0


def _downloaded(asked: argparse.Namespace, settings: Settings) -> tuple[Path, dict[str, str]]:
    """Return the folder of the model that was asked for, downloaded with consent, and where it came from."""
    from backend.models import downloads  # nothing of the network is even loaded before it is asked for

    if asked.model.count("/") != 1 or asked.model.startswith((".", "/", "~")):
        raise RequestError("model", f"{asked.model} is no folder here, nor an id such as OWNER/MODEL.")
    wanted = downloads.offer(asked.model, revision=asked.revision, hub=settings.hub)
    print(f"{wanted.repository} at {wanted.revision}", file=sys.stderr)
    print(
        f"  {wanted.size_bytes / 1e9:.2f} GB in {len(wanted.files)} files, licence {wanted.licence}",
        file=sys.stderr,
    )
    folder: Path = settings.models_dir / asked.name
    downloads.require_space(wanted, folder)
    if not asked.yes and _typed("Download it? Type yes: ") != "yes":
        raise RequestError("yes", "Nothing was downloaded.")
    with _told() as tell:
        downloads.download(wanted, folder, hub=settings.hub, on_progress=lambda now: tell(_progress(now)))
    return folder, {"source": wanted.repository, "revision": wanted.revision, "licence": wanted.licence}


def _check(asked: argparse.Namespace, settings: Settings) -> int:
    """Hash every file of one model or of all, and print what is missing or damaged."""
    found = []
    if asked.model is None:
        found = [line for spec in registry.specs() for line in weights.problems(settings.weights_dir, spec)]
    names = [asked.model] if asked.model else [path.stem for path in settings.models_dir.glob("*.json")]
    for name in sorted(names):
        found += problems(read(settings.models_dir, name), is_thorough=True)
    print("\n".join(found) or "All files are there and have their checksums.")
    return 1 if found else 0


def _set(asked: argparse.Namespace, settings: Settings) -> int:
    """Change how a model shares the memory, the size of its clips, or what is added to it."""
    upsampler = asked.upsampler and str(Path(asked.upsampler).expanduser().absolute())
    change = Change(asked.memory, asked.short_side, asked.block_cache, upsampler)
    installed = changed(read(settings.models_dir, asked.model), change)
    write(settings.models_dir, installed)
    print("\n".join([*_lines(spec_of(installed)), *_origin(installed)]))
    return 0


def _remove(asked: argparse.Namespace, settings: Settings) -> int:
    """Remove an added model once its name was typed; a folder that was only added stays on the disk."""
    installed = read(settings.models_dir, asked.model)
    if not asked.yes and _typed(f"Type {installed.name} to remove it: ") != installed.name:
        raise RequestError("name", "Another name was typed; nothing was removed.")
    remove_model(settings.models_dir, installed)
    print(f"{installed.name} is removed.")
    return 0


_ACTIONS: dict[str, Callable[[argparse.Namespace, Settings], int]] = {
    "list": _list,
    "add": _add,
    "check": _check,
    "set": _set,
    "remove": _remove,
}


def _lines(spec: EngineSpec) -> list[str]:
    """Return what an engine can make, as lines."""
    least, most = spec.duration_range
    sizes = ", ".join(f"{ratio} {width} x {height}" for ratio, (width, height) in spec.sizes.items())
    takes = [field.replace("_", " ") for field in spec.pictures.accepted]
    pictures = f", from {' and '.join(takes)}" if "given_frames" in spec.capabilities and takes else ""
    needs = f" (needs {' and '.join(spec.pictures.needed)})" if spec.pictures.needed else ""
    return [
        f"{spec.name}: {spec.title}",
        f"  clips of {least:.1f} to {most:.1f} s at {spec.frame_rate} per second{pictures}{needs}",
        f"  sizes {sizes}",
        f"  licence {spec.licence}",
    ]


def _origin(installed: Installed) -> list[str]:
    """Return where a model lies and came from, and what it needs, as lines."""
    needs = ", ".join(
        f"{plan} {needed_bytes(installed.facts['parameters'], plan) / 1e9:.1f} GB"
        for plan in PLANS
        if plan != "auto"
    )
    origin = f"{installed.source} at {installed.revision}" if installed.source else "a local folder"
    return [
        f"  {installed.size_bytes / 1e9:.2f} GB at {installed.folder}, from {origin}",
        f"  memory for weights by plan: {needs}; set to {installed.memory_plan}",
        f"  block cache {installed.block_cache:g}" if installed.block_cache else "  no block cache",
        *(f"  {name.replace('_', ' ')} at {place}" for name, place in installed.parts.items()),
    ]


def _progress(now: "Progress") -> str:
    line = f"{now.done_bytes / 1e9:.2f} of {now.total_bytes / 1e9:.2f} GB"
    return line if now.remaining_seconds is None else f"{line}, about {now.remaining_seconds:.0f} s left"


@contextmanager
def _told() -> Iterator[Callable[[str], None]]:
    """Yield what tells a line on standard error in place of the one before, where that is a terminal."""
    is_terminal = sys.stderr.isatty()

    def tell(line: str) -> None:
        if is_terminal:
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    yield tell
    if is_terminal:
        print(file=sys.stderr)


def _typed(question: str) -> str:
    """Return what is typed in answer to `question`; nothing where nobody can type."""
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


if __name__ == "__main__":
    sys.exit(main())
