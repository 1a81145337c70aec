import errno
import subprocess
import sys
from pathlib import Path

import pytest

from backend.config import Settings
from backend.errors import MediaError, ResourceError
from backend.jobs.worker import Worker, sentence
from backend.models.adding import install_folder
from backend.models.installed import read
from tests.models.tiny_open import write_wan


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


def test_running_out_of_memory_tells_of_the_smaller_plan(settings: Settings, tmp_path: Path) -> None:
    install_folder(write_wan(tmp_path / "tiny"), name="tiny", models_dir=settings.models_dir)
    worker = Worker(settings, extra_engines=(), send=lambda _: None)
    failure = ResourceError("Memory ran out on this device.")
    failure.__cause__ = MemoryError()
    told = [worker._step_down("tiny", failure) for _ in range(3)]
    assert ["'models'" in told[0], "'blocks'" in told[1], told[2]] == [True, True, ""]
    assert read(settings.models_dir, "tiny").memory_plan == "blocks"
    assert worker._step_down("tiny", ResourceError("The disk is full.")) == ""


def test_worker_ends_with_its_pipe(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "backend.jobs.worker", "--device", "cpu"]
    command += ["--data", str(tmp_path), "--weights", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        worker.stdin.close()
        assert (worker.wait(), worker.stdout.read()) == (0, b"")
