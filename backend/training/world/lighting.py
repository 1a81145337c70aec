"""Light of a place, the shadows it casts, and how distance fades into the horizon."""

import torch
from torch import Tensor

from backend.training.world.places import RGB, Place
from backend.training.world.scene import Body


def rgb(colour: RGB, device: torch.device) -> Tensor:
    """Return `colour` as (1, 3, 1, 1)."""
    return torch.tensor(colour, device=device).view(1, 3, 1, 1)


def light_direction(place: Place) -> tuple[float, float, float]:
    """Return the unit vector towards the light."""
    length = sum(v * v for v in place.light) ** 0.5
    return (place.light[0] / length, place.light[1] / length, place.light[2] / length)


def clearness(place: Place, distance: Tensor) -> Tensor:
    """Return how much (F, 1, H, W) of what is `distance` (F, H, W) away shows through the fog, in (0, 1]."""
    return torch.exp(-place.fog * (distance - 3).clamp_min(0)).unsqueeze(1)


def shadow(body: Body, x: Tensor, z: Tensor, light: tuple[float, float, float], frames: slice) -> Tensor:
    """Return how much light (1 all, 0 none) passes `body`, taken as its bounding ellipsoid's mean sphere."""
    centre = torch.from_numpy(body.centre[frames]).to(x.device)
    scale = torch.from_numpy(body.scale[frames]).to(x.device)[:, None, None]
    radius = scale * (body.half_size[0] + body.half_size[2]) / 2
    dx, dy, dz = centre[:, 0, None, None] - x, centre[:, 1, None, None], centre[:, 2, None, None] - z
    toward = dx * light[0] + dy * light[1] + dz * light[2]
    distance = (dx * dx + dy * dy + dz * dz - toward * toward).clamp_min(0).sqrt()
    softness = 0.25 * radius + 0.06 * dy
    covered = torch.clamp((radius * 0.95 - distance) / softness + 0.5, 0, 1) * (toward > 0)
    return 1 - 0.62 * covered
