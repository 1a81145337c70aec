"""Moving textures: what a creator uploads, so that the autoencoder keeps photographs and graphics intact."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.training.world.canvas import Canvas
from backend.training.world.stills import blob_masks, draw_stills

MARGIN = 1.5
CLIPS_PER_STILL = 6
STILL_SHARE = 0.1
RECOLOUR_SHARE = 0.4
PARALLAX_SHARE = 0.2
GRAIN_SHARE = 0.12


def _paths(canvas: Canvas, count: int, num_frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """Slow camera moves over a still: centre (N, F, 2) as x, y in pixels, zoom (N, F), angle (N, F)."""
    time = torch.linspace(0, 1, num_frames, device=canvas.device)
    is_moving = (canvas.uniform(count, 1) > STILL_SHARE).float()
    zoom_start = canvas.uniform(count, 1, low=0.62, high=1.15)
    zooming = 0.25 * canvas.normal(count, 1) * (canvas.uniform(count, 1) < 0.5) * is_moving
    zoom = (zoom_start * torch.exp(zooming * time)).clamp(0.5, 1.25)
    turning = 0.2 * canvas.normal(count, 1) * (canvas.uniform(count, 1) < 0.4) * is_moving
    tilt = 0.12 * canvas.normal(count, 1)
    size = torch.tensor([canvas.width, canvas.height], device=canvas.device)
    free = 0.5 * size * (1 - zoom.amax(1, keepdim=True) / MARGIN).clamp_min(0.02)
    start = canvas.uniform(count, 2, low=-1.0, high=1.0) * free
    heading = canvas.uniform(count, 1, high=2 * math.pi)
    speed = 0.15 * 40.0 ** canvas.uniform(count, 1) * is_moving
    travel = speed * (num_frames - 1) * torch.cat([torch.cos(heading), torch.sin(heading)], dim=1)
    end = torch.maximum(torch.minimum(start + travel, free), -free)
    shake = (
        0.4 * canvas.normal(count, num_frames, 2) * (canvas.uniform(count, 1, 1) < 0.2) * is_moving[:, None]
    )
    centre = torch.lerp(start[:, None], end[:, None], time.view(1, -1, 1)) + shake
    return centre, zoom, tilt + turning * time


def _film(canvas: Canvas, images: Tensor, *, num_frames: int, height: int, width: int) -> Tensor:
    """(N, C, F, height, width): each of the images (N, C, H, W) seen by a slow camera of its own."""
    count = images.shape[0]
    centre, zoom, angle = _paths(canvas, count, num_frames)
    x = torch.arange(width, device=canvas.device) - (width - 1) / 2
    y = torch.arange(height, device=canvas.device)[:, None] - (height - 1) / 2
    cosine, sine = (zoom * torch.cos(angle))[..., None, None], (zoom * torch.sin(angle))[..., None, None]
    grid = torch.empty(count, num_frames, height, width, 2, device=canvas.device)
    torch.sub(cosine * x + centre[..., :1, None], sine * y, out=grid[..., 0])
    torch.add(cosine * y + centre[..., 1:, None], sine * x, out=grid[..., 1])
    grid *= torch.tensor([2 / canvas.width, 2 / canvas.height], device=canvas.device)
    seen = F.grid_sample(
        images, grid.view(count, -1, width, 2), padding_mode="reflection", align_corners=False
    )
    return seen.view(count, -1, num_frames, height, width)


def _pick(canvas: Canvas, stills: Tensor, count: int) -> Tensor:
    """`count` of the stills in random order, some flipped, some with their colour channels permuted."""
    repeats = math.ceil(count / stills.shape[0])
    order = torch.randperm(stills.shape[0] * repeats, generator=canvas.generator)[:count] % stills.shape[0]
    is_recoloured = torch.rand(count, 1, generator=canvas.generator) < RECOLOUR_SHARE
    shuffled = torch.argsort(torch.rand(count, 3, generator=canvas.generator), dim=1)
    channels = torch.where(is_recoloured, shuffled, torch.arange(3))
    picked = stills[order[:, None].to(stills.device), channels.to(stills.device)]
    flips = torch.rand(count, 2, generator=canvas.generator) < 0.5
    for index, (is_mirrored, is_upended) in enumerate(flips.tolist()):
        dimensions = [1] * is_upended + [2] * is_mirrored
        if dimensions:
            picked[index] = picked[index].flip(dimensions)
    return picked


def _add_grain(canvas: Canvas, clips: Tensor) -> None:
    """Low light, in place: the clips darker and with noise that is new in every frame."""
    darkness = canvas.uniform(clips.shape[0], 1, 1, 1, 1, low=0.2, high=1.0)
    grain = canvas.normal(clips.shape[0], 1, *clips.shape[2:])
    clips.mul_(darkness).add_(grain * canvas.uniform(clips.shape[0], 1, 1, 1, 1, low=0.005, high=0.04))


@torch.no_grad()
def texture_clips(
    count: int,
    *,
    num_frames: int,
    height: int,
    width: int,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
) -> Tensor:
    """(count, 3, num_frames, height, width) uint8 clips of slow camera moves over random textures.

    The generator is a CPU one: the same state gives the same clips. One still serves CLIPS_PER_STILL
    clips, so ask for dozens at a time.
    """
    canvas = Canvas(int(height * MARGIN), int(width * MARGIN), generator, torch.device(device))
    stills = draw_stills(canvas, math.ceil(count / CLIPS_PER_STILL))
    clips = _film(canvas, _pick(canvas, stills, count), num_frames=num_frames, height=height, width=width)
    layered = canvas.uniform(count) < PARALLAX_SHARE
    number = int(layered.sum())
    if number:
        cutouts = torch.cat([_pick(canvas, stills, number), blob_masks(canvas, number)], dim=1)
        over = _film(canvas, cutouts, num_frames=num_frames, height=height, width=width)
        clips[layered] = torch.lerp(clips[layered], over[:, :3], over[:, 3:])
    noisy = torch.nonzero(canvas.uniform(count) < GRAIN_SHARE)[:, 0].tolist()
    for index in noisy:
        _add_grain(canvas, clips[index : index + 1])
    return clips.mul_(255).round_().clamp_(0, 255).to(torch.uint8)
