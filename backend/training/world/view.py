"""What a camera sees through the samples of a picture: rays from them, and where points of the world fall.

A view may show a cut-out alone. Positions in pixels are those in the whole picture all the same.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from backend.training.world.scene import Camera
from backend.training.world.vectors import Vector, spread, transform


@dataclass(frozen=True)
class View:
    """Cameras and sample grid.

    x (1, 1, W), y (1, H, 1): picture coordinates at a focal length of one short side. position (F, 3),
    rotation (F, 3, 3) and focal (F,) are those of `Camera`. In pixels, `size` is the height and width of the
    whole picture, `corner` the row and column in it where the samples begin.
    """

    position: Tensor
    rotation: Tensor
    focal: Tensor
    x: Tensor
    y: Tensor
    size: tuple[int, int]
    corner: tuple[int, int]
    supersample: int

    @property
    def short_side(self) -> int:
        """Return the pixels along the whole picture's short side."""
        return min(self.size)

    @property
    def samples_per_side(self) -> int:
        """Return the number of samples along the whole picture's short side."""
        return self.short_side * self.supersample

    def frames(self, start: int, stop: int) -> "View":
        """Return the view of the frames from `start` to before `stop`."""
        return replace(
            self,
            position=self.position[start:stop],
            rotation=self.rotation[start:stop],
            focal=self.focal[start:stop],
        )

    def within(self, rows: slice, columns: slice) -> "View":
        """Return the view of a cut-out: those `rows` and `columns` of the pixels of this view."""
        step, (top, left) = self.supersample, self.corner
        return replace(
            self,
            y=self.y[:, rows.start * step : rows.stop * step],
            x=self.x[:, :, columns.start * step : columns.stop * step],
            corner=(top + rows.start, left + columns.start),
        )

    def rays(self, rotation: Tensor, x: Tensor, y: Tensor) -> Vector:
        """Return directions `rotation` (F, 3, 3) times (x / f, y / f, 1), components (F, H, W)."""
        m = rotation.clone()
        m[:, :, :2] = m[:, :, :2] / self.focal[:, None, None]
        rows = m[:, :, :, None, None]
        return (_ray(rows[:, 0], x, y), _ray(rows[:, 1], x, y), _ray(rows[:, 2], x, y))


def _ray(row: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return row[:, 0] * x + row[:, 1] * y + row[:, 2]


def make_view(
    camera: Camera, *, height: int, width: int, supersample: int, device: torch.device | str
) -> View:
    """Return the view of `camera` on a picture of `height` x `width` pixels, each supersample² samples."""
    short = min(height, width)
    rows, columns = height * supersample, width * supersample
    y = (rows / 2 - torch.arange(rows, device=device) - 0.5) / (short * supersample)
    x = (torch.arange(columns, device=device) + 0.5 - columns / 2) / (short * supersample)
    return View(
        torch.from_numpy(camera.position).to(device),
        torch.from_numpy(camera.rotation).to(device),
        torch.from_numpy(camera.focal).to(device),
        x[None, None, :],
        y[None, :, None],
        (height, width),
        (0, 0),
        supersample,
    )


def following(view: View, frames: slice) -> list[int]:
    """Return the indices of the frames after `frames`; the last frame follows itself."""
    last = view.position.shape[0] - 1
    return [min(index + 1, last) for index in range(frames.start, frames.stop)]


def project(world: Vector, view: View, frames: list[int]) -> Tensor:
    """Return pixel positions (F, 2, h, w), column and row, of `world` points in the cameras of `frames`."""
    position = spread(view.position[frames])
    offset = (world[0] - position[0], world[1] - position[1], world[2] - position[2])
    x, y, z = transform(view.rotation[frames].transpose(1, 2), offset)
    scale = view.focal[frames][:, None, None] * view.short_side / z.clamp_min(0.05)
    height, width = view.size
    return torch.stack([x * scale + width / 2, height / 2 - y * scale], dim=1)


def pixel_grid(view: View) -> Tensor:
    """Return the positions in pixels (1, 2, H, W), column and row, of the `central` samples."""
    step, (height, width) = view.supersample, view.size
    column = view.x[0, 0, step // 2 :: step] * view.short_side + width / 2
    row = height / 2 - view.y[0, step // 2 :: step, 0] * view.short_side
    return torch.stack(torch.meshgrid(column, row, indexing="xy")).unsqueeze(0)


def central(samples: Tensor, step: int) -> Tensor:
    """Return the sample of each pixel of step x step samples (..., H, W) that is nearest to its centre."""
    return samples[..., step // 2 :: step, step // 2 :: step]
