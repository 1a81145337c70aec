"""How much of every latent channel is seen: training spends itself on what shows once it is decoded."""

import torch
from torch import Tensor

from backend.models.kinora.autoencoder import VideoAutoencoder

_NUDGE = 0.4  # of a standard deviation: about what one step at the end of sampling corrects


@torch.no_grad()
def channel_weights(vae: VideoAutoencoder, latents: Tensor, *, is_flow: bool = False) -> Tensor:
    """Return weights (C,) of mean 1: the root mean square change of pixels when a channel alone is nudged.

    latents (N, C, F, H, W), normalised, as they are found in clips. Channels are normalised to the same
    variance, but some hold most of what a picture shows and others a grain: here by a factor of eight. A loss
    that takes them for equal spends most of a small network on grain.
    """
    latents = latents.float().to(next(vae.parameters()).device)
    generator = torch.Generator().manual_seed(0)
    plain = vae.decode(latents, is_flow=is_flow)
    noise = torch.randn(latents[:, 0].shape, generator=generator).to(latents.device)
    changes = []
    for channel in range(latents.shape[1]):
        nudged = latents.clone()
        nudged[:, channel] += _NUDGE * noise
        changes.append((vae.decode(nudged, is_flow=is_flow) - plain).square().mean().sqrt())
    weights = torch.stack(changes).cpu()
    return weights / weights.mean()
