"""The kinds of training scenes: plain clips, still pictures, circling views and long stories."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backend.training.world.cameras import circle_camera
from backend.training.world.sampler import sample_scene
from backend.training.world.scene import Camera, Scene

_FINENESS = 8  # moments of a story's motion to choose from, per frame of a clip
_CLIP_FRAMES = 33  # a story's motion and camera move take as long as those of a clip
_PACES = (-1.0, 0.0, 1.0)


def sample_view(rng: np.random.Generator, *, num_frames: int) -> Scene:
    """Return a cast that sits still, seen by a camera that circles it by up to a whole turn."""
    scene = sample_scene(rng, num_frames=num_frames)
    while any(words.motion != "still" for words in scene.cast):
        scene = sample_scene(rng, num_frames=num_frames)
    move = str(rng.choice(("orbit_left", "orbit_right")))
    return replace(scene, camera_move=move, camera=circle_camera(move, num_frames=num_frames, rng=rng))


def sample_story(rng: np.random.Generator, *, num_frames: int) -> Scene:
    """Return a long scene in which cast and camera go on, wait and come back, so that they stay in view.

    Its words are those of the way forward, with which it begins; what sounds is not kept.
    """
    fine = sample_scene(rng, num_frames=_FINENESS * _CLIP_FRAMES, time_stride=1 / _FINENESS)
    return _at(fine, for_bodies=_moments(num_frames, rng), for_camera=_moments(num_frames, rng))


def sample_sparse(rng: np.random.Generator, *, num_frames: int) -> Scene:
    """Return every second frame of a clip, which is enough to recognise its motion."""
    return sample_scene(rng, num_frames=num_frames, time_stride=2.0)


def sample_picture(rng: np.random.Generator, *, num_frames: int = 1) -> Scene:
    """Return the first moment of a clip, for all of `num_frames`."""
    first = np.zeros(num_frames, np.intp)
    return _at(sample_scene(rng, num_frames=_CLIP_FRAMES), for_bodies=first, for_camera=first)


KINDS: dict[str, Callable[..., Scene]] = {
    "clip": sample_scene,
    "sparse": sample_sparse,
    "view": sample_view,
    "story": sample_story,
    "picture": sample_picture,
}
"""Name -> function of a random generator and `num_frames`."""


def _moments(num_frames: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return which fine moment each frame shows: forward first, then parts forward, waiting or backward."""
    last = _FINENESS * _CLIP_FRAMES - 1
    position, pace, left = 0.0, 1.0, int(rng.integers(20, 33))
    moments = np.zeros(num_frames, np.intp)
    for frame in range(num_frames):
        moments[frame] = round(position)
        position += pace * _FINENESS
        left -= 1
        if left <= 0 or not 0 <= position <= last:
            position = float(np.clip(position, 0, last))
            ways = [p for p in _PACES if p != pace and 0 < position + p * 8 * _FINENESS < last]
            pace, left = float(rng.choice(ways or [-pace])), int(rng.integers(8, 33))
    return moments


def _at(scene: Scene, *, for_bodies: NDArray[np.intp], for_camera: NDArray[np.intp]) -> Scene:
    """Return `scene` without sounds, with bodies and camera at the given moments of it, one per frame."""
    bodies = tuple(
        replace(
            body,
            centre=body.centre[for_bodies],
            rotation=body.rotation[for_bodies],
            scale=body.scale[for_bodies],
        )
        for body in scene.bodies
    )
    camera = scene.camera
    moved = Camera(camera.position[for_camera], camera.rotation[for_camera], camera.focal[for_camera])
    return replace(scene, bodies=bodies, camera=moved, events=())
