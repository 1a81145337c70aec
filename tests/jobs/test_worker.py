import errno
import subprocess
import sys
from pathlib import Path

import pytest

from backend.errors import MediaError
from backend.jobs.worker import sentence


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MediaError("The clip is short."), "The clip is short."),
        (MemoryError(), "Memory ran out"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "Memory ran out"),
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full"),
        (KeyError("/home/me/secret"), "Something unexpected went wrong (KeyError)"),
    ],
)
def test_error_becomes_one_sentence(error: Exception, words: str) -> None:
    assert sentence(error).startswith(words)
    assert "/home" not in sentence(error)


def test_worker_ends_with_its_pipe(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "backend.jobs.worker", "--device", "cpu"]
    command += ["--data", str(tmp_path), "--weights", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        worker.stdin.close()
        assert (worker.wait(), worker.stdout.read()) == (0, b"")
