"""The sound autoencoder: log-mels to latents four times smaller each way, and back.

diffusers' AutoencoderKL over one channel, as in AudioLDM (arXiv 2301.12503), with statistics that normalise
its latents.
"""

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor

MEL_FACTOR = 4
"""Mel frames to a latent step, and mels to a latent row."""


class SoundAutoencoder(ModelMixin, ConfigMixin):  # type: ignore[misc]  # config_name differs in diffusers
    """Encodes normalised log-mels (B, T, 64) to (B, 8, T / 4, 16) and decodes back; T is a multiple of 4.

    Latents are normalised per channel by the buffers `latent_mean` and `latent_std`, which training measures.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 8,
        widths: tuple[int, ...] = (24, 48, 64),
        layers_per_block: int = 1,
        norm_num_groups: int = 8,
    ) -> None:
        super().__init__()
        self.vae = AutoencoderKL(
            in_channels=1,
            out_channels=1,
            down_block_types=("DownEncoderBlock2D",) * len(widths),
            up_block_types=("UpDecoderBlock2D",) * len(widths),
            block_out_channels=widths,
            layers_per_block=layers_per_block,
            latent_channels=latent_channels,
            norm_num_groups=norm_num_groups,
            mid_block_add_attention=False,
        )
        self.register_buffer("latent_mean", torch.zeros(latent_channels))
        self.register_buffer("latent_std", torch.ones(latent_channels))

    def moments(self, mels: Tensor) -> tuple[Tensor, Tensor]:
        """Return (mean, log variance) of the posterior, unnormalised, each (B, 8, T / 4, 16).

        Raises ValueError where T is not a multiple of 4.
        """
        if mels.shape[1] % MEL_FACTOR:
            raise ValueError(f"{mels.shape[1]} mel frames are not a multiple of {MEL_FACTOR}")
        posterior = self.vae.encode(mels.unsqueeze(1)).latent_dist
        return posterior.mean.float(), posterior.logvar.float()

    def decode_unnormalised(self, latents: Tensor) -> Tensor:
        """Return log-mels (B, T, 64) of unnormalised latents (B, 8, T / 4, 16)."""
        mels: Tensor = self.vae.decode(latents).sample
        return mels.squeeze(1).float()

    def encode(self, mels: Tensor) -> Tensor:
        """Return normalised latents (B, 8, T / 4, 16): the posterior mean."""
        mean, _ = self.moments(mels)
        centre, spread = self._statistics()
        return (mean - centre) / spread

    def decode(self, latents: Tensor) -> Tensor:
        """Return normalised log-mels (B, T, 64) of normalised latents."""
        centre, spread = self._statistics()
        return self.decode_unnormalised((latents * spread + centre).to(self.dtype))

    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation (1, 8, 1, 1) of latents."""
        return self.latent_mean.float().view(1, -1, 1, 1), self.latent_std.float().view(1, -1, 1, 1)
