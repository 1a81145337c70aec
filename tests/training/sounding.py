"""Scenes that sound in a known way, and a plain onset detector, for tests of the world's sound."""

import numpy as np
from numpy.typing import NDArray

from backend.training.world.cameras import move_camera
from backend.training.world.sampler import stage
from backend.training.world.scene import Array, ObjectWords, Scene
from backend.training.world.sound import soundtrack
from tests.training.worlds import FRAME_RATE, frame_times

RATE = 16_000
BLOW_POWER = 0.004


def scene_of(
    motion: str, *, place: str = "studio", speed: str = "medium", num_frames: int = 33, seed: int = 0
) -> Scene:
    """Return a scene in which one red ball moves by `motion`, or in which two objects collide."""
    rng, times = np.random.default_rng(seed), frame_times(num_frames)
    relation = "collides" if motion == "collides" else None
    cast = (ObjectWords("ball", "red", "plain", "rolls_right" if relation else motion, speed),)
    if relation:
        cast = (*cast, ObjectWords("cube", "blue", "plain", "still", speed))
    bodies, events = stage(cast, relation, times=times, rng=rng)
    camera = move_camera("static", times=times, rng=rng)
    return Scene(cast, relation, place, "static", tuple(bodies), camera, FRAME_RATE, 0.0, events)


def sound_of(scene: Scene, *, rate: int = RATE, seed: int = 0) -> Array:
    return soundtrack(scene, rate=rate, rng=np.random.default_rng(seed))


def onsets(sound: Array) -> list[float]:
    """Return the times in seconds at which the power rises by 9 dB in 10 ms to that of a clear blow."""
    hop = RATE // 400
    energy = (sound[: len(sound) // hop * hop].reshape(-1, hop) ** 2).mean(1)
    level = np.convolve(energy, np.ones(4) / 4)[: len(energy)]  # of the last 10 ms
    rises = 10 * np.log10((level[4:] + 1e-8) / (level[:-4] + 1e-8))
    found: list[float] = []
    for index in np.flatnonzero((rises > 9) & (level[4:] > BLOW_POWER)):
        now = (index + 4) * hop / RATE
        if not found or now - found[-1] > 0.1:
            found.append(now)
    return found


def fingerprint(sound: Array) -> NDArray[np.float64]:
    """Return what a sound is like: mean, spread, movement and drift of its log spectrum in bands."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, 512)[::160] * np.hanning(512)
    power = np.abs(np.fft.rfft(frames)) ** 2
    edges = np.unique(np.geomspace(1, 257, 25).astype(int))
    bands = np.log(np.add.reduceat(power, edges[:-1], axis=1) + 1e-6)
    movement, half = np.abs(np.diff(bands, axis=0)).mean(0), len(bands) // 2
    drift = bands[half:].mean(0) - bands[:half].mean(0)
    return np.concatenate([bands.mean(0), bands.std(0), movement, drift])


def share_recognised(draws: dict[str, list[Array]]) -> float:
    """Return the share of sounds that are nearest to the mean of their own class, each left out of it."""
    prints = {name: np.stack([fingerprint(sound) for sound in sounds]) for name, sounds in draws.items()}
    spread = np.concatenate(list(prints.values())).std(0)
    rights = []
    for name, rows in prints.items():
        for index, row in enumerate(rows):
            means = {
                other: (np.delete(values, index, 0) if other == name else values).mean(0)
                for other, values in prints.items()
            }
            distances = {other: np.abs((row - mean) / spread).sum() for other, mean in means.items()}
            rights.append(min(distances, key=lambda other: distances[other]) == name)
    return float(np.mean(rights))
