"""Tiny random checkpoints of the open models, saved as diffusers saves the real ones."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    AutoencoderKLLTXVideo,
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    LTX2Pipeline,
    LTX2VideoTransformer3DModel,
    LTXConditionPipeline,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
)
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from diffusers.pipelines.ltx2 import LTX2LatentUpsamplerModel, LTX2TextConnectors, LTX2Vocoder
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    GemmaTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
    UMT5Config,
    UMT5EncoderModel,
)

_TEXT = {"vocab_size": 128, "d_model": 32, "d_kv": 8, "d_ff": 37, "num_layers": 2, "num_heads": 4}
_LATENT_CHANNELS = 16


@dataclass(frozen=True)
class TinyWan:
    """Which model of Wan. extra: of its transformers' configuration."""

    takes_pictures: bool = False
    has_two_experts: bool = False
    expand_timesteps: bool = False
    has_image_encoder: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


WAN_TEXT = TinyWan()
WAN_IMAGE = TinyWan(takes_pictures=True, has_image_encoder=True)
WAN_FIRST_LAST = TinyWan(
    takes_pictures=True, has_image_encoder=True, extra={"pos_embed_seq_len": 2 * (4 * 4 + 1)}
)
WAN_EXPERTS = TinyWan(has_two_experts=True)
WAN_IMAGE_EXPERTS = TinyWan(takes_pictures=True, has_two_experts=True)
WAN_SMALL_LATENTS = TinyWan(expand_timesteps=True)


def write_wan(folder: Path, kind: TinyWan = WAN_TEXT, *, shift: float = 3.0) -> Path:
    """Save a tiny model of Wan into `folder` and return it."""
    torch.manual_seed(0)
    parts: dict[str, Any] = {
        "tokenizer": _tokenizer(),
        "text_encoder": UMT5EncoderModel(UMT5Config(**_TEXT)).eval(),
        "vae": AutoencoderKLWan(
            base_dim=3,
            z_dim=_LATENT_CHANNELS,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
        ).eval(),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=shift),
        "transformer": _wan_transformer(kind),
        "transformer_2": _wan_transformer(kind) if kind.has_two_experts else None,
        "boundary_ratio": 0.875 if kind.has_two_experts else None,
        "expand_timesteps": kind.expand_timesteps,
    }
    if kind.takes_pictures:
        parts |= (
            _image_encoder() if kind.has_image_encoder else {"image_encoder": None, "image_processor": None}
        )
    pipeline = WanImageToVideoPipeline if kind.takes_pictures else WanPipeline
    pipeline(**parts).save_pretrained(folder)
    return folder


def write_ltx(folder: Path, *, takes_key_frames: bool = False) -> Path:
    """Save a tiny model of LTX-Video into `folder` and return it."""
    torch.manual_seed(0)
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=2,
        caption_channels=32,
    )
    parts = {
        "tokenizer": _tokenizer(),
        "text_encoder": T5EncoderModel(T5Config(**_TEXT)).eval(),
        "vae": _ltx_autoencoder(),
        "scheduler": FlowMatchEulerDiscreteScheduler(),
        "transformer": _shaken(transformer),
    }
    pipeline = LTXConditionPipeline if takes_key_frames else LTXPipeline
    pipeline(**parts).save_pretrained(folder)
    return folder


def write_ltx2(folder: Path) -> Path:
    """Save a tiny model of LTX-2 into `folder` and return it; its levels depend on the length of the clip."""
    torch.manual_seed(0)
    parts = {
        "tokenizer": _gemma_tokenizer(),
        "text_encoder": _gemma(),
        "connectors": _shaken(LTX2TextConnectors(**_CONNECTORS)),
        "vae": _with_statistics(_ltx2_autoencoder()),
        "audio_vae": _with_statistics(AutoencoderKLLTX2Audio(**_SOUND_AUTOENCODER).eval()),
        "vocoder": LTX2Vocoder(**_VOCODER).eval(),
        "scheduler": FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True,
            base_image_seq_len=16,
            max_image_seq_len=64,
            base_shift=0.95,
            max_shift=2.05,
            shift_terminal=0.1,
        ),
        "transformer": _shaken(LTX2VideoTransformer3DModel(**_LTX2_TRANSFORMER)),
    }
    LTX2Pipeline(**parts).save_pretrained(folder)
    return folder


def add_upsampler(folder: Path, kind: type[LTXLatentUpsamplerModel] | type[LTX2LatentUpsamplerModel]) -> Path:
    """Save a tiny latent upsampler of LTX beside the parts of the model in `folder` and return that."""
    torch.manual_seed(0)
    network = kind(in_channels=8, mid_channels=32, num_blocks_per_stage=1)
    network.eval().save_pretrained(folder / "latent_upsampler")
    return folder


_GEMMA_WIDTH, _GEMMA_LAYERS = 32, 2
_CONNECTORS = {
    "caption_channels": _GEMMA_WIDTH,
    "text_proj_in_factor": _GEMMA_LAYERS + 1,
    "video_connector_num_attention_heads": 4,
    "video_connector_attention_head_dim": 8,
    "video_connector_num_layers": 1,
    "video_connector_num_learnable_registers": 8,
    "audio_connector_num_attention_heads": 4,
    "audio_connector_attention_head_dim": 8,
    "audio_connector_num_layers": 1,
    "audio_connector_num_learnable_registers": 8,
    "connector_rope_base_seq_len": 32,
    "rope_type": "split",
}
_LTX2_TRANSFORMER = {
    "in_channels": 8,
    "out_channels": 8,
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "cross_attention_dim": 24,
    "vae_scale_factors": (4, 16, 16),
    "audio_in_channels": 4,
    "audio_out_channels": 4,
    "audio_num_attention_heads": 2,
    "audio_attention_head_dim": 8,
    "audio_cross_attention_dim": 16,
    "num_layers": 3,
    "caption_channels": _GEMMA_WIDTH,
    "rope_type": "split",
}
_SOUND_AUTOENCODER = {
    "base_channels": 4,
    "ch_mult": (1,),
    "num_res_blocks": 1,
    "resolution": 32,
    "latent_channels": 2,
    "mel_bins": 8,
}
_VOCODER = {
    "in_channels": 2 * 8,
    "hidden_channels": 32,
    "upsample_kernel_sizes": [16, 15, 8],
    "upsample_factors": [8, 5, 4],
    "resnet_kernel_sizes": [3],
    "resnet_dilations": [[1, 3, 5]],
    "output_sampling_rate": 16_000,
}


def _gemma_tokenizer() -> GemmaTokenizer:
    specials = ["<pad>", "<eos>", "<bos>", "<unk>"]
    pieces = [*specials, *(chr(code) for code in range(33, 127)), "▁", *(f"<0x{b:02X}>" for b in range(256))]
    return GemmaTokenizer(
        vocab={piece: index for index, piece in enumerate(pieces)}, merges=[], model_max_length=64
    )


def _gemma() -> Gemma3ForConditionalGeneration:
    text = {
        "vocab_size": 512,
        "hidden_size": _GEMMA_WIDTH,
        "intermediate_size": 37,
        "num_hidden_layers": _GEMMA_LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "sliding_window": 64,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
    }
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
    return Gemma3ForConditionalGeneration(config).eval()


def _ltx2_autoencoder() -> AutoencoderKLLTX2Video:
    return AutoencoderKLLTX2Video(
        latent_channels=8,
        block_out_channels=(8, 8),
        down_block_types=("LTX2VideoDownBlock3D",) * 2,
        decoder_block_out_channels=(8, 8),
        layers_per_block=(1, 1, 1),
        decoder_layers_per_block=(1, 1, 1),
        spatio_temporal_scaling=(True, True),
        decoder_spatio_temporal_scaling=(True, True),
        decoder_inject_noise=(False, False, False),
        downsample_type=("spatiotemporal", "spatiotemporal"),
        upsample_type=("spatiotemporal", "spatiotemporal"),
        upsample_residual=(False, False),
        upsample_factor=(1, 1),
        patch_size=4,
        decoder_causal=False,
    ).eval()


def _with_statistics(network: Any) -> Any:
    """Return `network` with a mean and spread of its latents that are not 0 and 1, which would hide them."""
    network.latents_mean.copy_(0.3 * torch.randn_like(network.latents_mean))
    network.latents_std.copy_(0.5 + torch.rand_like(network.latents_std))
    return network


def _tokenizer() -> T5TokenizerFast:
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0)]
    return T5TokenizerFast(vocab=vocabulary + [(chr(code), -2.0) for code in range(33, 127)], extra_ids=0)


def _wan_transformer(kind: TinyWan) -> WanTransformer3DModel:
    pictures: dict[str, Any] = {"in_channels": 2 * _LATENT_CHANNELS + 4} if kind.takes_pictures else {}
    if kind.has_image_encoder:
        pictures |= {"image_dim": 16, "added_kv_proj_dim": 24}
    network = WanTransformer3DModel(
        **{
            "patch_size": (1, 2, 2),
            "num_attention_heads": 2,
            "attention_head_dim": 12,
            "in_channels": _LATENT_CHANNELS,
            "out_channels": _LATENT_CHANNELS,
            "text_dim": 32,
            "freq_dim": 256,
            "ffn_dim": 32,
            "num_layers": 3,
            "cross_attn_norm": True,
            "qk_norm": "rms_norm_across_heads",
            "rope_max_seq_len": 32,
            **pictures,
            **kind.extra,
        }
    )
    return _shaken(network)


def _image_encoder() -> dict[str, Any]:
    config = CLIPVisionConfig(
        hidden_size=16,
        projection_dim=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        intermediate_size=16,
        patch_size=8,
    )
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32)
    return {"image_encoder": CLIPVisionModel(config).eval(), "image_processor": processor}


def _ltx_autoencoder() -> AutoencoderKLLTXVideo:
    network = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        decoder_inject_noise=(False, False, False, False, False),
        upsample_residual=(False, False, False, False),
        upsample_factor=(1, 1, 1, 1),
        timestep_conditioning=False,
        patch_size=4,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    ).eval()
    with torch.no_grad():
        # The spread of what it encodes is none, so that drawing from it, as diffusers does, gives its mean.
        network.encoder.conv_out.conv.weight[-1] = 0
        network.encoder.conv_out.conv.bias[-1] = -60
    return network


def _shaken(network: torch.nn.Module) -> Any:
    """Return `network` with every parameter random: what starts at zero would hide what it sees."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()
