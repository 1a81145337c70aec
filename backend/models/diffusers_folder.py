"""A folder in diffusers' layout, read as data: its classes, configuration and which of its files are needed.

Torch-free, and nothing in the folder is ever run: classes outside a family's list, files that are pickles
and configurations that name code of their own are refused.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.errors import WeightsError

INDEX_NAME = "model_index.json"
LIBRARIES = ("diffusers", "transformers")
WEIGHTS_SUFFIX = ".safetensors"
_PLAIN_SUFFIXES = (".json", ".txt", ".model")
_WITHOUT_WEIGHTS = ("scheduler", "tokenizer", "image_processor")


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

    def paths(self, allowed: Mapping[str, tuple[str, ...]]) -> list[str]:
        """Return the POSIX paths of all files to read; WeightsError for components not `allowed`."""
        paths = [INDEX_NAME]
        for name, (library, class_name) in self.components().items():
            if library not in LIBRARIES or class_name not in allowed.get(name, ()):
                part = f"{name[:40]} of {str(library)[:40]}.{str(class_name)[:40]}"
                raise WeightsError(
                    f"{self.folder.name} has a part {part}, which Kinora does not run; "
                    "choose the model's own diffusers folder."
                )
            paths += self._files_of(name)
        return sorted(paths)

    def _files_of(self, component: str) -> list[str]:
        """Return the paths of a component's plain files and safetensors."""
        files = sorted(path for path in (self.folder / component).glob("*") if path.is_file())
        plain = [path for path in files if path.suffix in _PLAIN_SUFFIXES]
        for path in plain:
            if path.suffix == ".json" and "auto_map" in read_json(path):
                raise WeightsError(
                    f"{component}/{path.name} of {self.folder.name} asks to run its own code; it is refused."
                )
        weights = [path for path in files if path.suffix == WEIGHTS_SUFFIX]
        if component not in _WITHOUT_WEIGHTS:
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
