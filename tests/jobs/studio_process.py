"""A studio in a process of its own, to be killed: it answers one line for each line that it reads.

Lines: {"submit": request} is answered with the new id, {"cancel": id} with the status that follows.
"""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from backend.api import Api
from backend.config import Settings
from backend.requests import ClipRequest, parse_request
from tests.jobs.dying import DYING

ROOT = Path(__file__).parents[2]


class StudioProcess:
    """The studio on `settings`, as its client sees it. Answers are None once it is dead."""

    def __init__(self, settings: Settings) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.jobs.studio_process",
            str(settings.data_dir),
            str(settings.weights_dir),
        ]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
        assert self._ask() == "open"

    def submit(self, request: ClipRequest) -> str | None:
        return self._ask({"submit": request.model_dump()})

    def cancel(self, generation_id: str) -> str | None:
        return self._ask({"cancel": generation_id})

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self._process.pid).children()

    def kill(self) -> None:
        """End the studio with SIGKILL."""
        self._process.kill()

    def wait(self) -> int:
        """Return the exit code once it has ended."""
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                pipe.close()
        return code

    def _ask(self, question: dict[str, Any] | None = None) -> str | None:
        try:
            if question is not None:
                self._process.stdin.write(json.dumps(question) + "\n")
                self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except OSError:
            return None
        return answer.strip() if answer.endswith("\n") else None


def main() -> None:
    data_dir, weights_dir = map(Path, sys.argv[1:])
    settings = Settings(data_dir, weights_dir, device="cpu")
    with Api.open(settings, warm_engine=None, extra_engines=DYING) as api:
        print("open", flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            if "submit" in asked:
                print(*api.submit(parse_request(asked["submit"])), flush=True)
            else:
                api.cancel(asked["cancel"])
                print(api.generation(asked["cancel"]).status, flush=True)


if __name__ == "__main__":
    main()
