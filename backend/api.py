"""The front door of the studio and the command line: submit, cancel, watch, look up. Torch-free."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backend.config import Settings
from backend.errors import RequestError
from backend.exports import Exports
from backend.finished import Finished
from backend.inputs import Inputs
from backend.jobs.controls import Controls, require_room
from backend.jobs.dispatcher import Dispatcher
from backend.jobs.messages import Preview
from backend.jobs.progress import Progress
from backend.library.comparison import Difference
from backend.library.library import Library
from backend.library.lost import claim_lost
from backend.library.storage import DiskUse
from backend.media.disk import free_bytes, readable_bytes, require_space
from backend.media.export import Exported
from backend.media.ffmpeg import ffmpeg_problem
from backend.media.metadata import read_metadata
from backend.model_arrivals import Arrival
from backend.model_shelf import Model, ModelShelf
from backend.models import registry
from backend.models.engine import EngineSpec
from backend.models.vocabulary import ALL_WORDS, read_vocabulary, unknown_words
from backend.models.weights_watch import WeightsWatch
from backend.pipelines.estimate import Estimate, Machine, disk_bytes, estimate
from backend.report import written_report
from backend.requests import (
    MAX_SEED,
    ClipRequest,
    DetailRequest,
    Request,
    completed,
    parse_request,
    validate_for,
    validate_variations,
)
from backend.soundtracks import Sounds
from backend.store import generations, jobs, projects
from backend.store.backups import DailyBackups
from backend.store.database import Database
from backend.store.exports import ExportRow
from backend.store.generations import Generation, Output
from backend.store.ids import IdSource
from backend.store.library import Wanted
from backend.store.projects import Project
from backend.store.recovery import open_whole

__all__ = [
    "Api",
    "Arrival",
    "Difference",
    "DiskUse",
    "EngineSpec",
    "Estimate",
    "ExportRow",
    "Exported",
    "Generation",
    "Library",
    "Model",
    "Output",
    "Preview",
    "Progress",
    "Project",
    "StudioStatus",
    "Wanted",
    "readable_bytes",
]

DEFAULT_ENGINE = ClipRequest.model_fields["engine"].default
FIRST_PROJECT_NAME = "Untitled"
_DRAWN_SEEDS = 2**32  # short enough to read and retype; larger seeds can be asked for


@dataclass(frozen=True)
class StudioStatus:
    """How the studio is. worker: "starting", "idle", "busy" or "stopped"; problems: one sentence each;
    recovered: how many unfinished clips this start found.
    """

    device: str
    worker: str
    queued: int
    problems: list[str]
    is_paused: bool = False
    recovered: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the same as a plain dict."""
        return asdict(self)


class Api:
    """An open studio: the owner of one data folder. Safe to call from any thread.

    controls: of the queue: retry, move, pause, resume. inputs: what creators brought along. exports, sounds:
    what is made of finished clips. library: projects, search, the bin. models: what makes clips.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        dispatcher: Dispatcher,
        *,
        extra_engines: tuple[str, ...],
        notices: tuple[str, ...] = (),
    ) -> None:
        """notices: what this start found that the creator must know, one sentence each."""
        self.settings = settings
        self._database = database
        self._dispatcher = dispatcher
        self._extra_engines = extra_engines
        self._notices = notices
        self.controls = Controls(settings, database, dispatcher=dispatcher)
        with database.reading() as connection:
            self._ids = IdSource(newest=generations.newest_id(connection))
        self._finished = Finished(settings, database)
        self.inputs = Inputs(settings)
        self.exports = Exports(self._finished, database, self._ids)
        self.sounds = Sounds(self._finished)
        self.library = Library(settings, database, self._ids)
        self.default_project()
        self._backups = DailyBackups(database)
        self._backups.start()
        self._weights = {
            spec.name: WeightsWatch(settings.weights_dir, spec)
            for spec in registry.specs(extra_engines=extra_engines)
        }
        self.models = ModelShelf(
            settings,
            engines=self.engines,
            watches=self._weights,
            busy_engines=lambda: {each.request.engine for each in self.queue()},
        )
        self._is_open = True

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        warm_engine: str | None = DEFAULT_ENGINE,
        extra_engines: tuple[str, ...] = (),
    ) -> "Api":
        """Return the studio on `settings.data_dir`, at work on whatever is queued there.

        warm_engine: loaded at once by the worker, or None. extra_engines: as for `registry.specs`.
        A damaged database is replaced by its copy, files without a row are taken in; `status` tells of it.
        Raises StoreError where another process owns the folder or its database cannot be used.
        """
        database, told = open_whole(settings.database_path)
        try:
            notices = tuple(filter(None, (told, claim_lost(settings, database))))
            dispatcher = Dispatcher(database, settings, warm_engine=warm_engine, extra_engines=extra_engines)
            dispatcher.start()
            return cls(
                settings, database, dispatcher=dispatcher, extra_engines=extra_engines, notices=notices
            )
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        """Stop working and free the data folder; a running job goes on at the next start."""
        if self._is_open:
            self._is_open = False
            self.exports.close()
            self.models.close()
            self._dispatcher.stop()
            self._backups.stop()
            self._database.close()

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(
        self,
        request: Request,
        *,
        variations: int = 1,
        project_id: str | None = None,
        parents: Sequence[str] = (),
    ) -> list[str]:
        """Return the ids of `variations` new generations, which are stored and queued when this returns.

        Their seeds count up from the request's, or from one that is drawn here. parents: the generations they
        are made from, to whose project the new ones belong unless `project_id` names another. Raises
        RequestError for what the engine cannot make or a project in the bin, ResourceError for what the disk
        has no room for, NotFoundError for an unknown project or parent.
        """
        spec = self._spec(request.engine)
        validate_for(request, spec)
        self.inputs.require(request, spec)
        known_parents = [self.generation(parent) for parent in parents]
        seeds = _seeds(request.seed, validate_variations(variations))
        needed_bytes = disk_bytes(request, spec, variations=len(seeds))
        require_space(self.settings.data_dir, needed_bytes, what="This clip" if len(seeds) == 1 else "This")
        project = self._destination(project_id, known_parents)
        new = [
            Generation(
                id=self._ids.next(),
                project_id=project.id,
                request=completed(request, spec).model_copy(update={"seed": seed}),
                created_at=time.time(),
                kind=request.kind,
                parents=tuple(parent.id for parent in known_parents),
            )
            for seed in seeds
        ]
        with self._database.transaction() as connection:
            require_room(len(new), waiting=jobs.count_queued(connection))
            for generation in new:
                generations.insert(connection, generation)
                jobs.insert(connection, generation.id)
        self._dispatcher.wake()
        return [generation.id for generation in new]

    def detail_request(self, generation_id: str, **settings: Any) -> DetailRequest:
        """Return the request for the detail of a finished clip; its words and engine are those of the clip.

        settings: other fields of the request. Raises NotFoundError where it has no clip, RequestError.
        """
        made = self.generation(generation_id).request
        fields = {"prompt": made.prompt, "engine": made.engine, "seed": made.seed}
        source = self.inputs.add_clip(self.output_path(generation_id, "clip"))
        request = parse_request({"kind": "detail", **fields, "source": source, **settings})
        assert isinstance(request, DetailRequest)
        return request

    def cancel(self, generation_id: str) -> None:
        """Cancel a queued or running generation; one that has ended stays as it is. Raises NotFoundError."""
        self.controls.cancel(generation_id)

    def edit(self, generation_id: str, request: Request, *, edits: int) -> None:
        """Give a waiting generation another request; without a seed, it keeps the one that was drawn.

        edits: of the generation as you saw it. Raises RequestError where it was changed since, has begun, or
        the engine cannot make it, and NotFoundError.
        """
        spec = self._spec(request.engine)
        validate_for(request, spec)
        self.inputs.require(request, spec)
        before = self.generation(generation_id).request
        if request.kind != before.kind:
            raise RequestError(
                "kind", f"A {before.kind} cannot become a {request.kind}; add it as a new one."
            )
        seed = before.seed if request.seed is None else request.seed
        self.controls.edit(generation_id, request=request.model_copy(update={"seed": seed}), edits=edits)

    def generation(self, generation_id: str) -> Generation:
        """Return the generation of that id; NotFoundError if there is none."""
        return self._finished.generation(generation_id)

    def generations(
        self, *, project_id: str | None = None, limit: int = 50, before: str | None = None
    ) -> list[Generation]:
        """Return up to `limit` generations, newest first, of one project or all, older than `before`."""
        with self._database.reading() as connection:
            return generations.newest(connection, project_id=project_id, limit=limit, before=before)

    def estimate(self, request: ClipRequest, *, variations: int = 1) -> Estimate:
        """Return what `request` will take of this machine; RequestError for what its engine cannot make."""
        spec = self._spec(request.engine)
        validate_for(request, spec)
        machine = Machine(
            self._dispatcher.device, self._dispatcher.memory_bytes, free_bytes(self.settings.data_dir)
        )
        return estimate(
            request,
            spec,
            weights=self.models.weights(request.engine),
            machine=machine,
            speed=self._dispatcher.speeds.get(request.engine),
            variations=variations,
        )

    def queue(self) -> list[Generation]:
        """Return what is running, then what is queued, in order."""
        with self._database.reading() as connection:
            return generations.live(connection)

    def progress(self, generation_id: str) -> Progress | None:
        """Return where a running generation stands, or None where it is not running."""
        return self._dispatcher.progress(generation_id)

    def output_path(self, generation_id: str, role: str) -> Path:
        """Return where the finished file of that role lies; NotFoundError where there is none (any more)."""
        return self._finished.output_path(generation_id, role)

    def preview_path(self, generation_id: str) -> Path | None:
        """Return where the newest preview of a running generation lies, or None where there is none."""
        progress = self.progress(generation_id)
        if progress is None or progress.preview is None:
            return None
        return self.settings.data_dir / progress.preview.path

    def engines(self) -> list[EngineSpec]:
        """Return what every engine can make."""
        return registry.specs(extra_engines=self._extra_engines, models_dir=self.settings.models_dir)

    def known_words(self, *, engine: str = DEFAULT_ENGINE) -> dict[str, list[str]]:
        """Return category ("shapes", "colours", ...) -> words that the engine has learned."""
        return {
            category: words for category, words in self._vocabulary(engine).items() if category != ALL_WORDS
        }

    def unknown_words(self, prompt: str, *, engine: str = DEFAULT_ENGINE) -> list[str]:
        """Return the words of `prompt` outside the engine's world, in order, each once."""
        vocabulary = self._vocabulary(engine)
        return unknown_words(prompt, known=set(vocabulary[ALL_WORDS])) if ALL_WORDS in vocabulary else []

    def status(self) -> StudioStatus:
        """Return how the studio is."""
        with self._database.reading() as connection:
            queued, is_paused = jobs.count_queued(connection), jobs.is_paused(connection)
        watched = (problem for watch in self._weights.values() for problem in watch.problems())
        problems = [*self._notices, *watched]
        problems += ffmpeg_problem()
        problems += [problem for problem in self._dispatcher.problems() if problem not in problems]
        return StudioStatus(
            device=self._dispatcher.device or self.settings.device,
            worker=self._dispatcher.worker_state(),
            queued=queued,
            problems=problems,
            is_paused=is_paused,
            recovered=self._dispatcher.recovered,
        )

    def report(self, generation_id: str | None = None, *, with_prompt: bool = False) -> str:
        """Return what helps somebody else find out what went wrong, of one generation or in general.

        Without the words of the prompt unless `with_prompt`, and without the names of folders outside the
        studio. Raises NotFoundError.
        """
        generation = None if generation_id is None else self.generation(generation_id)
        status = self.status()
        facts = {"device": status.device, "worker": status.worker, "problems": status.problems}
        return written_report(self.settings, facts, generation=generation, with_prompt=with_prompt)

    def request_from_file(self, path: Path) -> Request:
        """Return the request that the exported file at `path` was made from.

        Raises MediaError where it holds none, RequestError where this version does not know its request.
        """
        return request_from_file(path)

    def project(self, project_id: str) -> Project:
        """Return the project of that id; NotFoundError if there is none."""
        with self._database.reading() as connection:
            return projects.get(connection, project_id)

    def default_project(self) -> Project:
        """Return the first project outside the bin; every data folder has one."""
        with self._database.reading() as connection:
            found = projects.oldest(connection)
        return found or self.library.make_project(FIRST_PROJECT_NAME)

    def _destination(self, project_id: str | None, parents: Sequence[Generation]) -> Project:
        """Return the project that new generations go to; NotFoundError, RequestError for one in the bin."""
        if project_id is None and not parents:
            return self.default_project()
        project = self.project(project_id or parents[0].project_id)
        if project.binned_at is not None:
            raise RequestError(
                "project", f"The project '{project.name}' is in the bin; restore it or choose another."
            )
        return project

    def _vocabulary(self, engine: str) -> dict[str, list[str]]:
        if self.models.is_added(engine):
            return {}
        return read_vocabulary(self.settings.weights_dir / self._spec(engine).folder)

    def _spec(self, engine: str) -> EngineSpec:
        models_dir = self.settings.models_dir
        return registry.spec(engine, extra_engines=self._extra_engines, models_dir=models_dir)


def request_from_file(path: Path) -> Request:
    """Return the request in the metadata of the exported file at `path`; MediaError or RequestError."""
    return parse_request(read_metadata(path)["kinora"].get("request"))


def _seeds(first: int | None, variations: int) -> list[int]:
    """Return the seeds of `variations` clips, counting up from `first` or from one drawn here."""
    start = secrets.randbelow(_DRAWN_SEEDS) if first is None else first
    return [(start + offset) % (MAX_SEED + 1) for offset in range(variations)]
