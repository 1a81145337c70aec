"""Still images like photographs and graphics: leaves, noise, fractals, gradients, patterns, strokes."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from backend.training.world.canvas import Canvas, spectral_field
from backend.training.world.leaves import dead_leaves


def coloured_noise(canvas: Canvas, count: int) -> Tensor:
    """1/f^a noise, a in 0.8 to 2.2, with correlated colour channels."""
    field = spectral_field(canvas, count, 3, canvas.uniform(count, low=0.8, high=2.2))
    chroma = 0.5 * canvas.uniform(count, 3, 1) * canvas.normal(count, 3, 3)
    mixing = torch.cat([torch.ones_like(chroma[..., :1]), chroma[..., 1:]], dim=-1)
    colour = torch.einsum("nij,njhw->nihw", mixing, field)
    contrast = canvas.uniform(count, 1, 1, 1, low=0.06, high=0.22)
    return canvas.colours(count, 1).view(count, 3, 1, 1) * 0.6 + 0.2 + contrast * colour


def ramp(values: Tensor, colours: Tensor) -> Tensor:
    """(N, 3, H, W): values (N, H, W) in [0, 1] looked up in a linear ramp of colours (N, K, 3)."""
    last = colours.shape[1] - 1
    position = values.clamp(0, 1) * last
    image = torch.zeros(values.shape[0], 3, *values.shape[1:], device=values.device)
    for index in range(last + 1):
        weight = (1 - (position - index).abs()).clamp_min(0)
        image += weight[:, None] * colours[:, index, :, None, None]
    return image


def gradients(canvas: Canvas, count: int) -> Tensor:
    """Smooth linear and radial gradients between three colours."""
    y, x = canvas.coordinates()
    angle = canvas.uniform(count, 1, 1, high=2 * math.pi)
    linear = 0.5 + canvas.uniform(count, 1, 1, low=0.3, high=1.2) * (
        torch.cos(angle) * x + torch.sin(angle) * y
    )
    centre = canvas.uniform(count, 2, 1, 1, low=-0.6, high=0.6)
    radial = ((x - centre[:, 0]) ** 2 + (y - centre[:, 1]) ** 2).sqrt() * canvas.uniform(
        count, 1, 1, low=0.5, high=2
    )
    return ramp(
        torch.lerp(linear, radial, (canvas.uniform(count, 1, 1) * 3 - 1).clamp(0, 1)),
        canvas.colours(count, 3),
    )


def fractals(canvas: Canvas, count: int) -> Tensor:
    """Sums of octaves bent by other sums of octaves: clouds, marble, rock, wood."""
    fields = spectral_field(canvas, 3 * count, 1, canvas.uniform(3 * count, low=1.6, high=2.6))
    fields = fields.view(count, 3, canvas.height, canvas.width)
    y, x = canvas.coordinates()
    side = torch.tensor([canvas.width, canvas.height], device=canvas.device) / min(
        canvas.height, canvas.width
    )
    straight = torch.stack(torch.broadcast_tensors(x, y), dim=-1) * 2 / side
    bend = canvas.uniform(count, 1, 1, 1, low=0.0, high=0.25) * fields[:, 1:].permute(0, 2, 3, 1)
    warped = F.grid_sample(
        fields[:, :1], straight + bend, mode="bilinear", padding_mode="reflection", align_corners=False
    )[:, 0]
    cloud = 0.5 + warped * canvas.uniform(count, 1, 1, low=0.12, high=0.35)
    frequency = canvas.uniform(count, 1, 1, low=1.0, high=6.0)
    veined = 0.5 + 0.5 * torch.sin(frequency * (warped * 1.5 + 6 * x * canvas.uniform(count, 1, 1)))
    return ramp(torch.where(canvas.uniform(count, 1, 1) < 0.6, cloud, veined), canvas.colours(count, 4))


def _waves(canvas: Canvas, count: int) -> tuple[Tensor, Tensor]:
    y, x = canvas.coordinates()
    angle = canvas.uniform(count, 1, 1, high=math.pi)
    pixels = min(canvas.height, canvas.width)
    period = 3.0 * (pixels / 12.0) ** canvas.uniform(count, 1, 1)
    scale = 2 * math.pi * pixels / period
    bend = canvas.uniform(count, 1, 1) ** 4 * 0.06
    turns = canvas.uniform(count, 1, 1, low=4, high=14)
    u = torch.cos(angle) * x + torch.sin(angle) * y
    v = torch.cos(angle) * y - torch.sin(angle) * x
    return scale * (u + bend * torch.sin(turns * v)), scale * canvas.uniform(
        count, 1, 1, low=0.5, high=1.5
    ) * v


def patterns(canvas: Canvas, count: int) -> Tensor:
    """Fine periodic patterns: stripes, grids, checks, dots, weave; periods of 3 pixels to a quarter side."""
    across, along = _waves(canvas, count)
    first, second = torch.sin(across), torch.sin(along)
    weave = torch.where(torch.sin(across / 2) * torch.sin(along / 2) > 0, first, second)
    kinds = torch.stack([first, torch.maximum(first, second), first * second, first + second - 0.6, weave])
    chosen = torch.tensor(canvas.choice(count, (3.0, 2.0, 2.0, 1.5, 1.5)), device=canvas.device)
    wave = kinds[chosen, torch.arange(count, device=canvas.device)]
    hardness = 8 * canvas.uniform(count, 1, 1) ** 2 + 0.6
    colours = canvas.colours(count, 2)
    image = ramp(torch.sigmoid(2 * hardness * wave), colours)
    grain = spectral_field(canvas, count, 1, canvas.uniform(count, low=0.6, high=1.6))
    return image + canvas.uniform(count, 1, 1, 1, high=0.1) * grain


def _segment_distance(y: Tensor, x: Tensor, ends: Tensor) -> Tensor:
    """Distance of each point to the nearest of the segments `ends` (N, K, 4: y0 x0 y1 x1), (N, H, W)."""
    start_y, start_x, end_y, end_x = ends[..., None, None].unbind(2)
    run_y, run_x = end_y - start_y, end_x - start_x
    near_y, near_x = y - start_y, x - start_x
    share = ((near_y * run_y + near_x * run_x) / (run_y**2 + run_x**2 + 1e-6)).clamp(0, 1)
    return ((near_y - share * run_y) ** 2 + (near_x - share * run_x) ** 2).amin(dim=1).sqrt()


def _text_ink(canvas: Canvas) -> Tensor:
    """(H, W) ink of one page of invented letters in words and lines."""
    size = int(5 * 5.0 ** canvas.uniform(1).item()) + 2
    width = max(4, int(size * 0.7))
    y = torch.linspace(0, 1, size, device=canvas.device)[:, None]
    x = torch.linspace(0, 1, width, device=canvas.device)[None, :]
    corners = (canvas.uniform(40, 3, 4) * 3).floor() / 2 * 0.62 + 0.16
    ink = 1 - (_segment_distance(y, x, corners.clamp(0.12, 0.85)) * size / (size * 0.07 + 0.5) - 0.4).clamp(
        0, 1
    )
    ink[:10] = 0
    rows, columns = canvas.height // size + 1, canvas.width // width + 1
    page = ink[(canvas.uniform(rows, columns) * 46 - 3).long().clamp(0, 39)]  # (rows, columns, size, width)
    page[canvas.uniform(rows) < 0.25] = 0
    if canvas.uniform(1).item() < 0.6:
        page[1::2] = 0
    return page.permute(0, 2, 1, 3).reshape(rows * size, columns * width)[: canvas.height, : canvas.width]


def _line_ink(canvas: Canvas) -> Tensor:
    """(H, W) ink of thin line art: contour lines of a smooth field, straight lines, circles."""
    y, x = canvas.coordinates()
    pixels = min(canvas.height, canvas.width)
    thickness = canvas.uniform(1).item() * 1.6 + 0.5
    draw = canvas.uniform(1).item()
    if draw < 0.4:
        field = spectral_field(canvas, 1, 1, torch.tensor([2.6], device=canvas.device))[0, 0]
        levels = field * canvas.uniform(1, low=1.5, high=6).item()
        slope = torch.hypot(*torch.gradient(levels)) + 1e-3
        distance = ((levels - levels.round()).abs() / slope).clamp(max=9)
    elif draw < 0.75:
        ends = canvas.uniform(1, 9, 4, low=-0.7, high=0.7)
        distance = _segment_distance(y, x, ends)[0] * pixels
    else:
        circles = canvas.uniform(7, 3, 1, 1, low=-0.6, high=0.6)
        radius = ((y - circles[:, 0]) ** 2 + (x - circles[:, 1]) ** 2).sqrt()
        distance = (radius - circles[:, 2].abs() - 0.02).abs().amin(0) * pixels
    return (1 + thickness - distance).clamp(0, 1)


def strokes(canvas: Canvas, count: int) -> Tensor:
    """Lines of invented letters and thin line art on plain or shaded paper."""
    pages = [_text_ink(canvas) if canvas.uniform(1).item() < 0.6 else _line_ink(canvas) for _ in range(count)]
    ink = torch.stack(pages)[:, None]
    paper = torch.lerp(
        gradients(canvas, count),
        canvas.colours(count, 1).view(count, 3, 1, 1),
        canvas.uniform(count, 1, 1, 1),
    )
    pen = canvas.colours(count, 1).view(count, 3, 1, 1)
    light_paper = paper.mean(dim=(1, 2, 3), keepdim=True) > 0.5
    return torch.lerp(paper, torch.where(light_paper, pen * 0.45, pen * 0.45 + 0.55), ink)


FAMILIES: tuple[tuple[Callable[[Canvas, int], Tensor], float], ...] = (
    (dead_leaves, 0.44),
    (coloured_noise, 0.11),
    (fractals, 0.16),
    (gradients, 0.06),
    (patterns, 0.11),
    (strokes, 0.12),
)


def draw_layers(canvas: Canvas, count: int) -> Tensor:
    """(count, 3, H, W) images in about [0, 1], each of a family drawn by its weight."""
    chosen = canvas.choice(count, tuple(weight for _, weight in FAMILIES))
    layers = torch.empty(count, 3, canvas.height, canvas.width, device=canvas.device)
    for index, (draw, _) in enumerate(FAMILIES):
        places = [place for place, family in enumerate(chosen) if family == index]
        if places:
            layers[places] = draw(canvas, len(places))
    return layers


def blob_masks(canvas: Canvas, count: int) -> Tensor:
    """(count, 1, H, W) masks in [0, 1] of cloudy regions, with edges from hard to very soft."""
    field = spectral_field(canvas, count, 1, canvas.uniform(count, low=1.6, high=3.0))
    hardness = 0.7 * 60.0 ** canvas.uniform(count, 1, 1, 1)
    return torch.sigmoid(hardness * (field - canvas.uniform(count, 1, 1, 1, low=-0.6, high=0.9)))


def blur(images: Tensor, *, factor: int) -> Tensor:
    """The images smoothed over about `factor` pixels, at the same size."""
    small = F.interpolate(images, scale_factor=1 / factor, mode="bilinear", antialias=True)
    return F.interpolate(small, size=images.shape[-2:], mode="bicubic", align_corners=False)


def _develop(canvas: Canvas, images: Tensor) -> Tensor:
    """Shading, focus, contrast, white balance and gamma, as a camera would leave them; in [0, 1]."""
    count = images.shape[0]
    y, x = canvas.coordinates()
    slope = canvas.normal(count, 2, 1, 1, 1) * 0.35 * canvas.uniform(count, 1, 1, 1, 1)
    images = images * (1 + slope[:, 0] * x + slope[:, 1] * y)
    is_deep = canvas.uniform(count, 1, 1, 1) < 0.35
    focus = torch.where(is_deep, blob_masks(canvas, count), torch.zeros_like(images[:, :1]))
    images = torch.lerp(images, blur(images, factor=5), focus)
    softness = 0.45 * canvas.uniform(count, 1, 1, 1) ** 2
    images = torch.lerp(images, blur(images, factor=2), softness)
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    images = middle + (images - middle) * canvas.uniform(count, 1, 1, 1, low=0.55, high=1.35)
    images = images * canvas.uniform(count, 3, 1, 1, low=0.85, high=1.15)
    gamma = torch.exp(canvas.normal(count, 1, 1, 1) * 0.35)
    return images.clamp(0, 1).pow(gamma.clamp(0.45, 2.6))


def draw_stills(canvas: Canvas, count: int) -> Tensor:
    """(count, 3, H, W) finished stills in [0, 1]; about half blend two families through a mask."""
    images = draw_layers(canvas, count)
    blended = [index for index, pick in enumerate(canvas.choice(count, (0.55, 0.45))) if pick]
    if blended:
        over = draw_layers(canvas, len(blended))
        images[blended] = torch.lerp(images[blended], over, blob_masks(canvas, len(blended)))
    return _develop(canvas, images)
