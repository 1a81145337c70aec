"""What two generations have in common, and what not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from backend.store.generations import Generation


@dataclass(frozen=True)
class Difference:
    """One field in which two generations differ. part: "request" or "facts".

    field: a name, joined by dots where facts hold facts. before, after: None where there is no such field.
    """

    part: str
    field: str
    before: Any
    after: Any


def differences(before: Generation, after: Generation) -> list[Difference]:
    """Return where `after` differs from `before`: what was asked first, then what was measured.

    What was both is told once.
    """
    asked = list(_differing("request", before.request.model_dump(), after.request.model_dump()))
    told = {each.field for each in asked}
    measured = _differing("facts", before.facts, after.facts)
    return asked + [each for each in measured if each.field not in told]


def _differing(part: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    left, right = dict(_leaves(before)), dict(_leaves(after))
    for field in {**left, **right}:
        if left.get(field) != right.get(field):
            yield Difference(part, field, left.get(field), right.get(field))


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value that is not a mapping itself, under its dotted name."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
