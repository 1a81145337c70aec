"""What the models of LTX-Video can make, read from their configuration; torch-free.

Motion score and Inner-Guidance are not among their capabilities: both need weights that were trained for it.
"""

from typing import Any, Literal

from backend.errors import WeightsError
from backend.models.diffusers_folder import DiffusersFolder
from backend.models.engine import DetailSpec, EngineSpec, PassCost, PictureRule, Preset, TokenShift
from backend.models.installed import Installed
from backend.models.sizes import SIZES_480, fitted

PIPELINES = ("LTXPipeline", "LTXImageToVideoPipeline", "LTXConditionPipeline")
COMPONENTS = {
    "transformer": ("LTXVideoTransformer3DModel",),
    "vae": ("AutoencoderKLLTXVideo",),
    "text_encoder": ("T5EncoderModel",),
    "tokenizer": ("T5TokenizerFast", "T5Tokenizer", "AutoTokenizer", "TokenizersBackend"),
    "scheduler": ("FlowMatchEulerDiscreteScheduler",),
}
EXTRAS: dict[str, tuple[str, ...]] = {"latent_upsampler": ("LTXLatentUpsamplerModel",)}

FRAME_RATE = 25
_LONGEST_FRAMES = 257
_KEY_FRAMES = ("image", "last_image", "given_frames")


def read_facts(folder: DiffusersFolder) -> dict[str, Any]:
    """Return what the folder's model is: whether it takes key frames, its grid of latents, its schedule."""
    transformer, vae, scheduler = (folder.config(name) for name in ("transformer", "vae", "scheduler"))
    try:
        width = int(transformer["num_attention_heads"]) * int(transformer["attention_head_dim"])
        halvings = vae["spatio_temporal_scaling"]
        return {
            "takes_key_frames": folder.pipeline == "LTXConditionPipeline",
            "frames": int(vae["patch_size_t"]) * 2 ** sum(halvings),
            "pixels": int(vae["patch_size"]) * 2 ** sum(halvings),
            "has_upsampler": has_upsampler(folder),
            "shift": float(scheduler.get("shift") or 1.0),
            "token_shift": read_token_shift(scheduler),
            "last_sigma": float(scheduler.get("shift_terminal") or 0.0),
            # Attention takes 4 N² width operations a layer; all else 2 N for each of its parameters.
            "pair_share": 4 * width / (2 * 16 * width**2),
        }
    except (LookupError, TypeError, ValueError) as exc:
        raise WeightsError(
            f"{folder.folder.name} describes no LTX-Video model that Kinora knows; get its files again."
        ) from exc


def has_upsampler(folder: DiffusersFolder) -> bool:
    """Return whether an upsampler lies in the folder that doubles height and width, and nothing else."""
    if not folder.has_extra("latent_upsampler"):
        return False
    return doubles_size(folder.config("latent_upsampler"))


def doubles_size(config: dict[str, Any]) -> bool:
    """Return whether the upsampler of `config` doubles height and width, and nothing else."""
    is_spatial = config.get("spatial_upsample", True) and not config.get("temporal_upsample", False)
    return bool(is_spatial and config.get("rational_spatial_scale", 2.0) == 2.0)


def read_token_shift(scheduler: dict[str, Any]) -> list[float] | None:
    """Return least and most tokens and mu, or None where the shift is the same for every clip."""
    if not scheduler.get("use_dynamic_shifting"):
        return None
    names = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
    return [float(scheduler[name]) for name in names]


def spec(installed: Installed) -> EngineSpec:
    """Return what the model can make."""
    facts = installed.facts
    takes_key_frames, frames, pixels = facts["takes_key_frames"], facts["frames"], facts["pixels"]
    is_upsampled = bool(facts.get("has_upsampler"))  # records of before do not say
    return EngineSpec(
        name=installed.name,
        title=installed.title,
        sizes=fitted(SIZES_480, multiple=pixels, short_side=installed.short_side),
        frame_rate=FRAME_RATE,
        frame_rule=(frames, 1),
        duration_range=((frames + 1) / FRAME_RATE, _LONGEST_FRAMES / FRAME_RATE),
        max_inference_steps=100,
        folder="",
        licence=installed.licence,
        presets={
            name: _preset(steps, facts) for name, steps in {"fast": 20, "balanced": 30, "quality": 50}.items()
        },
        pass_cost=PassCost({1: (frames, pixels, pixels)}, facts["pair_share"], latent_frames=frames),
        capabilities=frozenset({"text_guidance", "given_frames", "loras"}),
        detail=DetailSpec(
            _LONGEST_FRAMES,
            safe_ranges={},
            aligned_pixels=2 * pixels if is_upsampled else pixels,
            has_upsampler=is_upsampled,
        ),
        pictures=PictureRule(_KEY_FRAMES if takes_key_frames else ("image",), pinned=("image",)),
        defaults={"guidance_scale": 3.0, "duration_seconds": 161 / FRAME_RATE, "aspect_ratio": "16:9"},
    )


def _preset(steps: int, facts: dict[str, Any]) -> Preset:
    shape: Literal["even", "linear_quadratic"] = "linear_quadratic" if facts["takes_key_frames"] else "even"
    token_shift = None
    if facts["token_shift"] is not None:
        low, high, first, last = facts["token_shift"]
        token_shift = TokenShift((int(low), int(high)), (first, last))
    return Preset(steps, facts["shift"], token_shift=token_shift, shape=shape, last_sigma=facts["last_sigma"])
