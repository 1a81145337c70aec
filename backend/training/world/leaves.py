"""Dead-leaves images: textured shapes of power-law sizes that hide one another, as in photographs."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.training.world.canvas import Canvas

OVERSAMPLING = 1.3
COVERAGE = 3.0
TILE = 96
TILES = 8


def _leaf_counts(smallest: Tensor, largest: float, pixels: int) -> list[int]:
    """How many leaves of radius density r^-3 cover `pixels` about COVERAGE times."""
    mean_square = 2 * smallest**2 * torch.log(largest / smallest)
    return (COVERAGE * pixels / (math.pi * 0.6 * mean_square)).long().clamp(12, 6000).tolist()


def _leaf_table(canvas: Canvas, count: int, height: int, width: int) -> tuple[dict[str, Tensor], Tensor]:
    """The leaves of all stills in drawing order, and the index of each still's first leaf, its background."""
    largest = 0.45 * min(height, width)
    smallest = 1.5 * 10.0 ** canvas.uniform(count)
    counts = [1 + number for number in _leaf_counts(smallest, largest, height * width)]
    still = torch.repeat_interleave(torch.arange(count), torch.tensor(counts)).to(canvas.device)
    total = still.numel()
    low, high = smallest[still] ** -2, largest**-2
    angle = canvas.uniform(total, high=2 * math.pi)
    shades = canvas.colours(count, 24)
    mine = shades[still, (canvas.uniform(total) * 24).long()]
    table = {
        "still": still,
        "radius": (low + canvas.uniform(total) * (high - low)) ** -0.5,
        "centre": canvas.uniform(total, 2) * torch.tensor([height, width], device=canvas.device),
        "turn": torch.stack([torch.cos(angle), torch.sin(angle)], dim=1),
        "aspect": canvas.uniform(total, low=1.0, high=2.6),
        "kind": (canvas.uniform(total) * 4).long(),
        "corners": (canvas.uniform(total) * 4).floor() + 3,
        "colour": (mine + 0.05 * canvas.normal(total, 3)).clamp(0, 1),
        "slope": canvas.normal(total, 2) * 0.16,
        "tile": (canvas.uniform(total) * TILES).floor(),
        "offset": canvas.uniform(total, 2),
        "zoom": 0.006 * 4.0 ** canvas.uniform(total),
        "grain": 0.16 * canvas.uniform(total) ** 2,
    }
    starts = torch.tensor([0, *counts[:-1]]).cumsum(0).to(canvas.device)
    table["radius"][starts] = largest
    return table, starts


def _is_inside(table: dict[str, Tensor], leaves: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Whether the points y, x (K, P, P), relative to the leaf's centre in radii, lie on the leaf."""
    cosine, sine = table["turn"][leaves].view(-1, 2, 1, 1).unbind(1)
    u, v = x * cosine + y * sine, (y * cosine - x * sine) * table["aspect"][leaves].view(-1, 1, 1)
    kind = table["kind"][leaves].view(-1, 1, 1)
    corners = table["corners"][leaves].view(-1, 1, 1)
    angle = torch.atan2(v, u) + math.pi
    sector = 2 * math.pi / corners
    polygon = torch.cos(sector / 2) / torch.cos(torch.remainder(angle, sector) - sector / 2)
    wavy = 0.8 + 0.2 * torch.cos(corners * angle)
    reach = torch.where(kind == 0, polygon, torch.where(kind == 1, wavy, 1.0))
    is_box = torch.maximum(u.abs(), v.abs()) < 0.7
    return torch.where(kind == 2, is_box, u**2 + v**2 < reach**2)


def _front_leaves(table: dict[str, Tensor], starts: Tensor, height: int, width: int) -> Tensor:
    """(stills, H, W) index of the leaf on top at each pixel: the last one drawn."""
    front = starts.view(-1, 1).repeat(1, height * width).view(-1)
    radius = table["radius"]
    upper = radius.max().item() + 1e-3
    is_background = torch.zeros_like(radius, dtype=torch.bool)
    is_background[starts] = True
    while upper > radius.min().item():
        lower = upper / 1.4
        leaves = torch.nonzero((radius > lower) & (radius <= upper) & ~is_background)[:, 0]
        reach = torch.arange(-math.ceil(upper), math.ceil(upper) + 1, device=radius.device)
        upper = lower
        if leaves.numel() == 0:
            continue
        corner = table["centre"][leaves].floor().long()
        rows, columns = corner[:, :1] + reach, corner[:, 1:] + reach  # (K, P)
        size = radius[leaves].view(-1, 1)
        y = ((rows - table["centre"][leaves][:, :1]) / size)[:, :, None]
        x = ((columns - table["centre"][leaves][:, 1:]) / size)[:, None, :]
        is_hit = _is_inside(table, leaves, y, x)
        is_hit &= ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[
            :, None, :
        ]
        pixel = (table["still"][leaves].view(-1, 1) * height + rows)[:, :, None] * width + columns[:, None, :]
        order = leaves.view(-1, 1, 1).expand_as(pixel)
        front.scatter_reduce_(0, pixel[is_hit], order[is_hit], "amax")
    return front.view(-1, height, width)


def _grain_tiles(canvas: Canvas) -> Tensor:
    """(1, 1, TILES * TILE, TILE) periodic textures of unit variance: noises, stripes, dots, bricks."""
    frequency = torch.hypot(torch.fft.fftfreq(TILE)[:, None], torch.fft.rfftfreq(TILE)[None, :]).clamp_min(
        1 / TILE
    )
    exponents = canvas.uniform(TILES - 3, 1, 1, low=0.2, high=1.6).cpu()
    white = torch.randn(TILES - 3, TILE, TILE // 2 + 1, 2, generator=canvas.generator)
    noises = torch.fft.irfft2(torch.view_as_complex(white) * frequency**-exponents, s=(TILE, TILE))
    noises = (noises - noises.mean((1, 2), keepdim=True)) / noises.std((1, 2), keepdim=True)
    phase = torch.arange(TILE) * 2 * math.pi / TILE
    y, x = phase[:, None], phase[None, :]
    stripes = torch.sign(torch.sin(12 * x)).expand(TILE, TILE)
    dots = 2.0 * (torch.sin(10 * x) * torch.sin(10 * y) > 0.4) - 0.5
    bricks = 0.4 - 2.5 * (
        (torch.cos(8 * y) > 0.93) | (torch.cos(4 * x + (y * 4 / math.pi).floor() * math.pi) > 0.98)
    )
    return torch.cat([noises, torch.stack([stripes, dots, bricks])]).reshape(1, 1, -1, TILE).to(canvas.device)


def dead_leaves(canvas: Canvas, count: int) -> Tensor:
    """(count, 3, H, W) images of leaves, each with a colour, a shading and a texture of its own."""
    height, width = int(canvas.height * OVERSAMPLING), int(canvas.width * OVERSAMPLING)
    table, starts = _leaf_table(canvas, count, height, width)
    front = _front_leaves(table, starts, height, width)
    numbers = torch.cat(
        [table[key] for key in ("centre", "turn", "slope", "offset", "colour")]
        + [table[key][:, None] for key in ("radius", "tile", "zoom", "grain")],
        dim=1,
    )
    pixel = numbers[front.view(-1)].t().reshape(-1, count, height, width)
    down = torch.arange(height, device=canvas.device).view(-1, 1) - pixel[0]
    right = torch.arange(width, device=canvas.device).view(1, -1) - pixel[1]
    u, v = right * pixel[2] + down * pixel[3], down * pixel[2] - right * pixel[3]
    shade = 1 + (u * pixel[4] + v * pixel[5]) / pixel[11]
    along, across = (u * pixel[13] + pixel[6]).frac().abs(), (v * pixel[13] + pixel[7]).frac().abs()
    grid = torch.stack([2 * along - 1, 2 * (pixel[12] + across) / TILES - 1], dim=-1).view(1, -1, width, 2)
    grain = F.grid_sample(_grain_tiles(canvas), grid, padding_mode="border", align_corners=False)
    image = pixel[8:11] * shade.clamp(0.3, 1.7) + pixel[14] * grain.view(count, height, width)
    return F.interpolate(
        image.transpose(0, 1), size=(canvas.height, canvas.width), mode="bilinear", antialias=True
    )
