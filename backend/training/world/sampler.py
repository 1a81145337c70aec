"""Draws random scenes: cast, motions, place, props and camera, in proportions that cover the whole world."""

from dataclasses import replace

import numpy as np

from backend.training.world.cameras import MOVES, move_camera
from backend.training.world.contact import (
    Solid,
    keep_apart,
    rolling_radius,
    standing_height,
    touching_distances,
)
from backend.training.world.motions import MOTIONS, SPEEDS, Course, Path, rotations
from backend.training.world.places import COLOURS, PLACES
from backend.training.world.scene import Body, Event, ObjectWords, Scene, Series
from backend.training.world.shapes import HALF_SIZE

SURFACES = ("plain", "striped", "checkered", "two_tone", "shiny", "matte")
RELATIONS = ("beside", "behind", "in_front_of", "collides")
_RELATION_OFFSETS = {"beside": (1.6, 0.2), "behind": (-0.6, -1.3), "in_front_of": (0.5, 1.7)}
_ROOMS = tuple(1 + 0.25 * retry for retry in range(32))
_PROP_SHAPES = {
    "bush": ("egg", (0.75, 0.60, 0.70)),
    "rock": ("egg", (0.80, 0.52, 0.65)),
    "pine": ("cone", (0.75, 1.60, 0.75)),
    "post": ("cylinder", (0.14, 1.50, 0.14)),
    "trunk": ("cylinder", (0.26, 3.00, 0.26)),
}
_PROP_SIDES = (-1.6, -0.8, 0.3, 0.8, 1.6)


def sample_scene(
    rng: np.random.Generator, *, num_frames: int, frame_rate: int = 16, time_stride: float = 1.0
) -> Scene:
    """Return a random scene of `num_frames`, one every `time_stride` / `frame_rate` seconds."""
    times = np.arange(num_frames) * time_stride / frame_rate
    place = str(rng.choice(list(PLACES)))
    move = "static" if rng.random() < 0.4 else str(rng.choice(MOVES[1:]))
    cast, relation = sample_cast(rng)
    bodies, events = stage(cast, relation, times=times, rng=rng)
    camera = move_camera(move, times=times, rng=rng)
    props = _props(place, num_frames, rng)
    return Scene(
        cast=cast,
        relation=relation,
        place=place,
        camera_move=move,
        bodies=(*bodies, *props),
        camera=camera,
        frame_rate=frame_rate,
        ground_seed=float(rng.uniform(0, 100)),
        events=events,
    )


def sample_cast(rng: np.random.Generator) -> tuple[tuple[ObjectWords, ...], str | None]:
    """Return one object, or in a quarter of the draws two of different colour and a relation between them."""
    first = _object_words(rng)
    if rng.random() < 0.75:
        return (first,), None
    relation = str(rng.choice(RELATIONS))
    second = _object_words(rng)
    while second.colour == first.colour:
        second = _object_words(rng)
    if relation == "collides":
        return (replace(first, motion="rolls_right"), replace(second, motion="still")), relation
    return (first, replace(second, motion="still")), relation


def _object_words(rng: np.random.Generator) -> ObjectWords:
    return ObjectWords(
        shape=str(rng.choice(list(HALF_SIZE))),
        colour=str(rng.choice(list(COLOURS))),
        surface=str(rng.choice(SURFACES)),
        motion=str(rng.choice(list(MOTIONS))),
        speed=str(rng.choice(list(SPEEDS), p=(0.25, 0.5, 0.25))),
    )


def stage(
    cast: tuple[ObjectWords, ...], relation: str | None, *, times: Series, rng: np.random.Generator
) -> tuple[list[Body], tuple[Event, ...]]:
    """Return bodies and events of `cast`, moved by its motions and placed by `relation`.

    A pair that would run through each other is drawn again, each time on a wider stage.
    """
    if relation == "collides":
        return _collision(cast, times=times, rng=rng)
    for room in _ROOMS:
        bodies, events = _placed(cast, relation, room=room, times=times, rng=rng)
        if len(bodies) == 1 or keep_apart(*bodies):
            break
    return bodies, events


def _placed(
    cast: tuple[ObjectWords, ...],
    relation: str | None,
    *,
    room: float,
    times: Series,
    rng: np.random.Generator,
) -> tuple[list[Body], tuple[Event, ...]]:
    """Return bodies and events of `cast` around random anchors, `room` times as far to the sides as usual."""
    bodies: list[Body] = []
    events: tuple[Event, ...] = ()
    for index, words in enumerate(cast):
        offset = _RELATION_OFFSETS[relation] if relation and index == 1 else (0.0, 0.0)
        if relation == "beside":
            offset = (offset[0] * (1 if index else 0) - 0.8 * (1 - index), offset[1])
        jitter = (room * rng.uniform(-0.25, 0.25), rng.uniform(-0.15, 0.15))
        anchor = (offset[0] + jitter[0], offset[1] + jitter[1])
        body, heard = _moved(words, anchor=anchor, size=_size(rng, len(cast)), times=times, rng=rng)
        bodies.append(body)
        events += heard
    return bodies, events


def _size(rng: np.random.Generator, count: int) -> float:
    return float(rng.uniform(0.58, 0.82) * (1.0 if count == 1 else 0.8))


def _moved(
    words: ObjectWords,
    *,
    anchor: tuple[float, float],
    size: float,
    times: Series,
    rng: np.random.Generator,
) -> tuple[Body, tuple[Event, ...]]:
    solid = _solid(words, size)
    yaw = 0.0 if words.motion.startswith("rolls") else float(rng.uniform(-0.6, 0.6))
    course = Course(times, SPEEDS[words.speed], solid, anchor, rng, yaw)
    path = MOTIONS[words.motion](course)
    pitch = (0.7 / size) ** 1.2
    return _body(words, solid, path, rng), tuple(
        replace(event, pitch=event.pitch * pitch) for event in path.events
    )


def _solid(words: ObjectWords, size: float) -> Solid:
    width, height, depth = HALF_SIZE[words.shape]
    return Solid(words.shape, (size * width, size * height, size * depth))


def _body(words: ObjectWords, solid: Solid, path: Path, rng: np.random.Generator) -> Body:
    """Return the body of `words` on `path`, in a jittered shade of its colour."""
    shade = rng.uniform(0.88, 1.08)
    colour = tuple(float(np.clip(c * shade + rng.normal(0, 0.015), 0, 1)) for c in COLOURS[words.colour])
    is_light = sum(colour) > 1.5
    second = tuple(float(0.55 * c) if is_light else float(0.45 + 0.55 * c) for c in colour)
    return Body(
        shape=words.shape,
        half_size=solid.half_size,
        colour=(colour[0], colour[1], colour[2]),
        second_colour=(second[0], second[1], second[2]),
        surface=words.surface,
        centre=np.stack([path.x, path.y, path.z], -1),
        rotation=rotations(path.angles),
        scale=path.scale,
        pattern_seed=float(rng.uniform(0, 100)),
    )


def _collision(
    cast: tuple[ObjectWords, ...], *, times: Series, rng: np.random.Generator
) -> tuple[list[Body], tuple[Event, ...]]:
    """Return a first body that rolls into a second, which then moves on at most of the speed.

    The second rolls if it is round from the front and slides otherwise: tumbling, it would hit the first.
    """
    sizes = (_size(rng, 2), _size(rng, 2))
    solids = [_solid(words, size) for words, size in zip(cast, sizes, strict=True)]
    pace = 1.5 * SPEEDS[cast[0].speed]
    meeting = float(rng.uniform(0.4, 0.55) * times[-1])
    gap, lean = _impact(*solids)
    before, after = np.clip(times - meeting, None, 0), np.clip(times - meeting, 0, None)
    travels = (pace * before + 0.15 * pace * after, 0.75 * pace * after)
    turning = (1.0, 1.0 if solids[1].shape in ("ball", "ring") else 0.0)
    bodies = []
    for index, (words, solid) in enumerate(zip(cast, solids, strict=True)):
        x = travels[index] + (index - 0.5) * gap
        angles = np.zeros((len(times), 3), np.float32)
        angles[:, 2] = (1 - index) * lean - turning[index] * travels[index] / rolling_radius(solid)
        y = standing_height(solid, rotations(angles))
        path = Path(x.astype(np.float32), y, np.zeros_like(y), angles, np.ones_like(y))
        bodies.append(_body(words, solid, path, rng))
    rolling = Event("roll", 0.0, float(times[-1]), 0.6)
    return bodies, (rolling, Event("impact", meeting, strength=0.9, pitch=(0.6 / sizes[1]) ** 1.2))


def _impact(first: Solid, second: Solid) -> tuple[float, float]:
    """Return how far apart two centres are when `first`, rolling to the right, first touches the `second`.

    Also returns by how much `first` then leans to the left, in radians, on its way to standing upright.
    """
    leans = np.linspace(0, np.pi / 2, 91)
    angles = np.zeros((len(leans), 3), np.float32)
    angles[:, 2] = leans
    distances = touching_distances(first, second, rotations(angles))
    soonest = int((distances - leans * rolling_radius(first)).argmax())
    return float(distances[soonest]), float(leans[soonest])


def _props(place: str, num_frames: int, rng: np.random.Generator) -> list[Body]:
    """Return two to four still props behind and beside the stage: they show how the camera moves."""
    prop = PLACES[place].prop
    shape, half = _PROP_SHAPES[prop[0]]
    bodies = []
    for side in rng.permutation(_PROP_SIDES)[: rng.integers(2, 5)]:
        size = rng.uniform(0.7, 1.3)
        scaled = tuple(float(size * h) for h in half)
        x, z = side * rng.uniform(2.2, 3.2), rng.uniform(2.6, 6.0)
        centre = np.tile(np.array([x, scaled[1] * 0.9, z], np.float32), (num_frames, 1))
        shade = rng.uniform(0.8, 1.15)
        colour = tuple(float(np.clip(c * shade, 0, 1)) for c in prop[1])
        bodies.append(
            Body(
                shape=shape,
                half_size=(scaled[0], scaled[1], scaled[2]),
                colour=(colour[0], colour[1], colour[2]),
                second_colour=(colour[0] * 0.7, colour[1] * 0.7, colour[2] * 0.7),
                surface="matte",
                centre=centre,
                rotation=np.tile(np.eye(3, dtype=np.float32), (num_frames, 1, 1)),
                scale=np.ones(num_frames, np.float32),
                pattern_seed=float(rng.uniform(0, 100)),
            )
        )
    return bodies
