"""Vectors of whole pictures: three component tensors that broadcast to (F, H, W)."""

from torch import Tensor

Vector = tuple[Tensor, Tensor, Tensor]


def dot(a: Vector, b: Vector) -> Tensor:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def along(origin: Vector, direction: Vector, t: Tensor) -> Vector:
    """Return the point origin + t * direction."""
    return (origin[0] + t * direction[0], origin[1] + t * direction[1], origin[2] + t * direction[2])


def spread(points: Tensor) -> Vector:
    """Return `points` (F, 3) as components (F, 1, 1)."""
    return (points[:, 0, None, None], points[:, 1, None, None], points[:, 2, None, None])


def transform(matrices: Tensor, vector: Vector) -> Vector:
    """Return `matrices` (F, 3, 3) times `vector`."""
    rows = matrices[:, :, :, None, None]
    return (_product(rows[:, 0], vector), _product(rows[:, 1], vector), _product(rows[:, 2], vector))


def _product(row: Tensor, vector: Vector) -> Tensor:
    return row[:, 0] * vector[0] + row[:, 1] * vector[1] + row[:, 2] * vector[2]
