"""What a draft is to its clip: a quarter of the size, by stage I or by scaling, enlarged to the size again.

FlashVideo's DEG_pixel (arXiv 2502.05179 Sec. 3.3): half the clips are degraded strongly, half weakly. Weakly
means scaled down and up. Strongly means what stage I hands over: the small picture after our autoencoder's
encoding and decoding, sometimes softer, sometimes of slightly other colours. Enlarging is that of
`pipelines.detail`, and both are rounded to 8 bits, as a stored draft is.
"""

import torch
from torch import Tensor
from torch.nn import functional

from backend.models.kinora.autoencoder import VideoAutoencoder
from backend.models.placement import mixed_precision

ENLARGEMENT = 4
_MARGIN = 2  # pixels of a small picture that the filter reaches
_SOFT_CHANCE = 0.5
_SOFTEST = 2.5  # times fewer pixels a side
_TINT_CHANCE = 0.5
_TINT = 0.02  # of the range of a channel, standard deviation of its gain and of its offset


def scaled_down(pixels: Tensor) -> Tensor:
    """Return `pixels` (3, F, H, W) uint8 at a quarter of the size, without aliases."""
    height, width = (side // ENLARGEMENT for side in pixels.shape[2:])
    return _resized(pixels, (height, width), mode="bilinear", antialias=True)


def enlarged(small: Tensor, *, window: tuple[slice, slice] | None = None) -> Tensor:
    """Return `small` (3, F, H, W) uint8 at four times the size, by the bicubic filter of OpenCV.

    window: rows and columns of the enlarged picture, multiples of 4, which alone are computed.
    """
    if window is None:
        height, width = (side * ENLARGEMENT for side in small.shape[2:])
        return _resized(small, (height, width), mode="bicubic")
    begins, ends = zip(*((s.start // ENLARGEMENT, s.stop // ENLARGEMENT) for s in window), strict=True)
    top, left = (max(0, begin - _MARGIN) for begin in begins)
    around = enlarged(small[..., top : ends[0] + _MARGIN, left : ends[1] + _MARGIN])
    rows, columns = (
        slice(span.start - ENLARGEMENT * begin, span.stop - ENLARGEMENT * begin)
        for span, begin in zip(window, (top, left), strict=True)
    )
    return around[..., rows, columns]


@torch.no_grad()
def drafted(small: Tensor, vae: VideoAutoencoder, *, generator: torch.Generator) -> Tensor:
    """Return `small` (3, F, H, W) uint8 as a draft would show it: decoded from its latents, soft, tinted.

    Each of the last two has its chance; `generator` draws them on the CPU.
    """
    with mixed_precision(small.device.type):
        decoded = vae.decode(vae.encode(small[None].float() / 127.5 - 1))[0]
    pixels = (decoded.float() + 1) * 127.5
    draws = torch.rand(3, generator=generator)
    tint = (_TINT * torch.randn(2, 3, 1, 1, 1, generator=generator)).to(small.device)
    if draws[0] < _SOFT_CHANCE:
        factor = _SOFTEST ** float(draws[1])
        height, width = small.shape[2:]
        fewer = (round(height / factor), round(width / factor))
        softer = _resized(_rounded(pixels), fewer, mode="bilinear", antialias=True)
        pixels = _resized(softer, (height, width), mode="bicubic").float()
    if draws[2] < _TINT_CHANCE:
        pixels = pixels * (1 + tint[0]) + 255 * tint[1]
    return _rounded(pixels)


def _resized(pixels: Tensor, size: tuple[int, int], *, mode: str, antialias: bool = False) -> Tensor:
    frames = pixels.transpose(0, 1).float()
    return _rounded(functional.interpolate(frames, size, mode=mode, antialias=antialias)).transpose(0, 1)


def _rounded(pixels: Tensor) -> Tensor:
    return pixels.round().clamp(0, 255).to(torch.uint8)
