"""Local statistics of pictures as a loss: how strong fine structure is, and how neighbours go together.

A network that only lowers its error leaves out texture it cannot know and comes out too smooth. The moments
matched here are those that natural-scene statistics are fitted to (BRISQUE and NIQE, Mittal et al. 2012 and
2013): of pixels less their local mean over their local deviation, and of products of neighbours, at two
scales. We take a third, on which waves and ripples are fine structure, and add correlations over some pixels:
networks that unfold their pixels like to repeat a grid. They say nothing of where structure lies.
`evaluation.naturalness` reads the same family of numbers, so that what is trained with them must be judged by
eye and by error too.
"""

import torch
from torch import Tensor
from torch.nn import functional

_PATCHES = (32, 16, 8)  # pixels at each scale, the finest first
_SIGMA, _RADIUS = 7 / 6, 3
_LUMA = (0.299, 0.587, 0.114)
_EPSILON = 1e-4
_LAGS = (2, 4)
_REPETITION_WEIGHT = 0.3
_LEAST_POWER = 0.01
_LEAST_SPREAD = 1e-3


def statistics_loss(pixels: Tensor, true: Tensor) -> Tensor:
    """Return the mean difference of the local statistics of two batches (B, 3, H, W) in [-1, 1].

    H and W: multiples of 32.
    """
    losses = []
    for patch, *pair in zip(_PATCHES, _scales(pixels), _scales(true), strict=True):
        ours, theirs = (_normalised(grey) for grey in pair)
        moments = _moments(ours, patch) - _moments(theirs, patch)
        repetition = _correlations(ours, patch) - _correlations(theirs, patch)
        losses.append(moments.abs().mean() + _REPETITION_WEIGHT * repetition.abs().mean())
    return torch.stack(losses).mean()


def whitening(true: Tensor) -> Tensor:
    """Return the matrix (54, 54) by which differences of statistics are told in standard deviations.

    true: pictures (N, 3, H, W) in [-1, 1], whose patches spread about the mean of their picture.
    """
    patches = _patch_statistics(true)
    spread = (patches - patches.mean(1, keepdim=True)).flatten(0, 1)
    values, directions = torch.linalg.eigh((spread.T @ spread / len(spread)).double())
    floor = _LEAST_SPREAD * values.mean()
    return (directions / (values + floor).sqrt()).to(true.dtype)


def distance_loss(pixels: Tensor, true: Tensor, whitened: Tensor) -> Tensor:
    """Return the squared distance of the mean statistics of (B, 3, H, W) in [-1, 1] from those of `true`.

    It asks for no pixel and no patch to be alike, but for pictures to be so as a whole. Squared, it pulls
    towards the mean of all pictures that may be true. whitened: see `whitening`; NIQE weighs means likewise.
    """
    gap = _patch_statistics(pixels).mean(1) - _patch_statistics(true).mean(1)
    return (gap @ whitened).square().mean()


def _patch_statistics(pixels: Tensor) -> Tensor:
    """Return the moments and weighed correlations (B, patches, 54) of every square, of all scales."""
    parts = []
    for patch, grey in zip(_PATCHES, _scales(pixels), strict=True):
        normal = _normalised(grey)
        parts += [_moments(normal, patch), _REPETITION_WEIGHT * _correlations(normal, patch)]
    return torch.cat(parts, dim=1).flatten(2).transpose(1, 2)


def _scales(pixels: Tensor) -> list[Tensor]:
    """Return grey levels (B, 1, H, W) of 0 to 255, and the same at half and at a quarter of the size."""
    levels = pixels * 127.5 + 127.5
    levels = levels + (levels.round() - levels).detach()  # what is flat shows the steps of 8 bits
    grey = (levels * pixels.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return [grey, functional.avg_pool2d(grey, 2), functional.avg_pool2d(grey, 4)]


def _normalised(grey: Tensor) -> Tensor:
    """Return the levels less their local mean, over their local deviation plus one."""
    mean = _blurred(grey)
    variance = _blurred((grey - mean).square())
    return (grey - mean) / ((variance + _EPSILON).sqrt() + 1)


def _blurred(grey: Tensor) -> Tensor:
    places = torch.arange(-_RADIUS, _RADIUS + 1, device=grey.device)
    weights = torch.exp(-places.square() / (2 * _SIGMA**2))
    weights = weights / weights.sum()
    padded = functional.pad(grey, (_RADIUS,) * 4, mode="replicate")
    across = functional.conv2d(padded, weights.view(1, 1, 1, -1))
    return functional.conv2d(across, weights.view(1, 1, -1, 1))


def _moments(normal: Tensor, patch: int) -> Tensor:
    """Return roots of the moments (B, 14, rows, columns) of every square of `patch` pixels."""
    right, below = normal[..., 1:], normal[:, :, 1:]
    products = (
        functional.pad(normal[..., :-1] * right, (0, 1)),
        functional.pad(normal[:, :, :-1] * below, (0, 0, 0, 1)),
        functional.pad(right[:, :, :-1] * below[..., :-1], (0, 1, 0, 1)),
        functional.pad(normal[:, :, :-1, :-1] * below[..., 1:], (0, 1, 0, 1)),
    )
    powers = [normal.square(), normal.abs()]
    for product in products:
        powers += [functional.relu(product).square(), functional.relu(-product).square(), product.abs()]
    means = functional.avg_pool2d(torch.cat(powers, dim=1), patch)
    return (means + _EPSILON).sqrt()


def _correlations(normal: Tensor, patch: int) -> Tensor:
    """Return the correlations (B, 4, rows, columns) of pixels with those some to the right and some below."""
    products = []
    for lag in _LAGS:
        products += [
            functional.pad(normal[..., :-lag] * normal[..., lag:], (0, lag)),
            functional.pad(normal[:, :, :-lag] * normal[:, :, lag:], (0, 0, 0, lag)),
        ]
    power = functional.avg_pool2d(normal.square(), patch)
    return functional.avg_pool2d(torch.cat(products, dim=1), patch) / (power + _LEAST_POWER)
