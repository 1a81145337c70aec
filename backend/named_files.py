"""Files on the command line that come with a number: pictures at frames, LoRA files with strengths."""

import re
from pathlib import Path
from typing import Any

from backend.errors import RequestError
from backend.media.inputs import store_image
from backend.models.loras import store_lora


def given_frame(text: str, *, folder: Path) -> dict[str, Any]:
    """Return the given frame that `text`, "N:FILE", names, as a request has it; its picture is stored.

    Raises RequestError where it says no frame, MediaError for what is no picture.
    """
    frame, colon, path = text.partition(":")
    if not colon or not re.fullmatch(r"\d{1,9}", frame):
        raise RequestError(
            "given_frames", f"--frame takes N:FILE, such as 48:dawn.png; you gave {text[:80]}."
        )
    return {"frame": int(frame), "image": store_image(Path(path), folder=folder)}


def lora_use(text: str, *, models_dir: Path) -> dict[str, Any]:
    """Return the LoRA that `text`, "FILE" or "FILE:STRENGTH", names, as a request has it; the file is stored.

    Raises WeightsError for what is no LoRA.
    """
    path, _, strength = text.rpartition(":")
    if not re.fullmatch(r"-?\d+(\.\d+)?", strength):  # a path may hold colons of its own
        return {"lora": store_lora(Path(text), models_dir=models_dir)}
    return {"lora": store_lora(Path(path), models_dir=models_dir), "strength": float(strength)}
