"""Tiny random checkpoints of the open models, saved as diffusers saves the real ones."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLLTXVideo,
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    LTXConditionPipeline,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
)
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
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
