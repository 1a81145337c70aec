"""`python -m studio` as a process: how it starts, what it leaves behind, how it refuses."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("entry") / "data"


@pytest.fixture(scope="module")
def process(data_dir: Path) -> Iterator[subprocess.Popen]:
    with start(data_dir) as running:
        wait_for(data_dir / "door.json")
        yield running
        running.kill()


def start(data_dir: Path, *, port: int = 0) -> subprocess.Popen:
    command = [sys.executable, "-m", "studio", "--no-browser", "--port", str(port), "--data", str(data_dir)]
    environment = {**os.environ, "KINORA_WEIGHTS": str(data_dir.parent / "no-weights")}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def wait_for(path: Path, *, within_seconds: float = 40.0) -> None:
    deadline = time.monotonic() + within_seconds
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_page_answers_at_the_address_in_the_door(process: subprocess.Popen, data_dir: Path) -> None:
    door = json.loads((data_dir / "door.json").read_text())
    assert door["pid"] == process.pid
    assert "Kinora" in httpx.get(door["url"], timeout=30).text


@pytest.mark.usefixtures("process")
def test_missing_weights_are_told_on_the_page(data_dir: Path) -> None:
    door = json.loads((data_dir / "door.json").read_text())
    problems = httpx.get(f"{door['url']}/studio/state", timeout=30).json()["problems"]
    assert "kinora-pocket" in problems[0]


@pytest.mark.skipif(os.name != "posix", reason="file modes are a POSIX notion")
@pytest.mark.usefixtures("process")
def test_door_and_uploads_belong_to_the_user_alone(data_dir: Path) -> None:
    modes = [stat.S_IMODE((data_dir / name).stat().st_mode) for name in ("door.json", "uploads")]
    assert modes == [0o600, 0o700]


@pytest.mark.usefixtures("process")
def test_second_studio_on_a_folder_is_refused(data_dir: Path) -> None:
    second = start(data_dir)
    _, complaint = second.communicate(timeout=40)
    assert second.returncode == 1
    assert len(complaint.strip().splitlines()) == 1


def test_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(tmp_path / "data", port=port)
        _, complaint = process.communicate(timeout=30)
    assert process.returncode == 1
    assert complaint.strip() == (
        f"Port {port} is taken; close the program that uses it, or start with --port {port + 1}."
    )


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM to catch")
def test_closing_the_studio_closes_its_door(tmp_path: Path) -> None:
    with start(tmp_path / "data") as process:
        wait_for(tmp_path / "data" / "door.json")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert not (tmp_path / "data" / "door.json").exists()
