"""Ray intersections of the ten shapes, against closed forms and against the surface that the hits trace."""

import pytest
import torch
from torch import Tensor

from backend.training.world.shapes import FAR, HALF_SIZE, INTERSECT, RING_MAJOR, RING_MINOR, Hit
from backend.training.world.vectors import Vector, along, dot

# Where a ray along +z enters each shape: (x, y) of the ray, z of the surface. The ring's middle is a hole.
ENTRIES = {
    "ball": (0.0, 0.0, -1.0),
    "egg": (0.6, 0.0, -0.8),
    "cube": (0.3, -0.2, -1.0),
    "slab": (-0.5, 0.9, -1.0),
    "cylinder": (0.6, 0.5, -0.8),
    "cone": (0.0, 0.0, -0.5),
    "pyramid": (0.1, 0.2, -0.4),
    "diamond": (0.2, 0.3, -0.5),
    "ring": (0.7, 0.0, -0.28),
    "star": (0.0, 0.0, -1.0),
}
BEGIN = -3.0


def shoot(shape: str, x: Tensor, y: Tensor, *, turn: Tensor | None = None, speed: float = 1.0) -> Hit:
    """Return the hits of rays along +z from (x, y, -3), all turned about the origin by the matrix `turn`."""
    origin, direction = rays(x, y, turn=turn, speed=speed)
    return INTERSECT[shape](origin, direction)


def rays(x: Tensor, y: Tensor, *, turn: Tensor | None = None, speed: float = 1.0) -> tuple[Vector, Vector]:
    matrix = torch.eye(3) if turn is None else turn
    starts = torch.stack([x, y, torch.full_like(x, BEGIN)])
    ox, oy, oz = torch.tensordot(matrix, starts, dims=1)
    dx, dy, dz = (torch.full_like(x, speed * float(value)) for value in matrix[:, 2])
    return (ox, oy, oz), (dx, dy, dz)


def picture(side: int = 61) -> tuple[Tensor, Tensor]:
    line = torch.linspace(-1.2, 1.2, side)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return x, y


def random_turns(count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(4)
    return [torch.linalg.qr(torch.randn(3, 3, generator=generator)).Q for _ in range(count)]


def test_every_shape_has_an_intersection_and_a_size() -> None:
    assert set(INTERSECT) == set(HALF_SIZE) == set(ENTRIES)


@pytest.mark.parametrize("shape", ENTRIES)
def test_ray_hits_at_the_known_distance(shape: str) -> None:
    x, y, z = ENTRIES[shape]
    hit = shoot(shape, torch.tensor([x]), torch.tensor([y]))
    # The ring is found by sphere tracing, which stops a little before the surface.
    assert hit.t.item() == pytest.approx(z - BEGIN, abs=2e-3 if shape == "ring" else 1e-5)


@pytest.mark.parametrize("shape", ENTRIES)
def test_distance_is_in_lengths_of_the_direction(shape: str) -> None:
    x, y, z = ENTRIES[shape]
    hit = shoot(shape, torch.tensor([x]), torch.tensor([y]), speed=4.0)
    assert hit.t.item() == pytest.approx((z - BEGIN) / 4, abs=5e-4)


@pytest.mark.parametrize("shape", ENTRIES)
def test_ray_beside_the_shape_misses(shape: str) -> None:
    hit = shoot(shape, torch.tensor([1.05, 0.0, 0.9]), torch.tensor([0.0, -1.05, 1.1]))
    assert (hit.t == FAR).all()


@pytest.mark.parametrize("shape", ENTRIES)
def test_shape_behind_the_ray_is_missed(shape: str) -> None:
    x, y, _ = ENTRIES[shape]
    away = torch.diag(torch.tensor([1.0, 1.0, -1.0]))
    origin, _ = rays(torch.tensor([x]), torch.tensor([y]))
    _, direction = rays(torch.tensor([x]), torch.tensor([y]), turn=away)
    assert INTERSECT[shape](origin, direction).t.item() == FAR


def test_hits_of_the_ring_lie_on_the_torus() -> None:
    for turn in random_turns(6):
        origin, direction = rays(*picture(), turn=turn)
        hit = INTERSECT["ring"](origin, direction)
        x, y, z = torch.stack(along(origin, direction, hit.t))[:, hit.t < FAR]
        # Twice the limit that the tracing stops at.
        assert (torch.hypot(torch.hypot(x, y) - RING_MAJOR, z) - RING_MINOR).abs().max() < 0.01


def test_ring_has_a_hole() -> None:
    assert shoot("ring", torch.tensor([0.0]), torch.tensor([0.0])).t.item() == FAR


@pytest.mark.parametrize("shape", ENTRIES)
def test_hits_lie_in_the_unit_box(shape: str) -> None:
    for turn in random_turns(4):
        origin, direction = rays(*picture(), turn=turn)
        hit = INTERSECT[shape](origin, direction)
        points = torch.stack(along(origin, direction, hit.t))[:, hit.t < FAR]
        assert points.shape[1] > 100
        assert points.abs().max() < 1 + 1e-3


@pytest.mark.parametrize("shape", ENTRIES)
def test_normals_face_the_ray(shape: str) -> None:
    for turn in random_turns(4):
        origin, direction = rays(*picture(), turn=turn)
        hit = INTERSECT[shape](origin, direction)
        facing = dot(hit.normal, direction)[hit.t < FAR]
        # Sphere tracing thickens the silhouette of the ring by a hair, where the normal has turned away.
        assert (facing < 0).float().mean() > (0.95 if shape == "ring" else 0.9999)


@pytest.mark.parametrize("shape", ENTRIES)
def test_normals_are_those_of_the_traced_surface(shape: str) -> None:
    side = 121
    spacing = 2.4 / (side - 1)
    for turn in random_turns(2):
        hit = shoot(shape, *picture(side), turn=turn)
        down, across = torch.gradient(hit.t, spacing=spacing)
        traced = torch.tensordot(turn, torch.stack([across, down, -torch.ones_like(down)]), dims=1)
        cosine = torch.cosine_similarity(traced, torch.stack(hit.normal), dim=0)[is_smooth(hit.t)]
        assert cosine.numel() > 300
        # Central differences over two samples of a curved surface bend the traced normal a little.
        assert cosine.quantile(0.02) > 0.99


def is_smooth(t: Tensor) -> Tensor:
    """Return where the depths `t` are hits that lie on one surface with their four neighbours."""
    inner = torch.zeros_like(t, dtype=torch.bool)
    across = (t[1:-1, 2:] + t[1:-1, :-2] - 2 * t[1:-1, 1:-1]).abs()
    down = (t[2:, 1:-1] + t[:-2, 1:-1] - 2 * t[1:-1, 1:-1]).abs()
    inner[1:-1, 1:-1] = (across < 3e-3) & (down < 3e-3)
    return inner & (t < FAR)
