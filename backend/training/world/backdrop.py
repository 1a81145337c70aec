"""Sky and ground of a place, with the shadows that lie on it: the layer that bodies are painted over."""

from dataclasses import dataclass

import torch
from torch import Tensor

from backend.training.world import patterns
from backend.training.world.lighting import clearness, light_direction, rgb, shadow
from backend.training.world.places import PLACES, Place
from backend.training.world.scene import Scene
from backend.training.world.shapes import FAR
from backend.training.world.vectors import Vector, along, dot, spread
from backend.training.world.view import View, central, following, pixel_grid, project

_MAX_GROUND_DISTANCE = 60  # the ground ends here and the sky begins


@dataclass(frozen=True)
class _Backdrop:
    """What one camera pose sees without the cast: unlit ground, sky, light on the ground, where it is."""

    ground: Tensor
    sky: Tensor
    light: Tensor
    x: Tensor
    z: Tensor
    t: Tensor
    direction: Vector
    fog: Tensor


def paint_backdrop(scene: Scene, view: View, layers: tuple[Tensor, Tensor, Tensor]) -> None:
    """Fill the `layers` (colour, depth, flow), frame by frame: small arrays stay in the processor's cache."""
    colour, depth, flow = layers
    place = PLACES[scene.place]
    light = light_direction(place)
    horizon = rgb(place.horizon, colour.device)
    backdrop: _Backdrop | None = None
    for index in range(scene.num_frames):
        frames = slice(index, index + 1)
        if backdrop is None or scene.camera_move != "static":
            backdrop = _see_backdrop(scene, place, view.frames(index, index + 1), frames)
        shade = backdrop.light
        for body in scene.bodies[: len(scene.cast)]:
            shade = shade * shadow(body, backdrop.x, backdrop.z, light, frames)
        brightness = (place.ambient + place.diffuse * light[1] * shade).unsqueeze(1)
        lit = horizon + (backdrop.ground * brightness - horizon) * backdrop.fog
        colour[frames] = torch.where((backdrop.t < FAR).unsqueeze(1), lit, backdrop.sky)
        depth[frames] = backdrop.t
        if scene.camera_move != "static":
            flow[frames] = _camera_flow(backdrop, view, frames)


def _see_backdrop(scene: Scene, place: Place, view: View, frames: slice) -> _Backdrop:
    """Return sky and ground as seen in one frame, `view`, with the shadows of still props."""
    direction = view.rays(view.rotation, view.x, view.y)
    origin = spread(view.position)
    is_ground = direction[1] < -1e-4
    t = torch.where(is_ground, -origin[1] / torch.where(is_ground, direction[1], -1.0), FAR)
    t = torch.where(t < _MAX_GROUND_DISTANCE, t, FAR)
    reach = t.clamp_max(80)
    x, _, z = along(origin, direction, reach)
    light = torch.ones_like(x)
    for prop in scene.bodies[len(scene.cast) :]:
        light = light * shadow(prop, x, z, light_direction(place), frames)
    return _Backdrop(
        ground=_ground(place, x, z, seed=scene.ground_seed, footprint=reach / view.samples_per_side * 1.6),
        sky=_sky(place, direction, seed=scene.ground_seed),
        light=light,
        x=x,
        z=z,
        t=t,
        direction=direction,
        fog=clearness(place, reach),
    )


def _ground(place: Place, x: Tensor, z: Tensor, *, seed: float, footprint: Tensor) -> Tensor:
    """Return ground colours (F, 3, H, W) without light at points (x, z)."""
    structure = patterns.ground_structure(
        x, z, scales=place.ground_scales, stretch=place.ground_stretch, seed=seed, footprint=footprint
    )
    mix = torch.sigmoid(2.0 * structure).unsqueeze(1)
    dark = rgb(place.ground_dark, x.device)
    return dark + (rgb(place.ground, x.device) - dark) * mix


def _sky(place: Place, direction: Vector, *, seed: float) -> Tensor:
    """Return sky colours (F, 3, H, W)."""
    length = dot(direction, direction).sqrt()
    up, right = direction[1] / length, direction[0] / length
    high = torch.clamp(up * 2.2, 0, 1).sqrt().unsqueeze(1)
    sky = rgb(place.zenith, up.device) * high + rgb(place.horizon, up.device) * (1 - high)
    if place.clouds:
        cover = place.clouds * 0.6 * patterns.clouds(right, up.clamp_min(0), seed=seed).unsqueeze(1)
        sky = sky + (rgb((0.98, 0.96, 0.94), up.device) - sky) * cover
    if place.stars:
        sky = sky + place.stars * patterns.stars(right, up, seed=seed).unsqueeze(1)
    return sky


def _camera_flow(backdrop: _Backdrop, view: View, frames: slice) -> Tensor:
    """Return the flow (F, 2, H, W) of the still backdrop, which only the camera moves."""
    x, y, z = (central(component, view.supersample) for component in backdrop.direction)
    reach = central(backdrop.t, view.supersample).clamp_max(1e4)
    world = along(spread(view.position[frames]), (x, y, z), reach)
    return project(world, view, following(view, frames)) - pixel_grid(view)
