"""Exports of finished clips, in a folder of their own. Torch-free."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backend.errors import NotFoundError
from backend.finished import Finished
from backend.media.export import EXPORTERS, Exported, export
from backend.media.export_settings import CONTROLS, export_settings
from backend.media.files import safe_name, unused_path


class Exports:
    """What was and can be exported of what is `finished`."""

    def __init__(self, finished: Finished) -> None:
        self._finished = finished
        self._folder = finished.settings.exports_dir

    def make(self, generation_id: str, settings: Mapping[str, Any], *, name: str = "") -> Exported:
        """Return the export of a finished clip, in the folder of exports of the data folder.

        settings: fields of `ExportSettings`. name: of the file without suffix, made harmless, and numbered
        where it is taken; the first words of the prompt where it is empty. Raises NotFoundError where there
        is no clip, RequestError, MediaError, ResourceError.
        """
        source, chosen = self._finished.output_path(generation_id, "clip"), export_settings(settings)
        first_words = " ".join(self._finished.generation(generation_id).request.prompt.split()[:6])
        stem = safe_name(name, otherwise=safe_name(first_words, otherwise="clip"))
        suffix = EXPORTERS[chosen.format].suffix
        return export(source, unused_path(self._folder, stem, suffix), chosen)

    def controls(self) -> dict[str, list[str]]:
        """Return format -> names of the settings that change an export in it."""
        return {name: sorted(controls) for name, controls in CONTROLS.items()}

    def path(self, name: str) -> Path:
        """Return where the export of that file name lies; NotFoundError where there is none."""
        path = self._folder / name
        is_name = name == Path(name).name and not name.startswith(".") and "\0" not in name
        if not is_name or not path.is_file() or not self._finished.is_inside(path):
            raise NotFoundError(f"There is no export '{name[:60]}' in the data folder.")
        return path
