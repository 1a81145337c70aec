"""Words about values of a request, for the sentences that refuse it."""

import json
from typing import Any


def shown(value: Any) -> str:
    """Return `value` short enough to show, with its length where it is long text."""
    if isinstance(value, str) and len(value) > 40:
        return f"{len(value):,} characters"
    if isinstance(value, int) and value.bit_length() > 128:
        return "a number of over 38 digits"
    return repr(value) if isinstance(value, str) else str(value)[:40]


def is_storable(text: str) -> bool:
    """Return whether `text` is Unicode that a file or a database can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def json_problem(error: Exception) -> str:
    """Return in a few words why JSON could not be read."""
    if isinstance(error, json.JSONDecodeError):
        return str(error)
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "it holds bytes that are no text, or a number with too many digits"
