"""What the models of Wan 2.1 and 2.2 can make, read from their configuration; torch-free.

Motion score and Inner-Guidance are not among their capabilities: both need weights that were trained for it.
"""

from typing import Any

from backend.errors import WeightsError
from backend.models.diffusers_folder import DiffusersFolder
from backend.models.engine import DetailSpec, EngineSpec, PassCost, PictureRule, Preset
from backend.models.installed import Installed
from backend.models.sizes import SIZES_480, SIZES_720, fitted

PIPELINES = ("WanPipeline", "WanImageToVideoPipeline")
COMPONENTS = {
    "transformer": ("WanTransformer3DModel",),
    "transformer_2": ("WanTransformer3DModel",),
    "vae": ("AutoencoderKLWan",),
    "text_encoder": ("UMT5EncoderModel", "T5EncoderModel"),
    "tokenizer": ("T5TokenizerFast", "T5Tokenizer", "AutoTokenizer", "TokenizersBackend"),
    "scheduler": ("UniPCMultistepScheduler", "FlowMatchEulerDiscreteScheduler"),
    "image_encoder": ("CLIPVisionModel", "CLIPVisionModelWithProjection"),
    "image_processor": ("CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPImageProcessorPil"),
}

_LARGE_FROM_SHIFT = 5.0  # the shift that Wan's authors give for 720p; 3 is for 480p
_CAPABILITIES = frozenset({"text_guidance", "loras"})
_TEXT = PictureRule(accepted=(), pinned=())
_PICTURES = {
    "text": _TEXT,
    "text_or_image": PictureRule(accepted=("image",), pinned=("image",)),
    "image": PictureRule(("image",), ("image",), pinned=(), in_every_pass=True),
    "image_and_last": PictureRule(("image", "last_image"), ("image",), pinned=(), in_every_pass=True),
    "first_and_last": PictureRule(
        ("image", "last_image"), ("image", "last_image"), pinned=(), in_every_pass=True
    ),
}


def read_facts(folder: DiffusersFolder) -> dict[str, Any]:
    """Return what the folder's model is: kind of pictures, experts, grid of its latents, and shift."""
    transformer, vae, scheduler = (folder.config(name) for name in ("transformer", "vae", "scheduler"))
    try:
        patch = [int(length) for length in transformer["patch_size"]]
        width = int(transformer["num_attention_heads"]) * int(transformer["attention_head_dim"])
        return {
            "kind": _kind(folder, transformer, latent_channels=int(vae["z_dim"])),
            "has_two_experts": folder.index.get("boundary_ratio") is not None,
            "frames": int(vae.get("scale_factor_temporal") or 4) * patch[0],
            "pixels": int(vae.get("scale_factor_spatial") or 8) * patch[1],
            "shift": float(scheduler.get("flow_shift") or scheduler.get("shift") or 3.0),
            # Attention takes 4 N² width operations a layer; all else 2 N for each of its parameters.
            "pair_share": 4 * width / (2 * (8 * width**2 + 2 * width * int(transformer["ffn_dim"]))),
        }
    except (LookupError, TypeError, ValueError) as exc:
        raise WeightsError(
            f"{folder.folder.name} describes no Wan model that Kinora knows; get its files again."
        ) from exc


def _kind(folder: DiffusersFolder, transformer: dict[str, Any], *, latent_channels: int) -> str:
    """Return which pictures the model takes: a key of `_PICTURES`."""
    if folder.index.get("expand_timesteps"):
        return "text_or_image"
    if int(transformer["in_channels"]) == latent_channels:
        return "text"
    if transformer.get("pos_embed_seq_len") is not None:
        return "first_and_last"
    return "image" if transformer.get("image_dim") is not None else "image_and_last"


def spec(installed: Installed) -> EngineSpec:
    """Return what the model can make."""
    facts, pictures = installed.facts, _PICTURES[installed.facts["kind"]]
    is_small_latent = facts["kind"] == "text_or_image"
    frame_rate, longest = (24, 121) if is_small_latent else (16, 81)
    is_large = is_small_latent or facts["shift"] >= _LARGE_FROM_SHIFT
    sizes = SIZES_720 if is_large else SIZES_480
    frames, pixels = facts["frames"], facts["pixels"]
    return EngineSpec(
        name=installed.name,
        title=installed.title,
        sizes=fitted(sizes, multiple=pixels, short_side=installed.short_side),
        frame_rate=frame_rate,
        frame_rule=(frames, 1),
        duration_range=((frames + 1) / frame_rate, longest / frame_rate),
        max_inference_steps=100,
        folder="",
        licence=installed.licence,
        presets={
            name: Preset(steps, facts["shift"])
            for name, steps in {"fast": 20, "balanced": 30, "quality": 50}.items()
        },
        pass_cost=PassCost({1: (frames, pixels, pixels)}, facts["pair_share"], latent_frames=frames),
        capabilities=frozenset(
            {"text_guidance", "loras"} | ({"given_frames"} if pictures.accepted else set())
        ),
        detail=None if pictures.needed else DetailSpec(longest, safe_ranges={}, aligned_pixels=pixels),
        pictures=pictures,
        defaults={"guidance_scale": 5.0, "duration_seconds": longest / frame_rate, "aspect_ratio": "16:9"},
    )
