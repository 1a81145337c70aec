"""What the body of a request may not ask for: that the studio fetches a file from another host.

Gradio takes a file that is given by an http address from there, after looking its host up. Nothing in the
studio needs that, so such a request is refused before Gradio sees it.
"""

import json
from collections.abc import Collection, Iterator
from typing import Any

_REMOTE = ("http:", "https:", "//")


def asks_for_remote_file(body: bytes, *, origins: Collection[str]) -> bool:
    """Return whether `body`, if it is JSON, names a file on another host than `origins`.

    A body nested so deeply that no page could have made it counts as one that does.
    """
    try:
        found = json.loads(body)
    except RecursionError:
        return True
    except ValueError:
        return False  # no reader of JSON will get anything out of it
    return any(_is_remote(each, origins) for each in _objects(found))


def _objects(found: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in `found`, at any depth."""
    waiting = [found]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


def _is_remote(given: dict[str, Any], origins: Collection[str]) -> bool:
    """Return whether `given` is a file elsewhere. The page itself sends the address of its uploads along."""
    path, url = given.get("path"), given.get("url")
    if isinstance(path, str) and path.strip().lower().startswith(_REMOTE):
        return True
    if not isinstance(url, str) or not url.strip().lower().startswith(_REMOTE):
        return False
    return not url.startswith(tuple(f"{origin}/" for origin in origins))
