"""Settings: built once at an entry point from arguments and environment, then passed on."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

DEFAULT_PORT = 7860
DEFAULT_HUB = "https://huggingface.co"


@dataclass(frozen=True)
class Settings:
    """Where things are and how the studio runs.

    data_dir: database, outputs, previews, logs; created by the store, not here.
    weights_dir: folder with one folder per engine (`kinora-pocket/vae`, ...).
    device: "auto", "cpu", "cuda" or "mps"; resolved once, by the worker.
    hub: address that models are downloaded from when a creator asks for one.
    password: what other machines must know, where the studio answers any; empty for none.
    """

    data_dir: Path
    weights_dir: Path
    device: str = "auto"
    port: int = DEFAULT_PORT
    hub: str = DEFAULT_HUB
    password: str = field(default="", repr=False)

    @property
    def database_path(self) -> Path:
        return self.data_dir / "studio.db"

    @property
    def outputs_dir(self) -> Path:
        return self.data_dir / "outputs"

    @property
    def previews_dir(self) -> Path:
        return self.data_dir / "previews"

    @property
    def uploads_dir(self) -> Path:
        return self.data_dir / "uploads"

    @property
    def inputs_dir(self) -> Path:
        return self.data_dir / "inputs"

    @property
    def checkpoints_dir(self) -> Path:
        return self.data_dir / "checkpoints"

    @property
    def models_dir(self) -> Path:
        """Return where added models are recorded, and downloaded ones lie."""
        return self.data_dir / "models"

    @property
    def exports_dir(self) -> Path:
        return self.data_dir / "exports"

    @property
    def device_dir(self) -> Path:
        """Return where the certificate lies that marks exports as made by AI."""
        return self.data_dir / "device"

    @property
    def lost_dir(self) -> Path:
        """Return where files lie that no generation names and that do not say what they are."""
        return self.data_dir / "lost+found"

    @property
    def logs_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def door_path(self) -> Path:
        return self.data_dir / "door.json"


def load_settings(
    *,
    data_dir: Path | None = None,
    device: str | None = None,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Return settings from arguments, then from the environment, then defaults.

    The environment may have KINORA_DATA, KINORA_WEIGHTS, KINORA_DEVICE, KINORA_PASSWORD and HF_ENDPOINT.
    """
    env = os.environ if environment is None else environment
    data = data_dir or Path(env.get("KINORA_DATA") or platformdirs.user_data_dir("kinora", appauthor=False))
    weights = Path(env.get("KINORA_WEIGHTS") or Path(__file__).parent.parent / "assets" / "weights")
    return Settings(
        data_dir=data.expanduser().absolute(),
        weights_dir=weights.expanduser().absolute(),
        device=device or env.get("KINORA_DEVICE") or "auto",
        port=DEFAULT_PORT if port is None else port,
        hub=(env.get("HF_ENDPOINT") or DEFAULT_HUB).rstrip("/"),
        password=env.get("KINORA_PASSWORD") or "",
    )
