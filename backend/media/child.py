"""Child processes that handle foreign files: limited in memory and time, and gone when their parent is."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def child_limits(*, cpu_seconds: int, memory_bytes: int) -> Callable[[], None] | None:
    """Return what a child does before it becomes another program: die with its parent, stay within limits.

    The kernel ends the child with the thread that started it, so that thread must wait for it. None where the
    system has no such limits.
    """
    if sys.platform != "linux":
        return None
    import resource

    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def limit() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if os.getppid() != parent:
            os._exit(1)

    return limit
