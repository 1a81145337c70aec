"""The families of open models: how a diffusers folder is recognised, and what it can make. Torch-free."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.errors import WeightsError
from backend.models.diffusers_folder import DiffusersFolder, read_folder
from backend.models.engine import EngineSpec
from backend.models.installed import Installed
from backend.models.ltx2_video import spec as ltx2_video
from backend.models.ltx_video import spec as ltx_video
from backend.models.wan_video import spec as wan_video


@dataclass(frozen=True)
class Family:
    """One row. pipelines: the classes of diffusers whose folders it runs.

    read_facts: what a folder can do, as JSON; raises WeightsError for a variant that cannot run here.
    components: names of subfolders -> classes of diffusers or transformers that may lie there. extras: those
    that may lie there without being named in model_index.json.
    spec: of a model with those facts. factory: "package.module:function" taking (Installed, device).
    has_block_cache: whether `models.block_cache` works for it; diffusers has none for LTX-2.
    """

    name: str
    pipelines: tuple[str, ...]
    components: dict[str, tuple[str, ...]]
    read_facts: Callable[[DiffusersFolder], dict[str, Any]]
    spec: Callable[[Installed], EngineSpec]
    factory: str
    has_block_cache: bool = True
    extras: dict[str, tuple[str, ...]] = field(default_factory=dict)


FAMILIES = {
    family.name: family
    for family in (
        Family(
            "wan_video",
            wan_video.PIPELINES,
            wan_video.COMPONENTS,
            wan_video.read_facts,
            wan_video.spec,
            "backend.models.wan_video.engine:load",
        ),
        Family(
            "ltx_video",
            ltx_video.PIPELINES,
            ltx_video.COMPONENTS,
            ltx_video.read_facts,
            ltx_video.spec,
            "backend.models.ltx_video.engine:load",
            extras=ltx_video.EXTRAS,
        ),
        Family(
            "ltx2_video",
            ltx2_video.PIPELINES,
            ltx2_video.COMPONENTS,
            ltx2_video.read_facts,
            ltx2_video.spec,
            "backend.models.ltx2_video.engine:load",
            has_block_cache=False,
            extras=ltx2_video.EXTRAS,
        ),
    )
}


def recognised(folder: Path) -> tuple[Family, dict[str, Any], list[str]]:
    """Return the family of the diffusers folder, its facts, and the paths of the files that it will read.

    Raises WeightsError for a folder that is none, of an unknown family, without safetensors, or that asks
    for code of its own.
    """
    found = read_folder(folder)
    family = family_of(found)
    paths = found.paths(family.components, family.extras)
    return family, {**family.read_facts(found), "parameters": found.parameters()}, paths


def family_of(found: DiffusersFolder) -> Family:
    """Return the family that runs the folder; WeightsError where none does."""
    family = next((each for each in FAMILIES.values() if found.pipeline in each.pipelines), None)
    if family is None:
        known = sorted(name for each in FAMILIES.values() for name in each.pipelines)
        raise WeightsError(
            f"This is a model of {found.pipeline[:60]}, which Kinora cannot run; it runs {', '.join(known)}."
        )
    return family


def spec_of(installed: Installed) -> EngineSpec:
    """Return what the model can make."""
    return FAMILIES[installed.family].spec(installed)
