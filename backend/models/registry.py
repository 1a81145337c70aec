"""The table of engines: name -> specification and the function that loads it; then the added models.

Torch-free: only `load_engine` imports a network, and only the one it loads.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from backend.errors import RequestError
from backend.models.engine import Engine, EngineSpec
from backend.models.families import FAMILIES, spec_of
from backend.models.installed import Installed, read_all
from backend.models.kinora.spec import KINORA_POCKET


@dataclass(frozen=True)
class EngineEntry:
    """One row: an engine's specification and its factory, "package.module:function".

    The factory takes (weights_dir, device) and returns an Engine.
    """

    spec: EngineSpec
    factory: str


ENGINES = (EngineEntry(KINORA_POCKET, "backend.models.kinora.engine:load"),)


def specs(*, extra_engines: tuple[str, ...] = (), models_dir: Path | None = None) -> list[EngineSpec]:
    """Return the specification of every engine, in the order of the table, then added models and extra ones.

    extra_engines: factories as "package.module:function" of modules that hold their specification as `SPEC`.
    models_dir: where the records of added models lie, if they shall be among the engines.
    """
    own = [entry.spec for entry in ENGINES]
    added = [spec_of(installed) for installed in _added(models_dir)]
    return own + added + [entry.spec for entry in _extra(extra_engines)]


def spec(name: str, *, extra_engines: tuple[str, ...] = (), models_dir: Path | None = None) -> EngineSpec:
    """Return the specification of the engine called `name`; RequestError if there is none."""
    known = {each.name: each for each in specs(extra_engines=extra_engines, models_dir=models_dir)}
    if name not in known:
        raise RequestError("engine", f"Engine must be one of {', '.join(known)}; you gave '{name[:40]}'.")
    return known[name]


def load_engine(
    name: str,
    *,
    weights_dir: Path,
    device: str,
    extra_engines: tuple[str, ...] = (),
    models_dir: Path | None = None,
) -> Engine:
    """Return the engine called `name`, ready to run on `device` ("auto", "cpu", "cuda" or "mps").

    Raises RequestError for an unknown name, WeightsError for missing or damaged files and ResourceError for a
    device that this machine does not have.
    """
    spec(name, extra_engines=extra_engines, models_dir=models_dir)
    installed = None if models_dir is None else record(name, models_dir=models_dir)
    if installed is not None:
        return _function(FAMILIES[installed.family].factory)(installed, device)
    entry = next(each for each in (*ENGINES, *_extra(extra_engines)) if each.spec.name == name)
    return _function(entry.factory)(weights_dir, device)


def record(name: str, *, models_dir: Path) -> Installed | None:
    """Return the record of the added model called `name`, or None for every other engine."""
    return next((each for each in _added(models_dir) if each.name == name), None)


def _added(models_dir: Path | None) -> list[Installed]:
    return [] if models_dir is None else read_all(models_dir)


def _extra(extra_engines: tuple[str, ...]) -> tuple[EngineEntry, ...]:
    return tuple(EngineEntry(_module(factory).SPEC, factory) for factory in extra_engines)


def _module(factory: str) -> ModuleType:
    return importlib.import_module(factory.partition(":")[0])


def _function(factory: str) -> Callable[..., Engine]:
    function: Callable[..., Engine] = getattr(_module(factory), factory.partition(":")[2])
    return function
