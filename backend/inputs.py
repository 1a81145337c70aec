"""What creators bring along: pictures, clips and sounds, by the sha256 of their content. Torch-free."""

import re
from pathlib import Path

from backend.config import Settings
from backend.errors import NotFoundError, RequestError, WeightsError
from backend.media.inputs import (
    StoredPicture,
    clip_path,
    image_path,
    store_clip,
    store_picture,
    store_sound,
)
from backend.media.probe import probe
from backend.models.engine import EngineSpec
from backend.models.installed import read
from backend.models.loras import read_loras, remove_lora, require_loras, store_lora
from backend.requests import INPUT_PATTERN, ClipRequest, Request, SoundRequest
from backend.soundtracks import require_sound_inputs


class Inputs:
    """The folder of inputs of `settings`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.inputs_dir

    def add_image(self, path: Path) -> str:
        """Return the name by which requests can use the picture at `path`, which is copied; MediaError."""
        return self.add_picture(path).name

    def add_picture(self, path: Path) -> StoredPicture:
        """Return the same name, with what was left out of the picture; MediaError."""
        return store_picture(path, folder=self._folder)

    def image_path(self, name: str) -> Path:
        """Return where the picture of that name lies; NotFoundError where it is not in the data folder."""
        path = image_path(name, folder=self._folder)
        if not re.fullmatch(INPUT_PATTERN, name) or not path.is_file():
            raise NotFoundError(f"The picture {name[:12]}… is not in the data folder; choose it again.")
        return path

    def add_clip(self, path: Path) -> str:
        """Return the name by which requests can use the video at `path`, which is copied; MediaError."""
        return store_clip(path, folder=self._folder)

    def add_sound(self, path: Path) -> str:
        """Return the name by which requests can use the sound of the file at `path`; MediaError."""
        return store_sound(path, folder=self._folder)

    def add_lora(self, path: Path, *, engine: str, file_name: str = "") -> str:
        """Return the name by which requests can use the LoRA at `path`, which is copied.

        file_name: what it is called where it came from, if not as `path` is. Raises WeightsError for what is
        no LoRA or was made for another model than the added one called `engine`, of which nothing is kept;
        NotFoundError, ResourceError.
        """
        installed = read(self._settings.models_dir, engine)
        models_dir = self._settings.models_dir
        return store_lora(path, models_dir=models_dir, wearer=installed, file_name=file_name)

    def loras(self, engine: str) -> dict[str, str]:
        """Return name -> title of the LoRA files that were made for the added model called `engine`."""
        try:
            installed = read(self._settings.models_dir, engine)
        except (NotFoundError, WeightsError):
            return {}
        return {lora.name: lora.title for lora in read_loras(self._settings.models_dir, installed)}

    def remove_lora(self, name: str) -> None:
        """Delete the LoRA of that name; clips made with it stay, but cannot be made again. NotFoundError."""
        remove_lora(self._settings.models_dir, name)

    def require(self, request: Request, spec: EngineSpec) -> None:
        """Raise RequestError unless what `request` names is in the data folder, and not too long."""
        if isinstance(request, ClipRequest):
            self._require_pictures(request)
            if request.loras:
                models_dir = self._settings.models_dir
                require_loras(request.loras, read(models_dir, request.engine), models_dir=models_dir)
            return
        path = clip_path(request.source, folder=self._folder)
        if not path.is_file():
            raise RequestError("source", "The clip is not in the data folder; choose it again.")
        if isinstance(request, SoundRequest):
            require_sound_inputs(request, spec, settings=self._settings)
            return
        facts, most = probe(path), 0 if spec.detail is None else spec.detail.max_frames
        asked = request.duration_seconds or facts.duration_seconds
        if min(asked, facts.duration_seconds) * facts.frame_rate > most + 0.5:
            raise RequestError(
                "duration_seconds",
                f"{spec.title} adds detail to at most {most} frames at once and this clip has "
                f"{facts.num_frames}; choose a part of at most {most / facts.frame_rate:.1f} s.",
            )

    def _require_pictures(self, request: ClipRequest) -> None:
        named = [(field, getattr(request, field)) for field in ("image", "last_image")]
        for field, name in named + [("given_frames", each.image) for each in request.given_frames]:
            try:
                if name is not None:
                    self.image_path(name)
            except NotFoundError as exc:
                raise RequestError(field, str(exc)) from exc
