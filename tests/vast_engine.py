"""An engine whose clips no disk has room for; it is never loaded."""

from dataclasses import replace

from tests.tiny_engine import SPEC as TINY
from tests.tiny_engine import make

__all__ = ["SPEC", "make"]

SPEC = replace(TINY, name="vast", sizes={"1:1": (2**23, 2**23)})
