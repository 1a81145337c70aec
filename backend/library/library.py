"""The library of an open studio: all that was ever made, to find, keep, put away and pass on."""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from backend.config import Settings
from backend.errors import MediaError, RequestError
from backend.library import archive, importing, storage
from backend.library.comparison import Difference, differences
from backend.library.storage import DiskUse, StoredFile
from backend.media.files import sha256_of
from backend.requests import Request
from backend.store import generations, projects
from backend.store import library as store
from backend.store.database import Database
from backend.store.generations import Generation
from backend.store.ids import IdSource
from backend.store.library import Wanted
from backend.store.projects import Project

LIVE = ("queued", "running")
REUSED = {"all": None, "prompt": ("prompt", "negative_prompt"), "seed": ("seed",), "remix": None}
"""What can be taken over from a generation -> the fields of its request that it sets; None for all."""


class Library:
    """The library on the database of an open studio. Safe to call from any thread."""

    def __init__(self, settings: Settings, database: Database, ids: IdSource) -> None:
        self._settings = settings
        self._database = database
        self._ids = ids

    def projects(self) -> list[Project]:
        """Return all projects in the order in which they were made, those in the bin too."""
        with self._database.reading() as connection:
            return projects.listed(connection)

    def make_project(self, name: str) -> Project:
        """Return a new project; RequestError where the name cannot be one or is taken."""
        project = Project(self._ids.next(), projects.checked_name(name), time.time())
        with self._database.transaction() as connection:
            _require_free(projects.is_named(connection, project.name), project.name)
            projects.insert(connection, project)
        return project

    def rename_project(self, project_id: str, name: str, *, revision: int) -> Project:
        """Return the project under its new name.

        Raises RequestError for the name, NotFoundError, and ConflictError where `revision` is not the
        newest: then somebody else changed it since it was read, and nothing is overwritten.
        """
        checked = projects.checked_name(name)
        with self._database.transaction() as connection:
            project = projects.get(connection, project_id)
            _require_free(checked != project.name and projects.is_named(connection, checked), checked)
            return projects.change(connection, replace(project, name=checked, revision=revision))

    def bin_project(self, project_id: str, *, revision: int) -> Project:
        """Put a project and all its generations into the bin; RequestError for the last or a busy one."""
        now = time.time()
        with self._database.transaction() as connection:
            project = projects.get(connection, project_id)
            others = [
                each
                for each in projects.listed(connection)
                if each.binned_at is None and each.id != project_id
            ]
            if not others:
                raise RequestError("project", "This is the only project; make another before you bin it.")
            for status in LIVE:
                if store.page(connection, Wanted(project_id=project_id, status=status), limit=1):
                    raise RequestError(
                        "project", "A clip of this project is still being made; cancel it before you bin it."
                    )
            store.bin_project(connection, project_id, binned_at=now)
            return projects.change(connection, replace(project, binned_at=now, revision=revision))

    def restore_project(self, project_id: str, *, revision: int) -> Project:
        """Take a project out of the bin, with the generations that were put there together with it."""
        with self._database.transaction() as connection:
            project = projects.get(connection, project_id)
            if project.binned_at is None:
                return project
            store.restore_project(connection, project_id, binned_at=project.binned_at)
            taken = {each.name for each in projects.listed(connection) if each.binned_at is None}
            name = importing.free_name(project.name, taken)
            return projects.change(connection, replace(project, name=name, binned_at=None, revision=revision))

    def page(self, wanted: Wanted, *, limit: int = 48, before: str | None = None) -> list[Generation]:
        """Return up to `limit` generations, newest first, after the one called `before`."""
        with self._database.reading() as connection:
            return store.page(connection, wanted, limit=limit, before=before)

    def star(self, generation_id: str, *, is_starred: bool, revision: int) -> Generation:
        """Return the generation with or without its star; NotFoundError, ConflictError."""
        with self._database.transaction() as connection:
            found = generations.get(connection, generation_id)
            return store.change(
                connection,
                generation_id,
                is_starred=is_starred,
                binned_at=found.binned_at,
                revision=revision,
            )

    def bin(self, generation_id: str, *, is_binned: bool, revision: int) -> Generation:
        """Return the generation, put into the bin or taken out.

        Raises NotFoundError, ConflictError, RequestError where it is still being made, or its project is in
        the bin.
        """
        with self._database.transaction() as connection:
            found = generations.get(connection, generation_id)
            project = projects.get(connection, found.project_id)
            if is_binned and found.status in LIVE:
                raise RequestError("bin", "This clip is still being made; cancel it before you bin it.")
            if not is_binned and project.binned_at is not None:
                raise RequestError(
                    "bin", f"Its project '{project.name}' is in the bin; restore that instead."
                )
            return store.change(
                connection,
                generation_id,
                is_starred=found.is_starred,
                binned_at=time.time() if is_binned else None,
                revision=revision,
            )

    def remove(self, ids: Iterable[str]) -> int:
        """Delete generations in the bin for good, and the files that no other one uses; return bytes freed.

        Raises NotFoundError, and RequestError where one is not in the bin; then nothing is deleted.
        """
        with self._database.transaction() as connection:
            removed = [generations.get(connection, each) for each in ids]
            for generation in removed:
                if not store.remove(connection, generation.id):
                    raise RequestError("bin", "Only what is in the bin can be deleted; put it there first.")
            store.remove_empty_projects(connection)
            used_paths, used_names = store.output_paths(connection), store.input_names(connection)
        paths = {output.path for generation in removed for output in generation.outputs} - used_paths
        names = {name for each in removed for name in storage.named_inputs(each.request).values()}
        return storage.delete(self._settings, paths | self._input_paths(names - used_names))

    def empty_bin(self) -> int:
        """Delete everything in the bin for good; return the number of bytes freed."""
        with self._database.reading() as connection:
            ids = store.binned(connection, until=time.time() + 1)
        return self.remove(ids)

    def family(self, generation_id: str) -> list[Generation]:
        """Return the tree of a generation, from its first draft to its last export, oldest first."""
        with self._database.reading() as connection:
            return store.family(connection, generation_id)

    def differences(self, before: str, after: str) -> list[Difference]:
        """Return where the generation `after` differs from `before`; NotFoundError."""
        with self._database.reading() as connection:
            return differences(generations.get(connection, before), generations.get(connection, after))

    def reused(self, generation_id: str, part: str) -> tuple[Request, tuple[str, ...]]:
        """Return a request that takes over `part` of a generation's, and which of its fields count.

        part: "all" with the seed that was used, "remix" with a new one, "prompt" or "seed" alone. Raises
        NotFoundError, RequestError.
        """
        if part not in REUSED:
            raise RequestError("part", f"One of {', '.join(REUSED)} can be reused, not '{part[:40]}'.")
        with self._database.reading() as connection:
            generation = generations.get(connection, generation_id)
        request, seed = generation.request, generation.facts.get("seed")
        used = seed if isinstance(seed, int) else request.seed
        fields = REUSED[part] or tuple(type(request).model_fields)
        return request.model_copy(update={"seed": None if part == "remix" else used}), fields

    def missing(self, generation: Generation) -> list[str]:
        """Return the roles of outputs, and the fields of inputs, whose files are gone."""
        return storage.missing_parts(self._settings, generation)

    def put_back(self, path: Path) -> list[str]:
        """Return the ids of the generations that miss the file at `path`, which is copied to its place.

        It is known by its content, whatever its name is now. Raises MediaError where none misses it.
        """
        sha256 = sha256_of(path)
        with self._database.reading() as connection:
            owners = store.with_output(connection, sha256)
            is_input = sha256 in store.input_names(connection)
        outputs = [(owner, output) for owner in owners for output in owner.outputs if output.sha256 == sha256]
        found = [
            owner.id for owner, output in outputs if storage.put_back_output(self._settings, output, path)
        ]
        if is_input and storage.put_back_input(self._settings, sha256, path):
            found += [each.id for each in self._users_of(sha256)]
        if not found:
            raise MediaError(f"{path.name} is none of the files that are missing; no content is the same.")
        return sorted(set(found))

    def disk_use(self) -> DiskUse:
        """Return what the data folder holds; reads every row and looks at every file."""
        with self._database.reading() as connection:
            usages = store.usage(connection)
            paths, names = store.output_paths(connection), store.input_names(connection)
        settings = self._settings

        def size_of(folder: Path) -> int:
            return sum(file.size_bytes for file in storage.stored_files(folder, settings.data_dir))

        return DiskUse(
            usages=usages,
            inputs_bytes=size_of(settings.inputs_dir),
            backups_bytes=size_of(settings.data_dir / "backups"),
            database_bytes=sum(path.stat().st_size for path in settings.data_dir.glob("studio.db*")),
            unclaimed=storage.unclaimed(settings, output_paths=paths, input_names=names),
        )

    def delete_unclaimed(self) -> int:
        """Delete the files that `disk_use` calls unclaimed; return the bytes freed."""
        unclaimed: list[StoredFile] = self.disk_use().unclaimed
        return storage.delete(self._settings, [file.path for file in unclaimed])

    def export_project(self, project_id: str, target: Path) -> list[str]:
        """Write all that a project has outside the bin and that has ended to a zip file at `target`.

        Returns what had to be left out since its file is missing. Raises NotFoundError, MediaError.
        """
        with self._database.reading() as connection:
            project = projects.get(connection, project_id)
            found = store.of_project(connection, project_id)
        ended = [each for each in found if each.binned_at is None and each.status not in LIVE]
        return archive.write_project(target, project, ended, settings=self._settings)

    def import_project(self, path: Path) -> Project:
        """Return the new project that the project file at `path` holds.

        Names and ids that are taken here get new ones. Raises MediaError for a file that is none, is damaged
        or could do harm, ResourceError where the disk is full; then nothing was imported.
        """
        with archive.open_project(path) as file:
            packed = file.project
            with self._database.reading() as connection:
                taken = store.existing(connection, [each.id for each in packed.generations])
                names = {each.name for each in projects.listed(connection) if each.binned_at is None}
            project = Project(self._ids.next(), importing.free_name(packed.name, names), time.time())
            rows = importing.unpacked_rows(packed, project_id=project.id, taken=taken)
            unpacking = importing.Unpacking(file, self._settings, [])
            try:
                unpacking.write_all(rows)
                self._insert(project, rows)
            except BaseException:
                unpacking.undo()
                raise
        return project

    def _insert(self, project: Project, rows: list[Generation]) -> None:
        with self._database.transaction() as connection:
            projects.insert(connection, project)
            for row in rows:
                generations.insert(connection, row)
                store.insert_job(connection, row)
                generations.store_results(connection, row.id, outputs=row.outputs, facts=row.facts)
                if row.is_starred:
                    store.change(connection, row.id, is_starred=True, binned_at=None, revision=1)

    def _users_of(self, name: str) -> list[Generation]:
        with self._database.reading() as connection:
            return store.with_input(connection, name)

    def _input_paths(self, names: Iterable[str]) -> set[str]:
        found = (storage.input_path(self._settings, name) for name in names)
        return {path.relative_to(self._settings.data_dir).as_posix() for path in found if path is not None}


def _require_free(is_taken: bool, name: str) -> None:
    if is_taken:
        raise RequestError("name", f"There is a project called '{name}' already; choose another name.")
