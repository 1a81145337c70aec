"""Bodies: where they are in the picture, how their surface is lit, and how each point of it moves."""

import torch
from torch import Tensor

from backend.training.world import patterns
from backend.training.world.lighting import clearness, light_direction, rgb
from backend.training.world.places import PLACES
from backend.training.world.scene import Body, Scene
from backend.training.world.shapes import INTERSECT, ROUND, Hit
from backend.training.world.vectors import Vector, along, dot, spread, transform
from backend.training.world.view import View, central, following, pixel_grid, project


def paint_body(
    scene: Scene, body: Body, whole: View, frames: slice, layers: tuple[Tensor, Tensor, Tensor]
) -> tuple[slice, slice, Tensor] | None:
    """Paint `body` over the `layers` (colour, depth, flow) of `frames` wherever it is nearest so far.

    Returns a window of pixels, rows and columns, and where in it (F, h, w) the body is seen; None if nowhere.
    """
    colour, depth, flow = layers
    view = whole.frames(frames.start, frames.stop)
    window = _window(body, view, frames)
    if window is None:
        return None
    rows, columns = window
    to_unit, centre = _unit_frame(body, frames, depth.device)
    origin = spread((to_unit @ (view.position - centre).unsqueeze(-1))[..., 0])
    direction = view.rays(to_unit @ view.rotation, view.x[:, :, columns], view.y[:, rows])
    hit = INTERSECT[body.shape](origin, direction)
    is_front = hit.t < depth[:, rows, columns]
    if not bool(is_front.any()):
        return None
    painted = _shade(scene, body, hit, (origin, direction), view=view, to_unit=to_unit)
    patch = colour[:, :, rows, columns]
    colour[:, :, rows, columns] = torch.where(is_front.unsqueeze(1), painted, patch)
    depth[:, rows, columns] = torch.where(is_front, hit.t, depth[:, rows, columns])
    step = whole.supersample
    x, y, z = (central(component, step) for component in direction)
    unit = along(origin, (x, y, z), central(hit.t, step).clamp_max(1e4))
    rows, columns = (slice(samples.start // step, samples.stop // step) for samples in window)
    moved = _later_position(body, whole, frames, unit) - pixel_grid(whole)[:, :, rows, columns]
    visible = central(is_front, step)
    flow[:, :, rows, columns] = torch.where(visible.unsqueeze(1), moved, flow[:, :, rows, columns])
    return rows, columns, visible


def _unit_frame(body: Body, frames: slice | list[int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the matrix (F, 3, 3) from world offsets to unit space, and the centre (F, 3), in `frames`."""
    half = torch.tensor(body.half_size, device=device)
    rotation = torch.from_numpy(body.rotation[frames]).to(device)
    scale = torch.from_numpy(body.scale[frames]).to(device)
    to_unit = rotation.transpose(1, 2) / half[None, :, None] / scale[:, None, None]
    return to_unit, torch.from_numpy(body.centre[frames]).to(device)


def _window(body: Body, view: View, frames: slice) -> tuple[slice, slice] | None:
    """Return the rows and columns of the view's samples that `body` can touch in any of `frames`, or None."""
    centre = torch.from_numpy(body.centre[frames]).to(view.position.device)
    half = body.half_size
    radius = float((half[0] ** 2 + half[1] ** 2 + half[2] ** 2) ** 0.5 * body.scale[frames].max())
    local = (view.rotation.transpose(1, 2) @ (centre - view.position).unsqueeze(-1))[..., 0]
    nearest = local[:, 2] - radius
    lengths = (view.y.shape[1], view.x.shape[2])
    if bool((nearest <= 0.2).any()):
        return slice(0, lengths[0]), slice(0, lengths[1])
    reach = radius * view.focal / nearest
    column = local[:, 0] * view.focal / local[:, 2]
    row = -local[:, 1] * view.focal / local[:, 2]
    spans = []
    for axis, middle in enumerate((row, column)):
        begins, length = view.corner[axis] * view.supersample, view.size[axis] * view.supersample
        low = int(((middle - reach) * view.samples_per_side + length / 2).min().floor()) - begins
        high = int(((middle + reach) * view.samples_per_side + length / 2).max().ceil()) - begins
        low, high = max(low - low % view.supersample, 0), min(high + -high % view.supersample, lengths[axis])
        if low >= high:
            return None
        spans.append(slice(low, high))
    return spans[0], spans[1]


def _shade(
    scene: Scene, body: Body, hit: Hit, ray: tuple[Vector, Vector], *, view: View, to_unit: Tensor
) -> Tensor:
    """Return lit, fogged colours (F, 3, h, w) of the surface points of `hit`, where `ray` met the body."""
    place = PLACES[scene.place]
    origin, direction = ray
    t = hit.t.clamp_max(80)
    point = along(origin, direction, t)
    footprint = t / view.samples_per_side / min(body.half_size)
    mix = patterns.surface_mix(body.surface, point, seed=body.pattern_seed, footprint=footprint).unsqueeze(1)
    albedo = rgb(body.colour, t.device) * (1 - mix) + rgb(body.second_colour, t.device) * mix
    roughness = 0.03 if body.surface in ("shiny", "plain") else 0.06
    detail = roughness * patterns.grain(point, seed=body.pattern_seed, footprint=footprint)
    normal = _world_normal(hit.normal, to_unit)
    light = light_direction(place)
    facing = (normal[0] * light[0] + normal[1] * light[1] + normal[2] * light[2]).clamp_min(0)
    brightness = place.ambient * (0.82 + 0.18 * normal[1]) + place.diffuse * facing
    if body.shape in ROUND:
        brightness = brightness * patterns.side_shade(point, footprint=footprint)
    colour = albedo * (brightness * (1 + detail)).unsqueeze(1)
    gloss = {"shiny": 0.75, "matte": 0.0}.get(body.surface, 0.18)
    if gloss:
        colour = colour + gloss * _highlight(normal, light, direction, to_unit).unsqueeze(1)
    fog = clearness(place, t)
    return colour * fog + rgb(place.horizon, t.device) * (1 - fog)


def _world_normal(normal: Vector, to_unit: Tensor) -> Vector:
    """Return unit normals in world space: the transpose of `to_unit` times the unit-space normal."""
    x, y, z = transform(to_unit.transpose(1, 2), normal)
    length = (x * x + y * y + z * z).sqrt().clamp_min(1e-9)
    return x / length, y / length, z / length


def _highlight(
    normal: Vector, light: tuple[float, float, float], direction: Vector, to_unit: Tensor
) -> Tensor:
    """Return Blinn-Phong highlights (F, h, w)."""
    world = transform(torch.linalg.inv(to_unit), direction)
    length = dot(world, world).sqrt()
    half = (light[0] - world[0] / length, light[1] - world[1] / length, light[2] - world[2] / length)
    return (dot(half, normal) / dot(half, half).sqrt()).clamp_min(0) ** 40


def _later_position(body: Body, view: View, frames: slice, unit: Vector) -> Tensor:
    """Return the pixel positions (F, 2, h, w) of surface points `unit` in the frames after `frames`."""
    later = following(view, frames)
    to_unit, centre = _unit_frame(body, later, view.position.device)
    offset = transform(torch.linalg.inv(to_unit), unit)
    middle = spread(centre)
    world = (offset[0] + middle[0], offset[1] + middle[1], offset[2] + middle[2])
    return project(world, view, later)
