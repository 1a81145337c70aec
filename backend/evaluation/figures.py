"""Figures of a report: curves as data, drawn as PNG."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from backend.errors import MediaError

Curve = list[tuple[float, float]]

_SIZE = (720, 400)
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 24, 40, 56
_PAPER, _INK, _GRID = (255, 255, 255), (40, 40, 46), (222, 222, 228)
_COLOURS = ((196, 66, 48), (44, 110, 168), (72, 140, 84), (150, 96, 168), (190, 140, 40))
_TICKS = 5
_DRAWN_POINTS = 400
_LOG_MEANS = 20  # groups that a log is averaged in to say how far its loss fell
_STILL_FALLING = 0.01  # of the loss, in the second half of a run


@dataclass(frozen=True)
class Figure:
    """Curves by name, each (x, y) in order of x; axes: their two labels; name: that of the file.

    caption: what is seen, and what limits it.
    """

    name: str
    title: str
    axes: tuple[str, str]
    curves: Mapping[str, Curve]
    caption: str = ""


def draw(figure: Figure) -> Image.Image:
    """Return `figure` as a picture; points that are not finite are left out."""
    picture = Image.new("RGB", _SIZE, _PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=13)
    curves = {name: _finite(points) for name, points in figure.curves.items()}
    everything = [point for points in curves.values() for point in points] or [(0.0, 0.0)]
    x_range, y_range = (_range([point[axis] for point in everything]) for axis in (0, 1))
    pen.text((_LEFT, 12), figure.title, fill=_INK, font=font)
    pen.text((_SIZE[0] - _RIGHT, _SIZE[1] - 10), figure.axes[0], fill=_INK, font=font, anchor="rs")
    pen.text((12, _TOP - 8), figure.axes[1], fill=_INK, font=font, anchor="ls")
    for share in (step / (_TICKS - 1) for step in range(_TICKS)):
        x, y = _place((share, share), (0.0, 1.0), (0.0, 1.0))
        pen.line([(_LEFT, y), (_SIZE[0] - _RIGHT, y)], fill=_GRID)
        pen.text((_LEFT - 8, y), _value(y_range, share), fill=_INK, font=font, anchor="rm")
        pen.text((x, _SIZE[1] - _BOTTOM + 8), _value(x_range, share), fill=_INK, font=font, anchor="ma")
    left = _LEFT
    for index, (name, points) in enumerate(curves.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        pen.line([_place(point, x_range, y_range) for point in points], fill=colour, width=2)
        pen.text((left, _SIZE[1] - 10), name, fill=colour, font=font, anchor="ls")
        left += int(font.getlength(name)) + 20
    return picture


def training_curve(log: Path) -> Figure:
    """Return the loss that `log`, the log.jsonl of a training, tells of, and how far it still fell.

    Raises MediaError where the file cannot be read or holds no loss.
    """
    try:
        rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
        losses = _last_run([(float(row["minutes"]), float(row["loss"])) for row in rows if "loss" in row])
    except (OSError, ValueError, LookupError, TypeError) as exc:
        raise MediaError(f"{log} cannot be read as the log of a training; give a log.jsonl.") from exc
    if not losses:
        raise MediaError(f"{log} holds no loss; give the log.jsonl of a training of at least 50 steps.")
    member = log.parent.name.removesuffix("-training")
    return Figure(
        f"training-{member}",
        f"training loss of {member}",
        ("minutes", "loss"),
        {"loss": _thinned(losses)},
        _fall([loss for _, loss in losses]),
    )


def _fall(losses: Sequence[float]) -> str:
    """Return a sentence on how much of the loss went in the second half of the run."""
    size = max(1, len(losses) // _LOG_MEANS)
    begin, middle = losses[:size], losses[len(losses) // 2 : len(losses) // 2 + size]
    first, half, last = (sum(values) / len(values) for values in (begin, middle, losses[-size:]))
    fell = (half - last) / half
    limit = "time limits it" if fell > _STILL_FALLING else "more of the same would change little"
    return f"From {first:.3f} to {last:.3f}; in the second half it changed by {-fell:+.1%}: {limit}."


def _last_run(points: Curve) -> Curve:
    """Return `points` from where their x last fell: a training that began anew appends to the same log."""
    falls = [index for index in range(1, len(points)) if points[index][0] < points[index - 1][0]]
    return points[falls[-1] :] if falls else points


def _thinned(points: Curve) -> Curve:
    step = -(-len(points) // _DRAWN_POINTS)
    return points[::step]


def _finite(points: Sequence[tuple[float, float]]) -> Curve:
    return [point for point in points if all(map(math.isfinite, point))]


def _range(values: Sequence[float]) -> tuple[float, float]:
    least, most = min(values), max(values)
    return (least, most) if most > least else (least - 0.5, most + 0.5)


def _place(
    point: tuple[float, float], x_range: tuple[float, float], y_range: tuple[float, float]
) -> tuple[float, float]:
    x, y = ((v - low) / (high - low) for v, (low, high) in zip(point, (x_range, y_range), strict=True))
    width, height = _SIZE[0] - _LEFT - _RIGHT, _SIZE[1] - _TOP - _BOTTOM
    return _LEFT + x * width, _TOP + (1 - y) * height


def _value(limits: tuple[float, float], share: float) -> str:
    return f"{limits[0] + share * (limits[1] - limits[0]):.3g}"
