"""A folder in diffusers' layout, read as data: its classes, configuration and which of its files are needed.

Torch-free, and nothing in the folder is ever run: classes outside a family's list, files that are pickles
and configurations that name code of their own are refused.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.errors import WeightsError

INDEX_NAME = "model_index.json"
LIBRARIES = ("diffusers", "transformers", "ltx2")
"""Where classes may come from; diffusers writes its folder of a pipeline for those that lie there."""
WEIGHTS_SUFFIX = ".safetensors"
_VARIANTS = ("fp16", "bf16", "fp32", "non_ema")
_PLAIN_SUFFIXES = (".json", ".txt", ".model")
WITHOUT_WEIGHTS = ("scheduler", "tokenizer", "image_processor", "processor")


@dataclass(frozen=True)
class DiffusersFolder:
    """pipeline: the class it was saved from. index: the content of model_index.json."""

    folder: Path
    pipeline: str
    index: dict[str, Any]

    def config(self, component: str) -> dict[str, Any]:
        """Return the configuration of a component; WeightsError where it is missing or damaged."""
        names = {"scheduler": "scheduler_config.json"}
        return read_json(self.folder / component / names.get(component, "config.json"))

    def components(self) -> dict[str, list[str]]:
        """Return subfolder -> [library, class] of every component that is there."""
        return {
            name: value
            for name, value in self.index.items()
            if isinstance(value, list) and len(value) == 2 and value[0] is not None
        }

    def has_extra(self, component: str) -> bool:
        """Return whether a component lies in the folder that its model_index.json does not name."""
        return component not in self.components() and (self.folder / component / "config.json").is_file()

    def paths(
        self,
        allowed: Mapping[str, tuple[str, ...]],
        extras: Mapping[str, tuple[str, ...]] | None = None,
    ) -> list[str]:
        """Return the POSIX paths of all files to read, those of `extras` that are there included.

        Raises WeightsError for components not `allowed`, and for extras of another class than theirs.
        """
        self.require_allowed(allowed)
        found = [name for name in extras or {} if self.has_extra(name)]
        for name in found:
            class_name = str(self.config(name).get("_class_name"))
            if class_name not in (extras or {})[name]:
                raise WeightsError(
                    f"{self.folder.name} has a part {name} of {class_name[:40]}, which Kinora does not run."
                )
        paths = [path for name in [*self.components(), *found] for path in self.files_of(name)]
        return sorted([INDEX_NAME, *paths])

    def require_allowed(self, allowed: Mapping[str, tuple[str, ...]]) -> None:
        """Raise WeightsError where a component is of a class that is not `allowed`."""
        for name, (library, class_name) in self.components().items():
            if library not in LIBRARIES or class_name not in allowed.get(name, ()):
                part = f"{name[:40]} of {str(library)[:40]}.{str(class_name)[:40]}"
                raise WeightsError(
                    f"{self.folder.name} has a part {part}, which Kinora does not run; "
                    "choose the model's own diffusers folder."
                )

    def parameters(self) -> dict[str, int]:
        """Return how many parameters each component has, from the headers of its safetensors."""
        counts = {name: 0 for name in self.components() if name not in WITHOUT_WEIGHTS}
        for name in counts:
            for path in (self.folder / name).glob(f"*{WEIGHTS_SUFFIX}"):
                if is_needed(f"{name}/{path.name}", {name}):
                    counts[name] += sum(math.prod(shape) for shape in tensor_shapes(path).values())
        return counts

    def files_of(self, component: str) -> list[str]:
        """Return the POSIX paths of a component's plain files and safetensors; WeightsError."""
        files = sorted(
            path
            for path in (self.folder / component).glob("*")
            if path.is_file() and is_needed(f"{component}/{path.name}", {component})
        )
        plain = [path for path in files if path.suffix in _PLAIN_SUFFIXES]
        for path in plain:
            if path.suffix == ".json" and "auto_map" in read_json(path):
                raise WeightsError(
                    f"{component}/{path.name} of {self.folder.name} asks to run its own code; it is refused."
                )
        weights = [path for path in files if path.suffix == WEIGHTS_SUFFIX]
        if component not in WITHOUT_WEIGHTS:
            self._require_weights(component, weights)
        return [path.relative_to(self.folder).as_posix() for path in plain + weights]

    def _require_weights(self, component: str, weights: list[Path]) -> None:
        if not weights:
            raise WeightsError(
                f"{self.folder.name}/{component} holds no safetensors; Kinora reads no other weights, since "
                "pickles can run code."
            )
        for index in (self.folder / component).glob(f"*{WEIGHTS_SUFFIX}.index.json"):
            shards = set(read_json(index).get("weight_map", {}).values())
            missing = sorted(shards - {path.name for path in weights})
            if missing:
                raise WeightsError(f"{self.folder.name}/{component}/{missing[0]} is missing; get it again.")


def parse_index(index: dict[str, Any]) -> DiffusersFolder:
    """Return the folder that `index`, the content of a model_index.json elsewhere, describes."""
    return DiffusersFolder(Path("this model"), str(index.get("_class_name", "")), index)


def is_needed(path: str, components: set[str]) -> bool:
    """Return whether the POSIX `path` is one to read: plain data or safetensors, of the usual precision."""
    if path == INDEX_NAME:
        return True
    component, _, name = path.partition("/")
    is_variant = any(f".{variant}" in name for variant in _VARIANTS)
    is_of_a_kind = name.endswith((*_PLAIN_SUFFIXES, WEIGHTS_SUFFIX)) and not is_variant
    return component in components and "/" not in name and is_of_a_kind


def tensor_shapes(path: Path) -> dict[str, list[int]]:
    """Return the shape of every tensor in a safetensors file: its header is a length and then JSON.

    Raises WeightsError where it is none.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                raise ValueError("no header")
            header = json.loads(file.read(length))
        return {name: list(row["shape"]) for name, row in header.items() if name != "__metadata__"}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
        raise WeightsError(f"{path.parent.name}/{path.name} is no safetensors file; get it again.") from exc


def read_folder(folder: Path) -> DiffusersFolder:
    """Return the folder at `folder`; WeightsError where it is not in diffusers' layout."""
    if not (folder / INDEX_NAME).is_file():
        raise WeightsError(
            f"{folder} is no diffusers folder: it has no {INDEX_NAME}; choose the folder above it."
        )
    index = read_json(folder / INDEX_NAME)
    return DiffusersFolder(folder, str(index.get("_class_name", "")), index)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in the JSON file at `path`; WeightsError where there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as exc:
        raise WeightsError(f"{path.parent.name}/{path.name} is missing or damaged; get it again.") from exc
    if not isinstance(value, dict):
        raise WeightsError(f"{path.parent.name}/{path.name} is damaged: it holds no object; get it again.")
    return value
