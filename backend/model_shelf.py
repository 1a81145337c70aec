"""The models of a studio: what each can do, needs and came from; adding, downloading, checking, removing.

Torch-free. The network is asked only by `look` at an id and by downloads, which a creator began.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backend.config import Settings
from backend.errors import ConflictError, RequestError, ResourceError, StudioError
from backend.media.disk import free_bytes, readable_bytes
from backend.model_arrivals import Arrival, Arrivals, Ticket
from backend.models import installed as records
from backend.models import weights
from backend.models.adding import UNKNOWN_LICENCE, remove_model, title_of
from backend.models.block_cache_costs import CacheCost, costs_of
from backend.models.changing import UPSAMPLER, Change, changed, takes_upsampler
from backend.models.diffusers_folder import WEIGHTS_SUFFIX
from backend.models.engine import EngineSpec
from backend.models.families import FAMILIES, recognised, spec_of
from backend.models.installed import Installed
from backend.models.memory_plans import BYTES_PER_PARAMETER, PLANS, needed_bytes
from backend.models.weights_watch import WeightsWatch
from backend.pipelines.estimate import Weights

ID_PATTERN = r"[\w.-]{1,96}/[\w.-]{1,96}"
SHORT_SIDES = (32, 2160)
SPARE_BYTES = 2 * 10**9
"""How much of the disk a download leaves free."""


@dataclass(frozen=True)
class Model:
    """One model, there or only looked at.

    size_bytes: of its files. source, revision: the repository and commit, or for our own the digest of its
    files; empty for a local folder. memory_bytes: plan -> what its weights take on the device; empty for an
    engine without files. problems: one sentence for each file that is missing or damaged. is_added: by a
    creator, who can choose its memory plan and remove it. room_bytes: free on its disk. block_cache: its
    threshold, None where it has none; cache_costs: threshold to choose -> what was measured. side_step: of
    what its short side is a multiple. takes_upsampler: a latent upsampler can be added; upsampler: where that
    lies.
    """

    spec: EngineSpec
    folder: str
    size_bytes: int
    source: str = ""
    revision: str = ""
    memory_bytes: Mapping[str, int] = field(default_factory=dict)
    memory_plan: str = "whole"
    short_side: int | None = None
    problems: tuple[str, ...] = ()
    is_added: bool = False
    room_bytes: int = 0
    block_cache: float | None = None
    cache_costs: Mapping[float, CacheCost | None] = field(default_factory=dict)
    side_step: int = 1
    takes_upsampler: bool = False
    upsampler: str = ""


class ModelShelf:
    """What the studio can make clips with.

    engines: of the studio. watches: of the files of those that are not added. busy_engines: names of those
    that the queue needs.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        engines: Callable[[], list[EngineSpec]],
        watches: Mapping[str, WeightsWatch],
        busy_engines: Callable[[], Collection[str]],
    ) -> None:
        self._settings = settings
        self._models_dir = settings.models_dir
        self._engines = engines
        self._watches = watches
        self._busy_engines = busy_engines
        self._arrivals = Arrivals(settings)

    def close(self) -> None:
        """Stop the downloads; they can go on at the next launch."""
        self._arrivals.close()

    def all(self) -> list[Model]:
        """Return every model that clips can be made with, in the order of the engines."""
        added = {each.name: each for each in records.read_all(self._models_dir)}
        return [
            self._added(added[spec.name]) if spec.name in added else self._own(spec)
            for spec in self._engines()
        ]

    def is_added(self, name: str) -> bool:
        """Return whether a creator added the model called `name`."""
        return any(each.name == name for each in records.read_all(self._models_dir))

    def plans(self) -> dict[str, str]:
        """Return name -> memory plan of every added model."""
        return {each.name: each.memory_plan for each in records.read_all(self._models_dir)}

    def weights(self, name: str) -> Weights:
        """Return what the weights of the model called `name` take; RequestError for one that is not there."""
        if self.is_added(name):
            installed = records.read(self._models_dir, name)
            return Weights(installed.facts["parameters"], installed.memory_plan, installed.family)
        loaded = self._own(self._spec(name)).memory_bytes.get("whole", 0)
        return Weights({name: loaded // BYTES_PER_PARAMETER})

    def arrivals(self) -> list[Arrival]:
        """Return every model on its way."""
        return self._arrivals.all()

    def look(self, model: str, *, name: str) -> Model:
        """Return what the folder or id `model` (OWNER/MODEL, at a commit with @) would be as `name`.

        For an id, its commit, sizes and configuration are asked for, and no weights. Raises RequestError for
        a name that cannot be used, WeightsError for what Kinora cannot run or reach.
        """
        self._require_free(name)
        if not _is_id(model):
            return self._seen(self._looked_at(_folder(model), name))
        from backend.models import downloads, prospects  # the client of the network is loaded only now

        repository, _, revision = model.partition("@")
        wanted = downloads.offer(repository, revision=revision or None, hub=self._settings.hub)
        found = prospects.prospect(wanted, name=name, models_dir=self._models_dir, hub=self._settings.hub)
        return self._seen(found)

    def add(self, model: str, *, name: str, short_side: int | None = None) -> None:
        """Begin to add the folder or id `model`, whose commit must be named with @: the one agreed to.

        Raises what `look` does, ConflictError where it is being added, ResourceError for a full disk.
        """
        _require_short_side(short_side)
        seen = self.look(model, name=name)
        is_download = bool(seen.revision)
        if is_download:
            if model.partition("@")[2] != seen.revision:
                raise ConflictError(f"{seen.source} changed since you looked at it; look at it again.")
            self._require_room(seen)
        self._arrivals.begin(
            Ticket(
                name,
                source=seen.source if is_download else seen.folder,
                revision=seen.revision,
                licence=seen.spec.licence if is_download else "",
                total_bytes=seen.size_bytes,
                short_side=short_side,
            )
        )

    def stop(self, name: str) -> None:
        """Stop a download; what has arrived stays. NotFoundError."""
        self._arrivals.stop(name)

    def resume(self, name: str) -> None:
        """Go on with a stopped download at the byte where it stopped; NotFoundError, ConflictError."""
        self._arrivals.resume(name)

    def give_up(self, name: str) -> None:
        """Delete what has arrived of a stopped download; NotFoundError, ConflictError."""
        self._arrivals.give_up(name)

    def check(self, name: str) -> list[str]:
        """Return one sentence for each file of the model that is missing or damaged; every byte is read.

        Raises RequestError for an engine that is not there.
        """
        if self.is_added(name):
            return records.problems(records.read(self._models_dir, name), is_thorough=True)
        return weights.problems(self._settings.weights_dir, self._spec(name))

    def change(self, name: str, **fields: Any) -> None:
        """Change how an added model is used, from the next clip on; `fields` are those of `Change`.

        Raises NotFoundError, RequestError, WeightsError.
        """
        asked = Change(**fields)
        _require_short_side(asked.short_side or None)
        records.write(self._models_dir, changed(records.read(self._models_dir, name), asked))

    def remove(self, name: str, *, typed: str) -> None:
        """Remove an added model once its name was typed; a folder that was only added stays on the disk.

        Raises NotFoundError, RequestError for another name, ConflictError while the queue needs it.
        """
        installed = records.read(self._models_dir, name)
        if typed.strip() != name:
            raise RequestError("name", f"Type {name} to remove it; nothing was removed.")
        if name in self._busy_engines():
            raise ConflictError(f"The queue has clips for {installed.title}; cancel them or wait for them.")
        remove_model(self._models_dir, installed)

    def _spec(self, name: str) -> EngineSpec:
        found = next((each for each in self._engines() if each.name == name), None)
        if found is None:
            raise RequestError("engine", f"No model is called '{name[:40]}'; look at the list again.")
        return found

    def _require_free(self, name: str) -> None:
        """Raise RequestError unless a new model can be called `name`."""
        try:
            records.record_path(self._models_dir, name)
        except StudioError as exc:
            raise RequestError("name", str(exc)) from exc
        on_their_way = [each.ticket.name for each in self.arrivals()]
        if name in (*on_their_way, *(spec.name for spec in self._engines())):
            raise RequestError("name", f"A model is already called '{name}'; choose another name.")

    def _require_room(self, model: Model) -> None:
        if model.size_bytes + SPARE_BYTES > model.room_bytes:
            size, spare, room = map(readable_bytes, (model.size_bytes, SPARE_BYTES, model.room_bytes))
            raise ResourceError(
                f"{model.spec.title} needs {size} and {spare} to spare, and the disk has {room} free; "
                "free some space or choose another data folder."
            )

    def _looked_at(self, folder: Path, name: str) -> Installed:
        """Return the folder of this machine as it would be installed; its checksums are taken later."""
        family, facts, paths = recognised(folder)
        return Installed(
            name=name,
            title=title_of(folder.name),
            family=family.name,
            folder=str(folder),
            licence=UNKNOWN_LICENCE,
            facts=facts,
            files=tuple(records.ModelFile(path, "", (folder / path).stat().st_size) for path in paths),
        )

    def _added(self, installed: Installed) -> Model:
        return replace(self._seen(installed), problems=tuple(records.problems(installed)), is_added=True)

    def _seen(self, installed: Installed) -> Model:
        parameters = installed.facts["parameters"]
        return Model(
            spec_of(installed),
            folder=installed.folder,
            size_bytes=installed.size_bytes,
            source=installed.source,
            revision=installed.revision,
            memory_bytes={plan: needed_bytes(parameters, plan) for plan in PLANS if plan != "auto"},
            memory_plan=installed.memory_plan,
            short_side=installed.short_side,
            room_bytes=free_bytes(self._models_dir),
            block_cache=installed.block_cache if FAMILIES[installed.family].has_block_cache else None,
            cache_costs=costs_of(installed.family),
            side_step=installed.facts["pixels"],
            takes_upsampler=takes_upsampler(installed),
            upsampler=_upsampler(installed),
        )

    def _own(self, spec: EngineSpec) -> Model:
        """Return an engine of the table; what its files are is in its list of checksums."""
        watch = self._watches.get(spec.name)
        problems = tuple(watch.problems()) if watch is not None else ()
        folder = self._settings.weights_dir / spec.folder
        if not spec.folder:
            return Model(spec, folder="", size_bytes=0)
        try:
            files, digest = weights.read_checksums(folder), weights.weights_sha256(folder)
        except StudioError:
            return Model(spec, folder=str(folder), size_bytes=0, problems=problems)
        loaded = sum(each.size_bytes for each in files if each.path.endswith(WEIGHTS_SUFFIX))
        return Model(
            spec,
            folder=str(folder),
            size_bytes=sum(each.size_bytes for each in files),
            revision=digest,
            memory_bytes={"whole": loaded},
            problems=problems,
        )


def _upsampler(installed: Installed) -> str:
    """Return where the model's latent upsampler lies, or the empty string."""
    has_own = bool(installed.facts.get("has_upsampler"))
    return str(records.path_of(installed, UPSAMPLER)) if has_own else ""


def _is_id(model: str) -> bool:
    """Return whether `model` is an id to download rather than a folder of this machine."""
    repository, _, _ = model.partition("@")
    return re.fullmatch(ID_PATTERN, repository) is not None and not model.startswith((".", "~"))


def _folder(model: str) -> Path:
    folder = Path(model).expanduser()
    if not model.strip() or not folder.is_absolute() or not folder.is_dir():
        raise RequestError(
            "model",
            f"'{model[:80]}' is neither a folder of this machine, from its root on, nor an id such as "
            "OWNER/MODEL.",
        )
    return folder.resolve()


def _require_short_side(short_side: int | None) -> None:
    least, most = SHORT_SIDES
    if short_side is not None and not least <= short_side <= most:
        raise RequestError(
            "short_side", f"Short side must be from {least} to {most} pixels; you gave {short_side}."
        )
