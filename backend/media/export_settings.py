"""What an exported file shall be: settings as data, checked before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from backend.errors import RequestError

QUALITIES = ("best", "high", "small")
SHORT_SIDES = (16, 4320)
FRAME_RATES = (1, 120)
MAX_LOOPS = 20
FOREVER = 0

MOVING = frozenset({"short_side", "frame_rate", "quality", "loops"})
MARK = frozenset({"has_provenance"})
CONTROLS: dict[str, frozenset[str]] = {
    "mp4": MOVING | MARK,
    "webm": MOVING,
    "gif": MOVING | MARK,
    "png": frozenset({"short_side", "frame_rate"}),
    "wav": frozenset({"loops"}) | MARK,
}
"""Format -> the settings that change it; the others must be left alone."""

_NAMES = {
    "short_side": "Size",
    "frame_rate": "Frame rate",
    "quality": "Quality",
    "loops": "Loops",
    "has_provenance": "AI mark",
}


@dataclass(frozen=True)
class ExportSettings:
    """What the exported file shall be.

    format: one of CONTROLS. short_side: in pixels, None for that of the clip. frame_rate: frames per second,
    None for that of the clip; frames are repeated or left out, none is invented. quality: "best" keeps the
    very pictures where nothing else changes. loops: how often the clip plays; a GIF may have 0, for ever,
    which is what None means for it. has_metadata: whether the file says how it was made. has_provenance:
    whether it carries a signed mark that says it was made by AI, in formats that can hold one.
    """

    format: str = "mp4"
    short_side: int | None = None
    frame_rate: int | None = None
    quality: str = "best"
    loops: int | None = None
    has_metadata: bool = True
    has_provenance: bool = True


DEFAULTS = ExportSettings()


def export_settings(given: Mapping[str, Any]) -> ExportSettings:
    """Return the settings that `given` holds; what is None or left out has its default.

    Raises RequestError that names the field, the value and what is allowed.
    """
    names = [each.name for each in fields(ExportSettings)]
    for name in given:
        if name not in names:
            raise RequestError(str(name), f"An export has no setting '{str(name)[:40]}'.")
    settings = ExportSettings(**{name: value for name, value in given.items() if value is not None})
    if not isinstance(settings.format, str) or settings.format not in CONTROLS:
        raise _refused("format", "Format", settings.format, f"one of {', '.join(CONTROLS)}")
    if settings.quality not in QUALITIES:
        raise _refused("quality", "Quality", settings.quality, f"one of {', '.join(QUALITIES)}")
    if not isinstance(settings.has_provenance, bool):
        raise _refused("has_provenance", "AI mark", settings.has_provenance, "true or false")
    if not isinstance(settings.has_metadata, bool):
        raise _refused("has_metadata", "Metadata", settings.has_metadata, "true or false")
    _check_number("short_side", settings.short_side, SHORT_SIDES)
    _check_number("frame_rate", settings.frame_rate, FRAME_RATES)
    _check_number("loops", settings.loops, (FOREVER if settings.format == "gif" else 1, MAX_LOOPS))
    _check_controls(settings)
    return settings


def _check_number(field: str, value: Any, limits: tuple[int, int]) -> None:
    least, most = limits
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (is_whole and least <= value <= most):
        raise _refused(field, _NAMES[field], value, f"a whole number from {least} to {most}")


def _check_controls(settings: ExportSettings) -> None:
    """Raise RequestError for a setting that would change nothing."""
    for field, name in _NAMES.items():
        is_changed = getattr(settings, field) != getattr(DEFAULTS, field)
        if is_changed and field not in CONTROLS[settings.format]:
            raise RequestError(
                field, f"{name} changes nothing in the format {settings.format}; leave it out for that."
            )


def _refused(field: str, name: str, value: Any, allowed: str) -> RequestError:
    return RequestError(field, f"{name} must be {allowed}; you gave {str(value)[:40]!r}.")
