"""Adding a folder of weights as an engine, and removing it again. Torch-free; reaches no network."""

import shutil
from dataclasses import replace
from pathlib import Path

from backend.errors import RequestError, StudioError
from backend.models import registry
from backend.models.families import recognised
from backend.models.installed import Installed, described, read, record_path, write
from backend.models.memory_plans import smaller

UNKNOWN_LICENCE = "not stated; see where the files came from"


def install_folder(
    folder: Path,
    *,
    name: str,
    models_dir: Path,
    source: str = "",
    revision: str = "",
    licence: str = UNKNOWN_LICENCE,
    short_side: int | None = None,
) -> Installed:
    """Return the model in the diffusers `folder`, added as the engine `name`; the files stay where they are.

    Every file is read once for its checksum. Raises WeightsError for a folder that Kinora cannot run,
    RequestError for a name that is taken or a `short_side` that the model cannot have.
    """
    path = record_path(models_dir, name)
    taken = {spec.name for spec in registry.specs()}
    if name in taken or path.exists():
        raise RequestError("name", f"An engine is already called '{name}'; choose another name.")
    folder = folder.expanduser().resolve()
    family, facts, paths = recognised(folder)
    require_short_side(short_side, multiple=facts["pixels"])
    installed = Installed(
        name=name,
        title=title_of(source or folder.name),
        family=family.name,
        folder=str(folder),
        licence=licence,
        facts=facts,
        source=source,
        revision=revision,
        short_side=short_side,
        files=described(folder, paths),
    )
    write(models_dir, installed)
    return installed


def require_short_side(short_side: int | None, *, multiple: int) -> None:
    """Raise RequestError unless `short_side`, where one is given, is a whole number of the model's pixels."""
    nearest = max(multiple, round((short_side or multiple) / multiple) * multiple)
    if short_side is not None and short_side != nearest:
        raise RequestError(
            "short_side",
            f"The short side of this model's clips must be a multiple of {multiple} pixels; you gave "
            f"{short_side}, and the nearest is {nearest}.",
        )


def title_of(place: str) -> str:
    """Return what a model is called on the page, from its id or the name of its folder."""
    return place.rpartition("/")[2].removesuffix("-Diffusers").removesuffix("-diffusers")


def remove_model(models_dir: Path, installed: Installed) -> None:
    """Remove the record of `installed`, and its files where they were downloaded into `models_dir`."""
    record_path(models_dir, installed.name).unlink()
    own = models_dir / installed.name
    if own.is_dir() and Path(installed.folder) == own.resolve():
        shutil.rmtree(own)


def step_down(models_dir: Path, name: str) -> str | None:
    """Return the next smaller memory plan of the model, which is stored; None where there is none.

    Never one that changes the numbers: that is for the creator to choose.
    """
    try:
        installed = read(models_dir, name)
    except StudioError:
        return None
    plan = smaller(installed.memory_plan)
    if plan is None:
        return None
    write(models_dir, replace(installed, memory_plan=plan))
    return plan
