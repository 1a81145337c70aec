"""Time-sortable ids: 48 bits of milliseconds and 80 random bits as 26 characters of Crockford's base 32."""

import secrets
import threading
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ID_LENGTH = 26
ID_PATTERN = f"[0-7][{_ALPHABET}]{{{ID_LENGTH - 1}}}"


class IdSource:
    """Gives ids that always sort after the ones before, even where the wall clock goes back."""

    def __init__(self, *, newest: str | None = None) -> None:
        self._last = _number(newest) if newest else 0
        self._lock = threading.Lock()

    def next(self) -> str:
        """Return a new id, greater than every earlier one of this source and than `newest`."""
        with self._lock:
            now = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
            self._last = now if now > self._last else self._last + 1
            return _text(self._last)


def least_id(at: float) -> str:
    """Return the id before which every id made before `at` (UTC epoch seconds) sorts."""
    return _text(max(int(at * 1000), 0) << 80)


def random_id(at: float) -> str:
    """Return an id as it could have been made at `at` (UTC epoch seconds)."""
    return _text(max(int(at * 1000), 0) << 80 | secrets.randbits(80))


def made_at(id: str) -> float:
    """Return when `id` was made, in UTC epoch seconds."""
    return (_number(id) >> 80) / 1000


def _text(number: int) -> str:
    return "".join(_ALPHABET[(number >> 5 * place) & 31] for place in reversed(range(ID_LENGTH)))


def _number(text: str) -> int:
    number = 0
    for letter in text:
        number = number << 5 | _ALPHABET.index(letter)
    return number
