"""What a creator can change of an added model, on its page and on the command line alike. Torch-free."""

from dataclasses import dataclass, replace
from pathlib import Path

from backend.errors import RequestError, WeightsError
from backend.models.adding import require_short_side
from backend.models.diffusers_folder import DiffusersFolder, read_json
from backend.models.families import FAMILIES
from backend.models.installed import Installed, described
from backend.models.ltx_video.spec import doubles_size
from backend.models.memory_plans import PLANS

UPSAMPLER = "latent_upsampler"


@dataclass(frozen=True)
class Change:
    """What shall be otherwise; None stays as it is.

    short_side: 0 is what the model was trained for. block_cache: 0 is off. upsampler: a folder of this
    machine, or empty for none.
    """

    memory_plan: str | None = None
    short_side: int | None = None
    block_cache: float | None = None
    upsampler: str | None = None


def changed(installed: Installed, change: Change) -> Installed:
    """Return `installed` after `change`; RequestError for what the model cannot have, WeightsError."""
    if change.upsampler is not None:
        place = change.upsampler.strip()
        installed = _with_upsampler(installed, place) if place else _without_upsampler(installed)
    if change.memory_plan is not None:
        installed = replace(installed, memory_plan=_memory_plan(change.memory_plan))
    if change.short_side is not None:
        require_short_side(change.short_side or None, multiple=installed.facts["pixels"])
        installed = replace(installed, short_side=change.short_side or None)
    if change.block_cache is not None:
        installed = replace(installed, block_cache=_block_cache(change.block_cache, installed))
    return installed


def takes_upsampler(installed: Installed) -> bool:
    """Return whether a latent upsampler can be added to the model."""
    return UPSAMPLER in FAMILIES[installed.family].extras


def _memory_plan(asked: str) -> str:
    if asked not in PLANS:
        raise RequestError(
            "memory_plan", f"Memory plan must be one of {', '.join(PLANS)}; you gave '{asked[:40]}'."
        )
    return asked


def _block_cache(asked: float, installed: Installed) -> float:
    if not 0 <= asked <= 1:
        raise RequestError(
            "block_cache", f"Block cache must be a number from 0, which is off, to 1; you gave {asked:g}."
        )
    if asked and not FAMILIES[installed.family].has_block_cache:
        raise RequestError("block_cache", f"{installed.title} has no block cache; leave it at 0.")
    return asked


def _with_upsampler(installed: Installed, place: str) -> Installed:
    """Return the model with the upsampler in the folder `place`, or in its subfolder of that name.

    The files stay where they are, and count as the model's own.
    """
    if not takes_upsampler(installed):
        raise RequestError(
            "upsampler", f"{installed.title} takes no latent upsampler; only models of LTX do."
        )
    folder = Path(place).expanduser()
    if not folder.is_absolute() or not folder.is_dir():
        raise RequestError("upsampler", f"'{place[:80]}' is no folder of this machine, from its root on.")
    folder = (folder / UPSAMPLER if (folder / UPSAMPLER).is_dir() else folder).resolve()
    _require_fit(installed, folder)
    found = DiffusersFolder(folder.parent, "", {}).files_of(folder.name)
    names = [path.rpartition("/")[2] for path in found]
    new = [replace(file, path=f"{UPSAMPLER}/{file.path}") for file in described(folder, names)]
    others = [file for file in installed.files if not file.path.startswith(f"{UPSAMPLER}/")]
    return replace(
        installed,
        facts={**installed.facts, "has_upsampler": True},
        files=(*others, *new),
        parts={**installed.parts, UPSAMPLER: str(folder)},
    )


def _without_upsampler(installed: Installed) -> Installed:
    """Return the model without the upsampler that was set; its files stay where they are."""
    if UPSAMPLER not in installed.parts:
        return installed
    return replace(
        installed,
        facts={**installed.facts, "has_upsampler": False},
        files=tuple(file for file in installed.files if not file.path.startswith(f"{UPSAMPLER}/")),
        parts={part: place for part, place in installed.parts.items() if part != UPSAMPLER},
    )


def _require_fit(installed: Installed, folder: Path) -> None:
    """Raise WeightsError unless the upsampler in `folder` is of the model's family and for its latents."""
    config = read_json(folder / "config.json")
    class_name, allowed = str(config.get("_class_name")), FAMILIES[installed.family].extras[UPSAMPLER]
    if class_name not in allowed:
        raise WeightsError(
            f"{folder.name} holds {class_name[:40]} and no {allowed[0]}, the upsampler for "
            f"{installed.title}; choose another folder."
        )
    if not doubles_size(config):
        raise WeightsError(
            f"The upsampler in {folder.name} does not double height and width; choose one that does."
        )
    channels = read_json(Path(installed.folder) / "vae" / "config.json").get("latent_channels")
    if config.get("in_channels") != channels:
        raise WeightsError(
            f"The upsampler in {folder.name} is for latents of {config.get('in_channels')} channels and "
            f"those of {installed.title} have {channels}; choose the one that was made for it."
        )
