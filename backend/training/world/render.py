"""Renders scenes by closed-form ray intersections, with the exact optical flow of every pixel.

A scene is painted in layers: sky and ground over the whole picture, then every body inside the window of
pixels it can touch. A sample lies at the centre of each sub-pixel; colours of a pixel's samples are averaged,
flow is that of the sample nearest to the pixel's centre. Large pictures are painted tile by tile: small
arrays stay in the processor's cache.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from backend.training.world.backdrop import paint_backdrop
from backend.training.world.scene import Scene
from backend.training.world.solids import paint_body
from backend.training.world.view import View, make_view

_TILE = 128  # pixels
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
    scene: Scene,
    *,
    height: int,
    width: int,
    supersample: int = 2,
    window: tuple[slice, slice] | None = None,
    device: torch.device | str = "cpu",
) -> Rendering:
    """Return the frames of `scene` at `height` x `width` pixels and the exact flow between them.

    window: rows and columns of pixels; what is returned, and all that is computed, is this cut-out of the
    whole rendering. Flow may lead out of it.
    """
    view = make_view(scene.camera, height=height, width=width, supersample=supersample, device=device)
    rows, columns = window or (slice(0, height), slice(0, width))
    count, size = scene.num_frames, (rows.stop - rows.start, columns.stop - columns.start)
    pixels = torch.empty((count, 3, *size), dtype=torch.uint8, device=device)
    flow = torch.empty((count - 1, 2, *size), device=device)
    cast = torch.empty((count, *size), dtype=torch.bool, device=device)
    for top in range(0, size[0], _TILE):
        for left in range(0, size[1], _TILE):
            tile = (..., slice(top, min(top + _TILE, size[0])), slice(left, min(left + _TILE, size[1])))
            painted = _paint(scene, view.within(_moved(tile[1], rows.start), _moved(tile[2], columns.start)))
            pixels[tile], flow[tile], cast[tile] = painted.pixels, painted.flow, painted.cast
    return Rendering(pixels, flow, cast)


def _moved(span: slice, offset: int) -> slice:
    return slice(span.start + offset, span.stop + offset)


def _paint(scene: Scene, view: View) -> Rendering:
    """Return what `view` sees of `scene`."""
    step, count, (rows, columns) = view.supersample, scene.num_frames, (view.y.shape[1], view.x.shape[2])
    device = view.x.device
    colour = torch.empty((count, 3, rows, columns), device=device)
    depth = torch.empty((count, rows, columns), device=device)
    flow = torch.zeros((count, 2, rows // step, columns // step), device=device)
    cast = torch.zeros((count, rows // step, columns // step), dtype=torch.bool, device=device)
    paint_backdrop(scene, view, (colour, depth, flow))
    for index, body in enumerate(scene.bodies):
        for start in range(0, count, _FRAMES_AT_ONCE):
            frames = slice(start, min(start + _FRAMES_AT_ONCE, count))
            visible = paint_body(scene, body, view, frames, (colour[frames], depth[frames], flow[frames]))
            if visible is not None:
                window, is_front = (frames, *visible[:2]), visible[2]
                cast[window] = torch.where(is_front, index < len(scene.cast), cast[window])
    if step > 1:
        colour = functional.avg_pool2d(colour, step)
    pixels = (colour.clamp(0, 1) * 255).round().to(torch.uint8)
    return Rendering(pixels, flow[:-1], cast)
