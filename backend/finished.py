"""Finished generations and where their files lie. Torch-free."""

from pathlib import Path

from backend.config import Settings
from backend.errors import NotFoundError
from backend.store import generations, library
from backend.store.database import Database
from backend.store.generations import Generation


class Finished:
    """What the data folder of `settings` holds."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self._database = database

    def generation(self, generation_id: str) -> Generation:
        """Return the generation of that id; NotFoundError if there is none."""
        with self._database.reading() as connection:
            return generations.get(connection, generation_id)

    def details(self, generation_id: str) -> list[Generation]:
        """Return the finished details that were made of a generation itself, oldest first."""
        with self._database.reading() as connection:
            return library.details(connection, generation_id)

    def output_path(self, generation_id: str, role: str) -> Path:
        """Return where the finished file of that role lies; NotFoundError where there is none (any more)."""
        output = self.generation(generation_id).output(role)
        path = None if output is None else self.settings.data_dir / output.path
        if path is None or not path.is_file() or not self.is_inside(path):
            raise NotFoundError(
                f"The {role[:20]} of generation '{generation_id[:40]}' is not in the data folder."
            )
        return path

    def is_inside(self, path: Path) -> bool:
        """Return whether `path` lies in the data folder even after every link was followed."""
        return path.resolve().is_relative_to(self.settings.data_dir.resolve())

    def stored(self, generation: Generation) -> Generation:
        """Store what has changed of a finished generation and return it."""
        with self._database.transaction() as connection:
            generations.store_results(
                connection, generation.id, outputs=generation.outputs, facts=generation.facts
            )
        return generation
