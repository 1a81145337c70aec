"""Closed-form ray intersections with the ten shapes, in each shape's own unit space.

A ray is origin + t * direction; t is shared with world space, so depths of different objects compare
directly. Every function returns a `Hit`; t is FAR where the ray misses. Unit space: the shape fits in
[-1, 1] cubed, y up.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.training.world.vectors import Vector, along, dot

FAR = 1e9
RING_MAJOR, RING_MINOR = 0.70, 0.28
ROUND = ("ball", "egg", "cylinder", "cone")
"""Shapes of revolution about y: a turn about it leaves their outline as it is."""
_RING_STEPS = 24
_RING_TOLERANCE = 0.005


@dataclass(frozen=True)
class Hit:
    """Ray parameter t (F, H, W), and the surface normal in unit space (not normalised)."""

    t: Tensor
    normal: Vector


def _select(condition: Tensor, first: Vector, second: Vector) -> Vector:
    """Return `first` where the condition holds and `second` elsewhere."""
    x, y, z = (torch.where(condition, a, b) for a, b in zip(first, second, strict=True))
    return (x, y, z)


def sphere(origin: Vector, direction: Vector) -> Hit:
    """x² + y² + z² = 1."""
    a, b, c = dot(direction, direction), dot(origin, direction), dot(origin, origin) - 1
    discriminant = b * b - a * c
    t = (-b - discriminant.clamp_min(0).sqrt()) / a
    t = torch.where((discriminant > 0) & (t > 0), t, FAR)
    return Hit(t, along(origin, direction, t))


def _capped_quadric(origin: Vector, direction: Vector, *, slope: float, has_top: bool) -> Hit:
    """x² + z² = (r(y))² with r(y) = 1 - slope (y + 1), closed at y = -1 and, where `has_top`, at y = 1."""
    (ox, oy, oz), (dx, dy, dz) = origin, direction
    radius, drop = 1 - slope * (oy + 1), -slope * dy
    a = dx * dx + dz * dz - drop * drop
    b = ox * dx + oz * dz - radius * drop
    c = ox * ox + oz * oz - radius * radius
    a = torch.where(a.abs() < 1e-9, 1e-9, a)
    root = (b * b - a * c).clamp_min(0).sqrt()
    best = torch.full_like(a + b + c, FAR)
    for sign in (-1.0, 1.0):
        t = (-b + sign * root) / a
        y = oy + t * dy
        is_side = (b * b > a * c) & (t > 0) & (y > -1) & (y < 1) & (t < best)
        best = torch.where(is_side, t, best)
    x, y, z = along(origin, direction, best)
    normal: Vector = (x, slope * (1 - slope * (y + 1)), z)
    for level in (-1.0, 1.0) if has_top else (-1.0,):
        t = (level - oy) / torch.where(dy.abs() < 1e-9, 1e-9, dy)
        x, _, z = along(origin, direction, t)
        is_cap = (t > 0) & (t < best) & (x * x + z * z < 1)
        best = torch.where(is_cap, t, best)
        zero = torch.zeros_like(best)
        normal = _select(is_cap, (zero, zero + level, zero), normal)
    return Hit(best, normal)


def cylinder(origin: Vector, direction: Vector) -> Hit:
    """x² + z² = 1 between two caps."""
    return _capped_quadric(origin, direction, slope=0.0, has_top=True)


def cone(origin: Vector, direction: Vector) -> Hit:
    """A cone with its base at y = -1 and its apex at y = 1."""
    return _capped_quadric(origin, direction, slope=0.5, has_top=False)


def _polyhedron(planes: tuple[tuple[float, float, float, float], ...]) -> Callable[[Vector, Vector], Hit]:
    """Return the intersection with the set of points p where n · p <= h for every plane (nx, ny, nz, h)."""

    def intersect(origin: Vector, direction: Vector) -> Hit:
        near = torch.full_like(dot(direction, origin), -FAR)
        far = torch.full_like(near, FAR)
        normal = [torch.zeros_like(near) for _ in range(3)]
        for nx, ny, nz, height in planes:
            speed = nx * direction[0] + ny * direction[1] + nz * direction[2]
            gap = height - (nx * origin[0] + ny * origin[1] + nz * origin[2])
            t = gap / torch.where(speed.abs() < 1e-9, 1e-9, speed)
            is_nearest = (speed < 0) & (t > near)
            near = torch.where(is_nearest, t, near)
            far = torch.where((speed >= 0) & (t < far), t, far)
            for axis, value in enumerate((nx, ny, nz)):
                normal[axis] = torch.where(is_nearest, value, normal[axis])
        t = torch.where((near < far) & (near > 0), near, FAR)
        return Hit(t, (normal[0], normal[1], normal[2]))

    return intersect


def _union(
    first: Callable[[Vector, Vector], Hit], second: Callable[[Vector, Vector], Hit]
) -> Callable[[Vector, Vector], Hit]:
    def intersect(origin: Vector, direction: Vector) -> Hit:
        a, b = first(origin, direction), second(origin, direction)
        is_a = a.t <= b.t
        return Hit(torch.minimum(a.t, b.t), _select(is_a, a.normal, b.normal))

    return intersect


def ring(origin: Vector, direction: Vector) -> Hit:
    """A torus about the z axis, by sphere tracing from its bounding sphere."""
    start = sphere(origin, direction)
    speed = dot(direction, direction).sqrt()
    t = torch.where(start.t < FAR, start.t, 0.0)
    distance = t
    for _ in range(_RING_STEPS):
        x, y, z = along(origin, direction, t)
        rim = (x * x + y * y).sqrt() - RING_MAJOR
        distance = (rim * rim + z * z).sqrt() - RING_MINOR
        t = t + distance / speed
    x, y, z = along(origin, direction, t)
    radius = (x * x + y * y).sqrt().clamp_min(1e-6)
    shrink = 1 - RING_MAJOR / radius
    is_hit = (start.t < FAR) & (distance < _RING_TOLERANCE)
    return Hit(torch.where(is_hit, t, FAR), (x * shrink, y * shrink, z))


_CUBE = ((1, 0, 0, 1), (-1, 0, 0, 1), (0, 1, 0, 1), (0, -1, 0, 1), (0, 0, 1, 1), (0, 0, -1, 1))
_PYRAMID = ((2, 1, 0, 1), (-2, 1, 0, 1), (0, 1, 2, 1), (0, 1, -2, 1), (0, -1, 0, 1))
_DIAMOND = tuple((sx, sy, sz, 1) for sx in (-1, 1) for sy in (-1, 1) for sz in (-1, 1))
_UP = ((0.866, 0.5, 0, 0.5), (-0.866, 0.5, 0, 0.5), (0, -1, 0, 0.5), (0, 0, 1, 1), (0, 0, -1, 1))
_DOWN = ((0.866, -0.5, 0, 0.5), (-0.866, -0.5, 0, 0.5), (0, 1, 0, 0.5), (0, 0, 1, 1), (0, 0, -1, 1))

INTERSECT: dict[str, Callable[[Vector, Vector], Hit]] = {
    "ball": sphere,
    "egg": sphere,
    "cube": _polyhedron(_CUBE),
    "slab": _polyhedron(_CUBE),
    "cylinder": cylinder,
    "cone": cone,
    "pyramid": _polyhedron(_PYRAMID),
    "diamond": _polyhedron(_DIAMOND),
    "ring": ring,
    "star": _union(_polyhedron(_UP), _polyhedron(_DOWN)),
}

HALF_SIZE: dict[str, tuple[float, float, float]] = {
    "ball": (1.0, 1.0, 1.0),
    "egg": (0.76, 1.05, 0.76),
    "cube": (0.80, 0.80, 0.80),
    "slab": (1.10, 0.32, 0.80),
    "cylinder": (0.62, 0.95, 0.62),
    "cone": (0.85, 0.98, 0.85),
    "pyramid": (0.92, 0.92, 0.92),
    "diamond": (0.85, 1.15, 0.85),
    "ring": (1.05, 1.05, 1.05),
    "star": (1.08, 1.08, 0.36),
}
"""Half extents of each shape at size 1, in world units."""
