"""The takes of a clip's sound: mixed as a creator wants them, and made a part of the clip. Torch-free."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backend.config import Settings
from backend.errors import NotFoundError, RequestError
from backend.finished import Finished
from backend.jobs.sound_files import output, with_clip
from backend.media.audio import SAMPLE_RATE, Track, at_loudness, mixed, read_sound, read_written
from backend.media.files import copy_file
from backend.media.inputs import clip_path, sound_path, store_clip, store_sound
from backend.media.metadata import read_metadata
from backend.media.probe import probe
from backend.media.sound_export import write_with_sound
from backend.models.engine import EngineSpec
from backend.requests import INPUT_PATTERN, DetailRequest, SoundRequest, parse_request
from backend.store.generations import Generation, Output


class Mix(BaseModel):
    """How a take goes into its clip.

    offset_milliseconds: how much later it is heard. volume: a factor. own_track: name of a stored sound that
    is mixed under it. target_lufs: loudness of the whole (EBU R 128); None leaves it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    offset_milliseconds: float = Field(default=0.0, ge=-5000, le=5000)
    volume: float = Field(default=1.0, ge=0, le=2)
    fade_in_seconds: float = Field(default=0.0, ge=0, le=60)
    fade_out_seconds: float = Field(default=0.0, ge=0, le=60)
    own_track: str | None = Field(default=None, pattern=INPUT_PATTERN)
    own_volume: float = Field(default=1.0, ge=0, le=2)
    target_lufs: float | None = Field(default=None, ge=-40, le=-5)


_NAMES = {
    "offset_milliseconds": "Nudge must be a number from -5000 to 5000 milliseconds",
    "volume": "Volume must be a number from 0 to 2",
    "fade_in_seconds": "Fade in must be a number from 0 to 60 seconds",
    "fade_out_seconds": "Fade out must be a number from 0 to 60 seconds",
    "own_track": "Your own track must be the sha256 of a sound in the data folder",
    "own_volume": "The volume of your own track must be a number from 0 to 2",
    "target_lufs": "Loudness must be a number from -40 to -5 LUFS",
}


class Sounds:
    """The takes of what is `finished`."""

    def __init__(self, finished: Finished) -> None:
        self._finished = finished
        self._settings = finished.settings

    def request(self, generation_id: str, **settings: Any) -> SoundRequest:
        """Return the request for the sound of a finished clip, or for another take of a finished sound.

        With start_seconds and duration_seconds that part of the sound is made again. settings: other fields.
        Raises NotFoundError where it has no clip, RequestError.
        """
        made = self._finished.generation(generation_id)
        is_silenced = made.output("silent") is not None
        clip = self._finished.output_path(generation_id, "silent" if is_silenced else "clip")
        fields: dict[str, Any] = {"prompt": made.request.prompt, "engine": made.request.engine}
        fields["source"] = (
            made.request.source
            if isinstance(made.request, SoundRequest)
            else store_clip(clip, folder=self._settings.inputs_dir)
        )
        if settings.keys() & {"start_seconds", "duration_seconds"}:
            take = self._finished.output_path(generation_id, "sound")
            fields["take"] = store_sound(take, folder=self._settings.inputs_dir)
        request = parse_request({"kind": "sound", **fields, **settings})
        assert isinstance(request, SoundRequest)
        return request

    def mix(self, generation_id: str, settings: Mapping[str, Any]) -> Generation:
        """Return a finished sound whose clip was written anew with the mix that `settings` describe.

        Its own samples stay as they are. Raises NotFoundError, RequestError, MediaError.
        """
        mix, made = parse_mix(settings), self._finished.generation(generation_id)
        self._finished.output_path(generation_id, "sound")
        return self._finished.stored(mixed_take(made, mix, settings=self._settings))

    def accept(self, generation_id: str) -> Generation:
        """Return the clip that the sound was made for, of which the sound, as it is mixed, now is a part.

        Details of the clip that have no sound of their own are given it too. A clip that was brought along
        has no generation of its own: there it is the sound's. Raises NotFoundError, MediaError.
        """
        sound = self._finished.generation(generation_id)
        self._finished.output_path(generation_id, "sound")
        if not sound.parents:
            return sound
        clip = self._finished.generation(sound.parents[0])
        for detail in self._finished.details(clip.id):
            if _passed_on(detail) in (None, clip.id):
                self._finished.stored(accepted_in_detail(sound, detail, settings=self._settings))
        return self._finished.stored(accepted(sound, clip, settings=self._settings))

    def take_off(self, generation_id: str) -> Generation:
        """Return the clip as it was before a sound became a part of it; the sound stays among its takes.

        It is taken off the details that it was passed on to as well. Raises NotFoundError where no sound was
        accepted for it.
        """
        self._finished.output_path(generation_id, "silent")
        for detail in self._finished.details(generation_id):
            if _passed_on(detail) == generation_id:
                self._finished.stored(silenced(detail))
        return self._finished.stored(silenced(self._finished.generation(generation_id)))


def parse_mix(settings: Mapping[str, Any]) -> Mix:
    """Return the mix that `settings` describe; RequestError with one sentence on the first wrong field."""
    try:
        return Mix.model_validate(settings)
    except ValidationError as exc:
        field = str(exc.errors()[0]["loc"][0])
        rule = _NAMES.get(field, f"A mix has no field called '{field[:40]}'")
        raise RequestError(field, f"{rule}; you gave {str(settings.get(field))[:40]!r}.") from exc


def require_sound_inputs(request: SoundRequest, spec: EngineSpec, *, settings: Settings) -> None:
    """Raise RequestError where the stored clip is too long for a sound, or the take is not there."""
    seconds = probe(clip_path(request.source, folder=settings.inputs_dir)).duration_seconds
    most = 0.0 if spec.sound is None else spec.sound.max_seconds
    if seconds > most + 1e-6:
        raise RequestError(
            "source",
            f"{spec.title} makes sound for at most {most:g} s and this clip lasts {seconds:.0f} s; "
            "cut it shorter.",
        )
    if request.take and not sound_path(request.take, folder=settings.inputs_dir).is_file():
        raise RequestError("take", "The take is not in the data folder; choose it again.")


def mixed_take(sound: Generation, mix: Mix, *, settings: Settings) -> Generation:
    """Return the finished `sound` with a clip that was written anew: its samples as `mix` says.

    Raises NotFoundError where the own track is not in the data folder, and what `write_with_sound` raises.
    """
    assert isinstance(sound.request, SoundRequest)
    samples, _ = read_written(settings.data_dir / _output(sound, "sound").path)
    tracks = [
        Track(
            samples,
            volume=mix.volume,
            fade_in_seconds=mix.fade_in_seconds,
            fade_out_seconds=mix.fade_out_seconds,
            offset_seconds=mix.offset_milliseconds / 1000,
        )
    ]
    if mix.own_track is not None:
        path = sound_path(mix.own_track, folder=settings.inputs_dir)
        if not path.is_file():
            raise NotFoundError("Your own track is not in the data folder; choose it again.")
        tracks.append(Track(read_written(path)[0], volume=mix.own_volume))
    total = mixed(tuple(tracks), num_samples=len(samples))
    if mix.target_lufs is not None:
        total, _ = at_loudness(total, mix.target_lufs)
    clip, target = clip_path(sound.request.source, folder=settings.inputs_dir), _output(sound, "clip")
    path = settings.data_dir / target.path
    facts = {**sound.facts, "mix": mix.model_dump()}
    told = {"request": sound.request.model_dump(), "facts": _told(facts), "version": facts.get("version", "")}
    write_with_sound(path, clip, total, metadata=with_clip(told, clip), title=sound.request.prompt)
    written = output("clip", path, media_type=target.media_type, data_dir=settings.data_dir)
    return replace(sound, outputs=_with(sound.outputs, written), facts=facts)


def accepted(sound: Generation, clip: Generation, *, settings: Settings) -> Generation:
    """Return `clip` with the clip of `sound` as its own; the one without sound stays as "silent"."""
    path = _sounding_path(clip, sound, settings)
    copy_file(settings.data_dir / _output(sound, "clip").path, path)
    return _sounding(clip, path, {"sound": sound.id}, settings)


def accepted_in_detail(sound: Generation, detail: Generation, *, settings: Settings) -> Generation:
    """Return `detail` with what is heard in its part of the clip of `sound`, as `accepted` does."""
    assert isinstance(detail.request, DetailRequest)
    silent = settings.data_dir / (detail.output("silent") or _output(detail, "clip")).path
    begun = round((detail.request.start_seconds or 0.0) * SAMPLE_RATE)
    heard = read_sound(settings.data_dir / _output(sound, "clip").path)[begun:]
    path = _sounding_path(detail, sound, settings)
    write_with_sound(path, silent, heard, metadata=read_metadata(silent), title=detail.request.prompt)
    return _sounding(detail, path, {"sound": sound.id, "sound_of": sound.parents[0]}, settings)


def silenced(clip: Generation) -> Generation:
    """Return `clip`, for which a sound was accepted, with the one without sound as its own again."""
    silent = replace(_output(clip, "silent"), role="clip")
    outputs = tuple(each for each in clip.outputs if each.role not in ("clip", "silent"))
    facts = {name: value for name, value in clip.facts.items() if name not in ("sound", "sound_of")}
    return replace(clip, outputs=(silent, *outputs), facts=facts)


def _passed_on(detail: Generation) -> str | None:
    """Return the clip whose sound was passed on to `detail`; None if it is silent, "" if it has its own."""
    if detail.facts.keys() & {"sound", "sound_seconds"}:
        return str(detail.facts.get("sound_of", ""))
    return None


def _sounding_path(clip: Generation, sound: Generation, settings: Settings) -> Path:
    """Return where `clip` with `sound` lies: beside the clip as it was made."""
    return (settings.data_dir / _output(clip, "clip").path).with_name(f"{clip.id}-{sound.id}.mp4")


def _sounding(clip: Generation, path: Path, facts: dict[str, Any], settings: Settings) -> Generation:
    """Return `clip` with the file at `path` as its own and `facts` of its sound; what was stays "silent"."""
    before = _output(clip, "clip")
    outputs = _with(clip.outputs, output("clip", path, media_type="video/mp4", data_dir=settings.data_dir))
    if clip.output("silent") is None:
        outputs = (*outputs, replace(before, role="silent"))
    return replace(clip, outputs=outputs, facts={**clip.facts, **facts})


def _output(generation: Generation, role: str) -> Output:
    found = generation.output(role)
    if found is None:
        raise NotFoundError(f"Generation '{generation.id[:40]}' has no {role}; wait until it is done.")
    return found


def _with(outputs: tuple[Output, ...], new: Output) -> tuple[Output, ...]:
    """Return `outputs` with `new` in the place of the one of its role."""
    return tuple(new if each.role == new.role else each for each in outputs)


def _told(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that belong into a file: not times, and not what is only drawn."""
    left_out = ("stage_seconds", "waveform", "motion_curve", "version")
    return {name: value for name, value in facts.items() if name not in left_out}
