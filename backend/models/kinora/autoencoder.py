"""The video autoencoder: pixels to latents, 8 x 8 in space and 4 in time, and back.

The first latent holds the first frame alone, each later latent holds four frames (causal layout, F = 4n + 1).
Time is folded into channels before the first convolution, so that all heavy work is 2D convolution at a
quarter and an eighth of the size; causal 1D convolutions join the latents in time. There is no normalisation
layer (as in EDSR, arXiv 1707.02921): residual branches start at zero instead.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from backend.models.kinora.blocks import set_to_zero

FRAMES_PER_LATENT = 4
SPATIAL_FACTOR = 8
ENCODER_PARTS = ("stem_first", "stem_group", "encoder_quarter", "down", "encoder_eighth", "to_moments")
"""The modules that decide what latents are; the others only decode them."""
_PIXELS_AT_ONCE = 2**18  # of one frame of each latent: 16 latents of 128 pixels, one of 512
_STEM = 4  # pixels folded into channels by the stem
_HEAD = 2  # pixels unfolded by each of the two shuffles of the head


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around SiLU, added to the input; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_out = nn.Conv2d(channels, channels, 3, padding=1)
        set_to_zero(self.conv_out)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_out(F.silu(self.conv_in(F.silu(x))))


class CausalTimeMix(nn.Module):
    """Causal convolution of length three over latents, pointwise in space; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3 * channels, channels, 1)
        set_to_zero(self.conv)

    def forward(self, x: Tensor, num_latents: int) -> Tensor:
        """x: (B * G, C, H, W) with G = num_latents in order of time."""
        y = F.silu(x).unflatten(0, (-1, num_latents))
        previous = F.pad(y, (0, 0, 0, 0, 0, 0, 2, 0))
        window = torch.cat([previous[:, :-2], previous[:, 1:-1], y], dim=2).flatten(0, 1)
        return x + self.conv(window.contiguous(memory_format=torch.channels_last))


class Stage(nn.Module):
    """Residual blocks, each followed by a causal mix over time where `has_time`."""

    def __init__(self, channels: int, num_blocks: int, *, has_time: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResidualBlock(channels) for _ in range(num_blocks))
        self.mixes = nn.ModuleList(CausalTimeMix(channels) for _ in range(num_blocks if has_time else 0))

    def forward(self, x: Tensor, num_latents: int) -> Tensor:
        for index, block in enumerate(self.blocks):
            x = block(x)
            if self.mixes:
                x = self.mixes[index](x, num_latents)
        return x


class VideoAutoencoder(ModelMixin, ConfigMixin):  # type: ignore[misc]  # config_name differs in diffusers
    """Encodes (B, 3, F, H, W) in [-1, 1] to (B, 16, 1 + (F - 1) / 4, H / 8, W / 8) and decodes back.

    H and W must be multiples of 8 and F = 4n + 1. Latents are normalised per channel by the buffers
    `latent_mean` and `latent_std`, row 0 for pictures and row 1 for optical flow shown as pictures, which
    training measures when it ends.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 16,
        quarter_width: int = 96,
        eighth_width: int = 192,
        encoder_blocks: tuple[int, int] = (2, 2),
        decoder_blocks: tuple[int, int] = (3, 3),
        head_width: int = 32,
    ) -> None:
        super().__init__()
        frame = 3 * _STEM**2
        self.stem_first = nn.Conv2d(frame, quarter_width, 3, padding=1)
        self.stem_group = nn.Conv2d(FRAMES_PER_LATENT * frame, quarter_width, 3, padding=1)
        self.encoder_quarter = Stage(quarter_width, encoder_blocks[0], has_time=False)
        self.down = nn.Conv2d(4 * quarter_width, eighth_width, 1)
        self.encoder_eighth = Stage(eighth_width, encoder_blocks[1], has_time=True)
        self.to_moments = nn.Conv2d(eighth_width, 2 * latent_channels, 1)
        self.from_latents = nn.Conv2d(latent_channels, eighth_width, 3, padding=1)
        self.decoder_eighth = Stage(eighth_width, decoder_blocks[1], has_time=True)
        self.up = nn.Conv2d(eighth_width, 4 * quarter_width, 1)
        self.decoder_quarter = Stage(quarter_width, decoder_blocks[0], has_time=False)
        self.head_first = nn.Conv2d(quarter_width, head_width * _HEAD**2, 1)
        self.head_group = nn.Conv2d(quarter_width, FRAMES_PER_LATENT * head_width * _HEAD**2, 1)
        self.to_pixels = nn.Conv2d(head_width, 3 * _HEAD**2, 3, padding=1)
        self.register_buffer("latent_mean", torch.zeros(2, latent_channels))
        self.register_buffer("latent_std", torch.ones(2, latent_channels))

    def moments(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return (mean, log variance) of the posterior, unnormalised, each (B, 16, G, H / 8, W / 8)."""
        batch, num_latents = pixels.shape[0], 1 + (pixels.shape[2] - 1) // FRAMES_PER_LATENT
        first = F.pixel_unshuffle(pixels[:, :, 0], _STEM)
        groups = pixels[:, :, 1:].unflatten(2, (num_latents - 1, FRAMES_PER_LATENT)).permute(2, 0, 3, 1, 4, 5)
        quarters = [self._quarter(self.stem_first(_last(first)))]
        for some in (
            groups.split(_at_once(pixels)) if num_latents > 1 else ()
        ):  # one after the other: large clips need less memory
            folded = F.pixel_unshuffle(some.flatten(2, 3).flatten(0, 1), _STEM)
            quarters.append(self._quarter(self.stem_group(_last(folded))))
        x = torch.cat(quarters).unflatten(0, (num_latents, batch)).transpose(0, 1).flatten(0, 1)
        x = self.encoder_eighth(_last(x), num_latents)
        moments = self.to_moments(x).float().unflatten(0, (-1, num_latents)).transpose(1, 2)
        mean, log_variance = moments.chunk(2, dim=1)
        return mean, log_variance.clamp(-20, 4)

    def _quarter(self, x: Tensor) -> Tensor:
        """Return stems (N, C, H / 4, W / 4), each of one latent, at an eighth of the size."""
        return self.down(_last(F.pixel_unshuffle(self.encoder_quarter(_last(x), 1), 2)))

    def decode_unnormalised(self, latents: Tensor) -> Tensor:
        """Return pixels (B, 3, 1 + 4 (G - 1), H, W) of unnormalised latents (B, 16, G, H / 8, W / 8)."""
        return torch.cat([*self._decoded(latents)], dim=2)

    def _decoded(self, latents: Tensor) -> Iterator[Tensor]:
        """Yield the frames (B, 3, f, H, W) of one latent or, where they are small, several at a time.

        Latents meet only at an eighth of the size: this is the whole decode, in bounded memory.
        """
        batch, _, num_latents = latents.shape[:3]
        x = self.from_latents(_last(latents.transpose(1, 2).flatten(0, 1)))
        x = self.decoder_eighth(x, num_latents).unflatten(0, (batch, num_latents))
        yield self._frames(x[:, :1], self.head_first, 1)
        at_once = _at_once(latents, scale=SPATIAL_FACTOR)
        for some in x[:, 1:].split(at_once, dim=1) if num_latents > 1 else ():
            yield self._frames(some, self.head_group, FRAMES_PER_LATENT)

    def _frames(self, x: Tensor, head: nn.Conv2d, count: int) -> Tensor:
        """Return the `count` frames of each latent (B, 3, n * count, H, W) of features (B, n, C, h, w)."""
        batch = x.shape[0]
        x = self.decoder_quarter(_last(F.pixel_shuffle(self.up(_last(x.flatten(0, 1))), 2)), 1)
        frames = head(_last(x)).unflatten(1, (count, -1)).flatten(0, 1)
        halves = F.pixel_shuffle(frames, _HEAD)
        pixels = F.pixel_shuffle(self.to_pixels(_last(F.silu(halves))), _HEAD)
        return pixels.float().unflatten(0, (batch, -1)).transpose(1, 2)

    def encode(self, pixels: Tensor, *, is_flow: bool = False) -> Tensor:
        """Return normalised latents (B, 16, 1 + (F - 1) / 4, H / 8, W / 8): the posterior mean."""
        mean, _ = self.moments(pixels)
        centre, spread = self._statistics(is_flow)
        return (mean - centre) / spread

    def decode(self, latents: Tensor, *, is_flow: bool = False) -> Tensor:
        """Return pixels in [-1, 1] (B, 3, 4 (G - 1) + 1, H, W) of normalised latents."""
        centre, spread = self._statistics(is_flow)
        return self.decode_unnormalised(latents * spread + centre).clamp(-1, 1)

    def _statistics(self, is_flow: bool) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation (1, 16, 1, 1, 1) of latents of pictures or of flow pictures."""
        row = int(is_flow)
        shape = (1, -1, 1, 1, 1)
        return self.latent_mean[row].float().view(shape), self.latent_std[row].float().view(shape)


def _at_once(values: Tensor, *, scale: int = 1) -> int:
    """Return how many latents of a clip (B, C, F, H, W), `scale` times smaller, are worked on at once."""
    return max(1, _PIXELS_AT_ONCE // (values.shape[0] * values.shape[3] * values.shape[4] * scale**2))


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
