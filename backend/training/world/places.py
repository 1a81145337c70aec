"""The eight places of the world: light, sky, ground and background props, as rows of data.

Colours are linear-looking sRGB triples in [0, 1]. Lengths are in world units: an object is about one unit
tall, the camera stands five units away.
"""

from dataclasses import dataclass

RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Place:
    """One place.

    zenith, horizon: sky colours from top to horizon. ground, ground_dark: the two colours a ground pattern
    mixes. ground_scales: at most four wave numbers (radians per unit) of the ground, coarse to fine.
    ground_stretch: how much longer structure is along x than along z. light: unit-length direction towards
    the light after normalisation. ambient, diffuse: light strengths. fog: extinction per unit of distance.
    stars: density of bright points in the sky. clouds: strength of cloud bands. prop: kind and
    colour of the props.
    """

    zenith: RGB
    horizon: RGB
    ground: RGB
    ground_dark: RGB
    ground_scales: tuple[float, ...]
    ground_stretch: float
    light: RGB
    ambient: float
    diffuse: float
    fog: float
    stars: float
    clouds: float
    prop: tuple[str, RGB]
    ambience: str


PLACES: dict[str, Place] = {
    "meadow": Place(
        (0.32, 0.56, 0.90), (0.78, 0.88, 0.97), (0.36, 0.62, 0.22), (0.17, 0.36, 0.10),
        (1.3, 4.1, 13.0, 41.0), 0.5, (-0.5, 0.9, -0.45), 0.52, 0.62, 0.030, 0.0, 0.5,
        ("bush", (0.09, 0.26, 0.08)), "birds",
    ),
    "desert": Place(
        (0.38, 0.62, 0.88), (0.96, 0.86, 0.68), (0.88, 0.72, 0.46), (0.64, 0.44, 0.23),
        (0.9, 2.7, 8.0, 30.0), 2.5, (0.6, 0.8, -0.4), 0.55, 0.66, 0.035, 0.0, 0.1,
        ("rock", (0.42, 0.24, 0.14)), "dry wind",
    ),
    "snow": Place(
        (0.62, 0.72, 0.84), (0.88, 0.91, 0.95), (0.93, 0.95, 0.98), (0.68, 0.76, 0.88),
        (0.8, 2.3, 7.0, 35.0), 1.2, (-0.4, 0.9, -0.5), 0.62, 0.42, 0.055, 0.0, 0.25,
        ("pine", (0.16, 0.32, 0.28)), "cold wind",
    ),
    "beach": Place(
        (0.36, 0.34, 0.62), (1.00, 0.62, 0.34), (0.86, 0.68, 0.50), (0.56, 0.37, 0.29),
        (0.7, 2.9, 9.0, 37.0), 3.0, (0.75, 0.45, 0.25), 0.50, 0.60, 0.025, 0.0, 0.8,
        ("rock", (0.25, 0.16, 0.18)), "surf",
    ),
    "night": Place(
        (0.03, 0.04, 0.12), (0.12, 0.15, 0.30), (0.15, 0.18, 0.26), (0.05, 0.07, 0.13),
        (1.1, 3.7, 11.0, 33.0), 1.0, (-0.35, 0.9, -0.55), 0.50, 0.75, 0.040, 1.0, 0.0,
        ("post", (0.30, 0.32, 0.44)), "crickets",
    ),
    "studio": Place(
        (0.80, 0.80, 0.82), (0.86, 0.86, 0.87), (0.83, 0.83, 0.84), (0.70, 0.70, 0.73),
        (0.6, 1.7), 1.0, (-0.55, 0.95, -0.6), 0.58, 0.52, 0.080, 0.0, 0.0,
        ("post", (0.55, 0.55, 0.58)), "room",
    ),
    "sea": Place(
        (0.36, 0.58, 0.86), (0.80, 0.90, 0.96), (0.14, 0.42, 0.58), (0.04, 0.18, 0.36),
        (1.6, 4.7, 12.0, 29.0), 4.0, (-0.3, 0.85, 0.45), 0.50, 0.62, 0.030, 0.0, 0.7,
        ("rock", (0.22, 0.23, 0.26)), "waves",
    ),
    "forest": Place(
        (0.42, 0.56, 0.50), (0.62, 0.72, 0.58), (0.34, 0.30, 0.17), (0.14, 0.14, 0.06),
        (1.5, 4.9, 15.0, 43.0), 0.8, (0.4, 0.9, -0.5), 0.48, 0.52, 0.070, 0.0, 0.0,
        ("trunk", (0.22, 0.14, 0.08)), "leaves",
    ),
}  # fmt: skip

COLOURS: dict[str, RGB] = {
    "red": (0.85, 0.12, 0.12),
    "orange": (0.95, 0.52, 0.10),
    "yellow": (0.96, 0.86, 0.16),
    "green": (0.13, 0.62, 0.20),
    "teal": (0.08, 0.60, 0.60),
    "blue": (0.13, 0.27, 0.85),
    "purple": (0.50, 0.16, 0.68),
    "pink": (0.96, 0.50, 0.70),
    "brown": (0.45, 0.26, 0.12),
    "white": (0.95, 0.95, 0.95),
    "gray": (0.52, 0.52, 0.54),
    "black": (0.08, 0.08, 0.09),
}
