"""Renders scenes by closed-form ray intersections, with the exact optical flow of every pixel.

A scene is painted in layers: sky and ground over the whole picture, then every body inside the window of
pixels it can touch. A sample lies at the centre of each sub-pixel; colours of a pixel's samples are averaged,
flow is that of the sample nearest to the pixel's centre.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from backend.training.world.backdrop import paint_backdrop
from backend.training.world.scene import Scene
from backend.training.world.solids import paint_body
from backend.training.world.view import make_view

_FRAMES_AT_ONCE = 6  # bodies: windows of pixels stay tight while a body crosses the picture


@dataclass(frozen=True)
class Rendering:
    """pixels (F, 3, H, W) uint8; flow (F - 1, 2, H, W) float32: pixels right and down to the next frame.

    cast (F, H, W) bool: where an object of the caption is seen, rather than ground, sky or props.
    """

    pixels: Tensor
    flow: Tensor
    cast: Tensor


def render(
    scene: Scene, *, height: int, width: int, supersample: int = 2, device: torch.device | str = "cpu"
) -> Rendering:
    """Return the frames of `scene` at `height` x `width` pixels and the exact flow between them."""
    view = make_view(scene.camera, height=height, width=width, supersample=supersample, device=device)
    count, rows, columns = scene.num_frames, height * supersample, width * supersample
    colour = torch.empty((count, 3, rows, columns), device=device)
    depth = torch.empty((count, rows, columns), device=device)
    flow = torch.zeros((count, 2, height, width), device=device)
    cast = torch.zeros((count, height, width), dtype=torch.bool, device=device)
    paint_backdrop(scene, view, (colour, depth, flow))
    for index, body in enumerate(scene.bodies):
        for start in range(0, count, _FRAMES_AT_ONCE):
            frames = slice(start, min(start + _FRAMES_AT_ONCE, count))
            visible = paint_body(scene, body, view, frames, (colour[frames], depth[frames], flow[frames]))
            if visible is not None:
                window, is_front = (frames, *visible[:2]), visible[2]
                cast[window] = torch.where(is_front, index < len(scene.cast), cast[window])
    if supersample > 1:
        colour = functional.avg_pool2d(colour, supersample)
    pixels = (colour.clamp(0, 1) * 255).round().to(torch.uint8)
    return Rendering(pixels, flow[:-1], cast)
