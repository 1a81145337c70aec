"""Adding a folder of weights as an engine, and removing it again. Torch-free; reaches no network."""

import shutil
from pathlib import Path

from backend.errors import RequestError
from backend.models import registry
from backend.models.families import recognised
from backend.models.installed import Installed, described, record_path, write

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
    RequestError for a name that is taken.
    """
    path = record_path(models_dir, name)
    taken = {spec.name for spec in registry.specs()}
    if name in taken or path.exists():
        raise RequestError("name", f"An engine is already called '{name}'; choose another name.")
    folder = folder.expanduser().resolve()
    family, facts, paths = recognised(folder)
    installed = Installed(
        name=name,
        title=folder.name.removesuffix("-Diffusers").removesuffix("-diffusers"),
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


def remove_model(models_dir: Path, installed: Installed) -> None:
    """Remove the record of `installed`, and its files where they were downloaded into `models_dir`."""
    record_path(models_dir, installed.name).unlink()
    own = models_dir / installed.name
    if own.is_dir() and Path(installed.folder) == own.resolve():
        shutil.rmtree(own)
