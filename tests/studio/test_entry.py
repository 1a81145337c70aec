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

from studio.__main__ import main
from studio.door import network_addresses
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("entry") / "data"


@pytest.fixture(scope="module")
def process(data_dir: Path) -> Iterator[subprocess.Popen]:
    plant(data_dir)
    with start(data_dir) as running:
        wait_for(data_dir / "door.json")
        yield running
        running.kill()


WATCH = """
import socket, sys

def note(event, given):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        told = given[-1] if event == "socket.sendto" else given[0]
    elif event == "socket.connect" and given[0].family in (socket.AF_INET, socket.AF_INET6):
        told = given[1]
    else:
        return
    host = told[0] if isinstance(told, tuple) else told
    if host not in (None, "127.0.0.1", "localhost", "::1", b"127.0.0.1", b"localhost"):
        with open({path!r}, "a") as file:
            file.write(f"{{event}} {{told}}\\n")

sys.addaudithook(note)
"""


def plant(data_dir: Path) -> None:
    """Lay modules into the data folder that nobody may import, and one beside it that watches the network."""
    data_dir.mkdir(mode=0o755)
    for name in ("evil.py", "sitecustomize.py", "tiny_engine.py", "plugins/evil.py"):
        path = data_dir / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"open({str(data_dir / 'imported')!r}, 'w').close()")
    (data_dir / "uploads").mkdir(mode=0o755)
    (data_dir / "uploads" / "left.bin").write_text("by an earlier launch")
    watch = WATCH.format(path=str(data_dir.parent / "asked-outside"))
    (data_dir.parent / "sitecustomize.py").write_text(watch)


def start(data_dir: Path, *options: str, port: int = 0, password: str = "") -> subprocess.Popen:
    command = [sys.executable, "-m", "studio", "--no-browser", "--port", str(port), "--data", str(data_dir)]
    environment = {
        **os.environ,
        "KINORA_WEIGHTS": str(data_dir.parent / "no-weights"),
        "KINORA_PASSWORD": password,
        "GRADIO_SHARE": "True",
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_TEMP_DIR": str(data_dir.parent / "elsewhere"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{data_dir.parent}",
    }
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*command, *options],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        text=True,
    )


def ask(door: dict, path: str) -> httpx.Response:
    return httpx.get(door["url"] + path, headers={"X-Kinora-Token": door["token"]}, timeout=PATIENCE_SECONDS)


def wait_for(path: Path, *, within_seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + within_seconds
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_page_answers_at_the_address_in_the_door(process: subprocess.Popen, data_dir: Path) -> None:
    door = json.loads((data_dir / "door.json").read_text())
    assert door["pid"] == process.pid
    assert "Kinora" in ask(door, "/").text


@pytest.mark.usefixtures("process")
def test_missing_weights_are_told_on_the_page(data_dir: Path) -> None:
    door = json.loads((data_dir / "door.json").read_text())
    problems = ask(door, "/studio/state").json()["problems"]
    assert "kinora-pocket" in problems[0]


@pytest.mark.skipif(os.name != "posix", reason="file modes are a POSIX notion")
@pytest.mark.usefixtures("process")
def test_door_and_uploads_belong_to_the_user_alone(data_dir: Path) -> None:
    modes = [stat.S_IMODE((data_dir / name).stat().st_mode) for name in (".", "uploads", "door.json")]
    assert modes == [0o700, 0o700, 0o600]


@pytest.mark.usefixtures("process")
def test_uploads_go_to_the_data_folder_which_holds_none_of_an_earlier_launch(data_dir: Path) -> None:
    assert not (data_dir / "uploads" / "left.bin").exists()
    door = json.loads((data_dir / "door.json").read_text())
    headers = {"X-Kinora-Token": door["token"]}
    url = f"{door['url']}/gradio_api/upload"
    [path] = httpx.post(
        url, files={"files": ("a.txt", b"x")}, headers=headers, timeout=PATIENCE_SECONDS
    ).json()
    assert Path(path).is_relative_to(data_dir / "uploads")
    assert not (data_dir.parent / "elsewhere").exists()


@pytest.mark.usefixtures("process")
def test_other_machines_reach_nothing(data_dir: Path) -> None:
    port = httpx.URL(json.loads((data_dir / "door.json").read_text())["url"]).port
    for address in [*network_addresses(), "127.0.0.2"]:
        with pytest.raises(OSError), socket.create_connection((address, port), timeout=5):
            pass


@pytest.mark.usefixtures("process")
def test_nobody_outside_is_asked_and_nothing_in_the_data_folder_is_imported(data_dir: Path) -> None:
    door = json.loads((data_dir / "door.json").read_text())
    for path in ("/", "/config", "/gradio_api/info", "/gradio_api/startup-events", "/studio/state"):
        assert ask(door, path).status_code == 200
    assert not (data_dir.parent / "asked-outside").exists()
    assert not (data_dir / "imported").exists()


def test_the_launcher_prints_the_address_that_opens_the_studio(
    process: subprocess.Popen, data_dir: Path
) -> None:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    door = json.loads((data_dir / "door.json").read_text())
    assert line == f"Kinora is open at {door['url']}/?token={door['token']}"
    assert "set-cookie" in httpx.get(line.rpartition(" ")[2], timeout=PATIENCE_SECONDS).headers


@pytest.mark.parametrize("password", ["", "short"])
def test_listening_to_other_machines_needs_a_password(
    tmp_path: Path, password: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KINORA_PASSWORD", password)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["--listen", "--no-browser", "--port", "0", "--data", str(tmp_path / "data")]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("--listen needs a password of at least 8 characters; set KINORA_PASSWORD")
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert not (tmp_path / "data").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers at all of 127.0.0.0/8")
def test_other_machines_come_in_with_the_password(tmp_path: Path) -> None:
    with start(tmp_path / "data", "--listen", password="a long password") as process:
        wait_for(tmp_path / "data" / "door.json")
        port = httpx.URL(json.loads((tmp_path / "data" / "door.json").read_text())["url"]).port
        for address in network_addresses()[:1]:
            with httpx.Client(base_url=f"http://{address}:{port}", timeout=PATIENCE_SECONDS) as browser:
                assert browser.get("/studio/state").status_code == 401
                browser.post("/studio/password", data={"password": "a long password"})
                assert browser.get("/studio/state").status_code == 200
        assert httpx.get(f"http://127.0.0.2:{port}/", timeout=PATIENCE_SECONDS).status_code == 421
        process.kill()


@pytest.mark.usefixtures("process")
def test_second_studio_on_a_folder_is_refused(data_dir: Path) -> None:
    second = start(data_dir)
    _, complaint = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 1
    assert len(complaint.strip().splitlines()) == 1


def test_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(tmp_path / "data", port=port)
        _, complaint = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert complaint.strip() == (
        f"Port {port} is taken; close the program that uses it, or start with --port {port + 1}."
    )


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM to catch")
def test_closing_the_studio_closes_its_door(tmp_path: Path) -> None:
    with start(tmp_path / "data") as process:
        wait_for(tmp_path / "data" / "door.json")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_SECONDS) == 0
    assert not (tmp_path / "data" / "door.json").exists()
