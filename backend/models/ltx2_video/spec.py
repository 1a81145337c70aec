"""What the models of LTX-2 can make, read from their configuration; torch-free.

Motion score and Inner-Guidance are not among their capabilities: both need weights that were trained for it.
"""

from typing import Any

from backend.errors import WeightsError
from backend.models.diffusers_folder import DiffusersFolder
from backend.models.engine import DetailSpec, EngineSpec, PassCost, PictureRule, Preset, TokenShift
from backend.models.installed import Installed
from backend.models.ltx_video.spec import has_upsampler, read_token_shift
from backend.models.sizes import SIZES_480, fitted

PIPELINES = ("LTX2Pipeline", "LTX2ImageToVideoPipeline", "LTX2ConditionPipeline")
COMPONENTS = {
    "transformer": ("LTX2VideoTransformer3DModel",),
    "vae": ("AutoencoderKLLTX2Video",),
    "audio_vae": ("AutoencoderKLLTX2Audio",),
    "vocoder": ("LTX2Vocoder", "LTX2VocoderWithBWE"),
    "connectors": ("LTX2TextConnectors",),
    "text_encoder": ("Gemma3ForConditionalGeneration",),
    "tokenizer": ("GemmaTokenizer", "GemmaTokenizerFast", "AutoTokenizer", "TokenizersBackend"),
    "processor": ("Gemma3Processor",),
    "scheduler": ("FlowMatchEulerDiscreteScheduler",),
}
EXTRAS: dict[str, tuple[str, ...]] = {"latent_upsampler": ("LTX2LatentUpsamplerModel",)}

FRAME_RATE = 24
_LONGEST_FRAMES = 481
_USUAL_FRAMES = 121


def read_facts(folder: DiffusersFolder) -> dict[str, Any]:
    """Return what the folder's model is: its grid of latents, its schedule and the rate of its sound."""
    transformer, vae, scheduler = (folder.config(name) for name in ("transformer", "vae", "scheduler"))
    try:
        width = int(transformer["num_attention_heads"]) * int(transformer["attention_head_dim"])
        halvings = 2 ** sum(vae["spatio_temporal_scaling"])
        return {
            "frames": int(vae.get("temporal_compression_ratio") or vae["patch_size_t"] * halvings),
            "pixels": int(vae.get("spatial_compression_ratio") or vae["patch_size"] * halvings),
            "has_upsampler": has_upsampler(folder),
            "shift": float(scheduler.get("shift") or 1.0),
            "token_shift": read_token_shift(scheduler),
            "last_sigma": float(scheduler.get("shift_terminal") or 0.0),
            "sound_rate": int(folder.config("vocoder")["output_sampling_rate"]),
            # Attention takes 4 N² width operations a layer; all else 2 N for each of its parameters.
            "pair_share": 4 * width / (2 * 16 * width**2),
        }
    except (LookupError, TypeError, ValueError) as exc:
        raise WeightsError(
            f"{folder.folder.name} describes no LTX-2 model that Kinora knows; get its files again."
        ) from exc


def spec(installed: Installed) -> EngineSpec:
    """Return what the model can make."""
    facts = installed.facts
    frames, pixels = facts["frames"], facts["pixels"]
    is_upsampled = facts["has_upsampler"]
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
            name: _preset(steps, facts) for name, steps in {"fast": 20, "balanced": 30, "quality": 40}.items()
        },
        pass_cost=PassCost({1: (frames, pixels, pixels)}, facts["pair_share"], latent_frames=frames),
        capabilities=frozenset({"text_guidance", "given_frames", "loras"}),
        detail=DetailSpec(
            _LONGEST_FRAMES,
            safe_ranges={},
            aligned_pixels=2 * pixels if is_upsampled else pixels,
            has_upsampler=is_upsampled,
        ),
        pictures=PictureRule(("image", "last_image", "given_frames"), pinned=("image",), is_counted=True),
        defaults={
            "guidance_scale": 3.0,
            "duration_seconds": _USUAL_FRAMES / FRAME_RATE,
            "aspect_ratio": "16:9",
        },
        own_sound_rate=facts["sound_rate"],
    )


def _preset(steps: int, facts: dict[str, Any]) -> Preset:
    token_shift = None
    if facts["token_shift"] is not None:
        low, high, first, last = facts["token_shift"]
        token_shift = TokenShift((int(low), int(high)), (first, last))
    return Preset(steps, facts["shift"], token_shift=token_shift, last_sigma=facts["last_sigma"])
