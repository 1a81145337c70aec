"""The ten camera moves, as exact poses per frame."""

import numpy as np

from backend.training.world.scene import Array, Camera, Series

MOVES = (
    "static", "pan_left", "pan_right", "tilt_up", "tilt_down",
    "zoom_in", "zoom_out", "orbit_left", "orbit_right", "crane_up",
)  # fmt: skip

_TARGET_HEIGHT = 0.95
_DISTANCE = 5.4
_AIM_TOLERANCE = 1e-4
_SLOWEST, _USUAL, _FASTEST = 0.2, 0.75, 1.25


def look(position: Series, yaw: Series, pitch: Series, focal: Series) -> Camera:
    """Return a camera at `position` (F, 3) turned by `yaw` to the right and `pitch` up, in radians (F,)."""
    forward = np.stack([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], -1)
    right = np.stack([np.cos(yaw), np.zeros_like(yaw), -np.sin(yaw)], -1)
    up = np.cross(forward, right)
    rotation = np.stack([right, up, forward], -1).astype(np.float32)
    return Camera(position.astype(np.float32), rotation, focal.astype(np.float32))


def move_camera(move: str, *, times: Series, rng: np.random.Generator) -> Camera:
    """Return the poses of `move` over `times` (F,) seconds, with random height, distance and pace."""
    count = len(times)
    along = times / max(float(times[-1]), 1e-6) - 0.5
    pace = _pace(rng) * min(1.0, float(times[-1]) / 1.5 + 0.25)
    azimuth: Series = np.full(count, rng.uniform(-0.12, 0.12))
    height: Series = np.full(count, rng.uniform(1.25, 1.9))
    distance = _DISTANCE * rng.uniform(0.92, 1.12)
    yaw_offset: Series = np.zeros(count)
    pitch_offset: Series = np.zeros(count)
    focal: Series = np.full(count, 1.18)
    if move.startswith("orbit"):
        azimuth = azimuth + (1 if move == "orbit_left" else -1) * 1.0 * pace * along
    elif move.startswith("pan"):
        yaw_offset = (-1 if move == "pan_left" else 1) * 0.5 * pace * along
    elif move.startswith("tilt"):
        pitch_offset = (1 if move == "tilt_up" else -1) * 0.42 * pace * along
    elif move.startswith("zoom"):
        focal = focal * np.exp((1 if move == "zoom_in" else -1) * 0.75 * pace * along)
    elif move == "crane_up":
        height = height + 1.7 * pace * (along + 0.35)
    position = np.stack([-distance * np.sin(azimuth), height, -distance * np.cos(azimuth)], -1)
    pitch = np.arctan2(_TARGET_HEIGHT - height, distance)
    return look(position, azimuth + yaw_offset, pitch + pitch_offset, focal)


def _pace(rng: np.random.Generator) -> float:
    """Return how fast a camera moves: half of them at about 1, half slower, down to a fifth.

    So that every move is seen with little motion and with much, and the motion score tells which.
    """
    place = 2 * rng.uniform() - 1
    if place < 0:
        return float(_USUAL * (_SLOWEST / _USUAL) ** -place)
    return float(_USUAL + (_FASTEST - _USUAL) * place)


def circle_camera(move: str, *, num_frames: int, rng: np.random.Generator) -> Camera:
    """Return a camera that circles the stage by 40 to 360 degrees, "orbit_left" or "orbit_right".

    It looks at the middle of the stage, and comes nearer and rises a little or not at all.
    """
    along = np.linspace(0, 1, num_frames)
    turn = (1 if move == "orbit_left" else -1) * np.deg2rad(rng.uniform(40, 360))
    azimuth = rng.uniform(-0.12, 0.12) + turn * along
    elevation = np.deg2rad(rng.uniform(3, 25) + rng.uniform(0, 1) * rng.uniform(-3, 20) * along)
    distance = _DISTANCE * rng.uniform(0.92, 1.12) * np.exp(rng.uniform(-0.12, 0.12) * along)
    level = -distance * np.cos(elevation)
    height = _TARGET_HEIGHT + distance * np.sin(elevation)
    position = np.stack([level * np.sin(azimuth), height, level * np.cos(azimuth)], -1)
    return look(position, azimuth, -elevation, np.full(num_frames, 1.18))


def orbit_features(camera: Camera) -> Array:
    """Return where `camera` stands around the middle of the stage, relative to its first frame: (F, 6).

    Each row holds sin and cos of the azimuth, growing as the camera goes left, sin and cos of the elevation,
    the logarithm of the distance, and 1; or six zeros, all rows, if it turns or zooms away from the stage.
    """
    offset = camera.position - np.array([0.0, _TARGET_HEIGHT, 0.0], np.float32)
    distance = np.linalg.norm(offset, axis=-1)
    aim = -(camera.rotation[:, :, 2] * offset).sum(-1) / distance
    if (aim < 1 - _AIM_TOLERANCE).any() or np.ptp(camera.focal) > _AIM_TOLERANCE:
        return np.zeros((len(distance), 6), np.float32)
    azimuth = np.arctan2(-offset[:, 0], -offset[:, 2])
    elevation = np.arcsin(offset[:, 1] / distance)
    azimuth, elevation = azimuth - azimuth[0], elevation - elevation[0]
    rows = (
        np.sin(azimuth), np.cos(azimuth), np.sin(elevation), np.cos(elevation),
        np.log(distance / distance[0]), np.ones_like(distance),
    )  # fmt: skip
    return np.stack(rows, -1).astype(np.float32)
