"""The table of engines: name -> specification and the function that loads it.

Torch-free: only `load_engine` imports a network, and only the one it loads.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from backend.errors import RequestError
from backend.models.engine import Engine, EngineSpec
from backend.models.kinora.spec import KINORA_POCKET


@dataclass(frozen=True)
class EngineEntry:
    """One row: an engine's specification and its factory, "package.module:function".

    The factory takes (weights_dir, device) and returns an Engine.
    """

    spec: EngineSpec
    factory: str


ENGINES = (EngineEntry(KINORA_POCKET, "backend.models.kinora.engine:load"),)


def specs(*, extra_engines: tuple[str, ...] = ()) -> list[EngineSpec]:
    """Return the specification of every engine, in the order of the table, then of `extra_engines`.

    extra_engines: factories as "package.module:function" of modules that hold their specification as `SPEC`.
    """
    return [entry.spec for entry in _entries(extra_engines)]


def spec(name: str, *, extra_engines: tuple[str, ...] = ()) -> EngineSpec:
    """Return the specification of the engine called `name`; RequestError if there is none."""
    return _entry(name, extra_engines).spec


def load_engine(name: str, *, weights_dir: Path, device: str, extra_engines: tuple[str, ...] = ()) -> Engine:
    """Return the engine called `name`, ready to run on `device` ("auto", "cpu", "cuda" or "mps").

    Raises RequestError for an unknown name, WeightsError for missing or damaged files and ResourceError for a
    device that this machine does not have.
    """
    return _function(_entry(name, extra_engines).factory)(weights_dir, device)


def _entries(extra_engines: tuple[str, ...]) -> tuple[EngineEntry, ...]:
    return ENGINES + tuple(EngineEntry(_module(factory).SPEC, factory) for factory in extra_engines)


def _entry(name: str, extra_engines: tuple[str, ...]) -> EngineEntry:
    entries = {entry.spec.name: entry for entry in _entries(extra_engines)}
    if name not in entries:
        raise RequestError("engine", f"Engine must be one of {', '.join(entries)}; you gave '{name[:40]}'.")
    return entries[name]


def _module(factory: str) -> ModuleType:
    return importlib.import_module(factory.partition(":")[0])


def _function(factory: str) -> Callable[[Path, str], Engine]:
    function: Callable[[Path, str], Engine] = getattr(_module(factory), factory.partition(":")[2])
    return function
