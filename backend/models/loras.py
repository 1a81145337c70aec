"""LoRA files (arXiv 2106.09685): kept by content, and which models each was made for. Torch-free.

`<data>/models/loras/SHA256.safetensors` is the file as it was; `SHA256.json` beside it keeps its name. Only
the header of a file is read here: it says the shapes by which a LoRA fits a model or does not.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.errors import NotFoundError, RequestError, WeightsError
from backend.media.files import copy_file, safe_name, sha256_of
from backend.models.diffusers_folder import WEIGHTS_SUFFIX, tensor_shapes
from backend.models.installed import Installed
from backend.request_parts import LoraUse

_FACTOR = re.compile(
    r"(?:transformer\.|diffusion_model\.|base_model\.model\.)*"
    r"(?P<part>\w*blocks\.\d+\..+)\.(?P<factor>lora_(?:A|B|down|up))\."
)
_DOWN = ("lora_A", "lora_down")
_ORIGINAL_NAMES = {  # of Wan's own code: diffusers' name for the same part
    "self_attn.": "attn1.",
    "cross_attn.": "attn2.",
    "ffn.0": "ffn.net.0.proj",
    "ffn.2": "ffn.net.2",
    ".q": ".to_q",
    ".k": ".to_k",
    ".v": ".to_v",
    ".o": ".to_out.0",
}


@dataclass(frozen=True)
class Lora:
    """A kept file. name: its sha256; title: what it was called; path: where it lies."""

    name: str
    title: str
    path: Path


def store_lora(
    source: Path, *, models_dir: Path, wearer: Installed | None = None, file_name: str = ""
) -> str:
    """Return the name of the LoRA at `source`, which is copied into `models_dir`: the sha256 of the file.

    file_name: what it is called where it came from, if not as `source` is. Raises WeightsError for a file
    that is no safetensors, holds no LoRA or, where there is a `wearer`, was not made for it; ResourceError
    for a full disk.
    """
    called = Path(file_name or source.name)
    title = safe_name(called.stem, otherwise="LoRA")
    if called.suffix != WEIGHTS_SUFFIX:
        raise WeightsError(
            f"{title}{called.suffix[:20]} is no safetensors file; Kinora reads no other LoRA files, since "
            "pickles can run code."
        )
    brought = Lora("", title, source)
    _sizes(brought)
    if wearer is not None and (problem := misfit(brought, wearer)):
        raise WeightsError(problem)
    name = sha256_of(source)
    lora = _lora(models_dir, name, title)
    if not lora.path.exists():
        lora.path.parent.mkdir(parents=True, exist_ok=True)
        copy_file(source, lora.path)
    _record_path(lora).write_text(json.dumps({"title": lora.title}) + "\n", encoding="utf-8")
    return name


def read_loras(models_dir: Path, installed: Installed | None = None) -> list[Lora]:
    """Return the kept files, by title; those that fit `installed` alone, where it is given."""
    found = []
    for path in (models_dir / "loras").glob(f"*{WEIGHTS_SUFFIX}"):
        lora = _lora(models_dir, path.stem, path.stem[:12])
        try:
            title = str(json.loads(_record_path(lora).read_text(encoding="utf-8"))["title"])
        except (OSError, ValueError, LookupError, TypeError):
            title = lora.title  # a lost note costs no more than the name
        found.append(Lora(lora.name, title, lora.path))
    fitting = [lora for lora in found if installed is None or not misfit(lora, installed)]
    return sorted(fitting, key=lambda lora: (lora.title, lora.name))


def remove_lora(models_dir: Path, name: str) -> None:
    """Delete the kept file called `name`; NotFoundError where there is none."""
    lora = next((each for each in read_loras(models_dir) if each.name == name), None)
    if lora is None:
        raise NotFoundError(f"The LoRA {name[:12]}… is not in the data folder (any more).")
    lora.path.unlink()
    _record_path(lora).unlink(missing_ok=True)


def require_loras(uses: Sequence[LoraUse], installed: Installed, *, models_dir: Path) -> None:
    """Raise RequestError unless every file of `uses` is kept and was made for `installed`."""
    kept = {lora.name: lora for lora in read_loras(models_dir)} if uses else {}
    for use in uses:
        if use.lora not in kept:
            raise RequestError(
                "loras", f"The LoRA {use.lora[:12]}… is not in the data folder; choose its file again."
            )
        problem = misfit(kept[use.lora], installed)
        if problem:
            raise RequestError("loras", problem)


def misfit(lora: Lora, installed: Installed) -> str:
    """Return in a sentence why `lora` was made for another model than `installed`; empty where it fits."""
    weights: dict[str, list[int]] = {}
    for path in (Path(installed.folder) / "transformer").glob(f"*{WEIGHTS_SUFFIX}"):
        weights |= tensor_shapes(path)
    for part, (inputs, outputs) in _sizes(lora).items():
        shape = weights.get(f"{part}.weight")
        if shape is None or (shape[1], shape[0]) != (inputs, outputs):
            has = "no such part" if shape is None else f"one of {shape[1]} to {shape[0]}"
            return (
                f"The LoRA {lora.title} was made for another model: it changes {part} of {inputs} to "
                f"{outputs} numbers, and {installed.title} has {has}; choose a LoRA that was made for it."
            )
    return ""


def _sizes(lora: Lora) -> dict[str, tuple[int, int]]:
    """Return how many numbers go in and out of each part that `lora` changes; WeightsError."""
    sides: dict[str, dict[bool, int]] = {}
    try:
        shapes = tensor_shapes(lora.path)
    except WeightsError as exc:
        raise WeightsError(f"The LoRA {lora.title} is no safetensors file; get it again.") from exc
    for name, shape in shapes.items():
        found = _FACTOR.match(name)
        if found and len(shape) >= 2:
            is_down = found["factor"] in _DOWN
            sides.setdefault(_diffusers_name(found["part"]), {})[is_down] = shape[1 if is_down else 0]
    sizes = {part: (side[True], side[False]) for part, side in sides.items() if len(side) == 2}
    if not sizes:
        raise WeightsError(
            f"{lora.title} holds no LoRA of a video model that Kinora knows; choose another file."
        )
    return sizes


def _diffusers_name(part: str) -> str:
    """Return diffusers' name of the `part`, which may have that of Wan's own code."""
    if "self_attn." not in part and "cross_attn." not in part and ".ffn." not in part:
        return part
    for own, name in _ORIGINAL_NAMES.items():
        if own.endswith("."):
            part = part.replace(own, name)
        elif part.endswith(own):
            return part.removesuffix(own) + name
    return part


def lora_path(models_dir: Path, name: str) -> Path:
    """Return where the LoRA called `name` lies, whether it is there or not."""
    return models_dir / "loras" / f"{name}{WEIGHTS_SUFFIX}"


def _lora(models_dir: Path, name: str, title: str) -> Lora:
    return Lora(name, title, lora_path(models_dir, name))


def _record_path(lora: Lora) -> Path:
    return lora.path.with_suffix(".json")
