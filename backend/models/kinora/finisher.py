"""The finisher: a small network that brings decoded frames closer to what they show, guided by the draft.

It is our addition to FlashVideo (arXiv 2502.05179), whose detail ends with the decoder: our autoencoder is
small, and at four times the size of a draft its decoder loses more than the refiner adds. The finisher sees
each decoded frame beside the enlarged draft and adds what is missing, as networks of super-resolution do: the
frames are folded to a quarter of the size (pixel shuffle, Shi et al. 2016, arXiv 1609.05158), pass residual
convolutions without normalisation (EDSR, arXiv 1707.02921), and the last layer, which begins as zero, is
unfolded and added. It also says how much of the draft's pixel is taken in place of the frame's, since what is
flat in a draft must come out flat to the level. Every frame is finished by itself.
"""

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from backend.models.kinora.blocks import set_to_zero

FOLDED = 4
"""Pixels a side that one place of the network holds."""
_CHANNELS = 3 * FOLDED**2
_AROUND = 5  # places a side, whose mean colour is told apart from what differs from it
_CONTRAST, _DETAIL_CONTRAST = 4.0, 16.0
_CHANGE = 0.1  # the layers' numbers are near one, what they change of a pixel is not


class FinisherBlock(nn.Module):
    """Two 3x3 convolutions around ReLU, added to the input (EDSR); starts as the identity.

    ReLU is the same at every contrast, so that faint edges are finished as strong ones are.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_out = nn.Conv2d(channels, channels, 3, padding=1)
        set_to_zero(self.conv_out)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.conv_out(functional.relu(self.conv_in(x)))
        return result


class Finisher(ModelMixin, ConfigMixin):  # type: ignore[misc]  # config_name differs in diffusers
    """Turns decoded frames and the enlarged draft, (B, 3, H, W) in [-1, 1], into finished frames alike.

    H and W may be any; inside, their edges repeat up to multiples of 4.
    """

    @register_to_config
    def __init__(self, width: int = 64, num_blocks: int = 6) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2 * _CHANNELS + 3, width, 3, padding=1)
        self.blocks = nn.ModuleList(FinisherBlock(width) for _ in range(num_blocks))
        self.to_pixels = nn.Conv2d(width, _CHANNELS + FOLDED**2, 3, padding=1)
        set_to_zero(self.to_pixels)

    def forward(self, frames: Tensor, low: Tensor) -> Tensor:
        height, width = frames.shape[2:]
        edges = (0, -width % FOLDED, 0, -height % FOLDED)
        padded = (functional.pad(each, edges, mode="replicate") for each in (frames, low))
        x = self.stem(_seen(*padded).contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            x = block(x)
        out = functional.pixel_shuffle(self.to_pixels(x).float(), FOLDED)[:, :, :height, :width]
        change, draft_share = out[:, :3], out[:, 3:]
        return frames + draft_share * (low - frames) + _CHANGE * change


def _seen(frames: Tensor, low: Tensor) -> Tensor:
    """Return what the network sees (B, 99, H / 4, W / 4): the mean colours around, the draft's difference
    from them, and the frames' difference from the draft."""
    draft, detail = (functional.pixel_unshuffle(each, FOLDED) for each in (low, frames - low))
    means = functional.avg_pool2d(
        functional.avg_pool2d(low, FOLDED), _AROUND, stride=1, padding=_AROUND // 2, count_include_pad=False
    )
    contrast = draft - means.repeat_interleave(FOLDED**2, dim=1)
    return torch.cat([means, _CONTRAST * contrast, _DETAIL_CONTRAST * detail], dim=1)
