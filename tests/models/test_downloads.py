"""Downloads from a stand-in for the hub: what is offered, resumed, refused and told."""

import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from backend.errors import CanceledError, ResourceError, WeightsError
from backend.models import downloads
from backend.models.__main__ import main
from backend.models.downloads import Offer, Progress, RemoteFile, download, offer
from backend.models.installed import read
from tests.models.hub import COMMIT, REPOSITORY, Hub, serving
from tests.models.tiny_open import write_wan
from tests.waiting import until

LARGE = "transformer/diffusion_pytorch_model.safetensors"
LARGE_BYTES = 30_000_000


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wan(tmp_path_factory.mktemp("hub") / "tiny")


@pytest.fixture
def hub(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = tmp_path / "hub"
    shutil.copytree(checkpoint, folder)
    with serving(folder) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        yield hub


def test_an_offer_says_commit_size_and_licence_before_anything_is_there(hub: Hub) -> None:
    wanted = offer(REPOSITORY, hub=hub.address)
    assert (wanted.revision, wanted.licence, wanted.family) == (COMMIT, "apache-2.0", "wan_video")
    assert wanted.size_bytes == sum((hub.folder / path).stat().st_size for path in hub.paths())
    assert [path for path, _, _ in hub.sent] == ["model_index.json"]


def test_a_download_brings_every_file(hub: Hub, tmp_path: Path) -> None:
    told: list[Progress] = []
    wanted = offer(REPOSITORY, hub=hub.address)
    download(wanted, tmp_path / "model", hub=hub.address, on_progress=told.append)
    for path in hub.paths():
        assert (tmp_path / "model" / path).read_bytes() == (hub.folder / path).read_bytes()
    assert told[-1].done_bytes == told[-1].total_bytes == wanted.size_bytes
    assert told[-1].remaining_seconds == 0


def test_a_download_stopped_at_half_goes_on_from_there(hub: Hub, tmp_path: Path) -> None:
    (hub.folder / LARGE).write_bytes(bytes(LARGE_BYTES))
    wanted = offer(REPOSITORY, hub=hub.address)
    told: list[Progress] = []
    with pytest.raises(CanceledError):
        download(
            wanted,
            tmp_path / "model",
            hub=hub.address,
            on_progress=told.append,
            is_canceled=lambda: told[-1].done_bytes > LARGE_BYTES / 2,
        )
    assert not (tmp_path / "model" / LARGE).exists()
    hub.sent.clear()
    download(wanted, tmp_path / "model", hub=hub.address)
    first = next(first for path, first, _ in hub.sent if path == LARGE)
    assert first > LARGE_BYTES / 2
    assert (tmp_path / "model" / LARGE).read_bytes() == bytes(LARGE_BYTES)


@pytest.mark.faults
def test_a_download_killed_at_half_goes_on_from_there(hub: Hub, tmp_path: Path) -> None:
    (hub.folder / LARGE).write_bytes(bytes(LARGE_BYTES))
    hub.held_at = LARGE_BYTES // 2
    command = ["-m", "backend.models", "add", REPOSITORY, "--name", "tiny", "--yes", "--data", str(tmp_path)]
    with subprocess.Popen([sys.executable, *command]) as process:
        partials = partial((tmp_path / "models" / "tiny").rglob, "*.partial")
        until(lambda: any(path.stat().st_size >= LARGE_BYTES // 4 for path in partials()))
        process.kill()
    hub.held_at = None
    hub.sent.clear()
    wanted = offer(REPOSITORY, hub=hub.address)
    download(wanted, tmp_path / "models" / "tiny", hub=hub.address)
    assert next(first for path, first, _ in hub.sent if path == LARGE) >= LARGE_BYTES // 4
    assert (tmp_path / "models" / "tiny" / LARGE).read_bytes() == bytes(LARGE_BYTES)


def test_a_flipped_byte_is_refused_and_removed(hub: Hub, tmp_path: Path) -> None:
    wanted = offer(REPOSITORY, hub=hub.address)
    spoilt = bytearray((hub.folder / LARGE).read_bytes())
    spoilt[-1] ^= 1
    (hub.folder / LARGE).write_bytes(spoilt)
    with pytest.raises(WeightsError, match="does not have the checksum"):
        download(wanted, tmp_path / "model", hub=hub.address)
    assert not (tmp_path / "model" / LARGE).exists()


def test_a_model_of_pickles_is_refused_before_its_download(hub: Hub) -> None:
    (hub.folder / LARGE).rename(hub.folder / "transformer" / "diffusion_pytorch_model.bin")
    with pytest.raises(WeightsError, match="holds no safetensors"):
        offer(REPOSITORY, hub=hub.address)
    assert [path for path, _, _ in hub.sent] == ["model_index.json"]


def test_an_unknown_repository_is_one_sentence(hub: Hub) -> None:
    with pytest.raises(WeightsError, match="check the id"):
        offer("studio/none", hub=hub.address)


def test_a_full_disk_is_said_before_the_download(tmp_path: Path) -> None:
    huge = Offer("studio/huge", COMMIT, "mit", "wan_video", (RemoteFile("a.safetensors", 10**18),))
    with pytest.raises(ResourceError, match="are free at"):
        downloads.require_space(huge, tmp_path)


def test_without_consent_nothing_is_downloaded(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    command = ["add", REPOSITORY, "--name", "tiny", "--data", str(tmp_path)]
    assert main(command) == 2
    assert "licence apache-2.0" in capsys.readouterr().err
    assert [path for path, _, _ in hub.sent] == ["model_index.json"]


@pytest.mark.usefixtures("hub")
def test_a_downloaded_model_is_an_engine_until_its_name_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["add", REPOSITORY, "--name", "tiny", "--data", str(tmp_path), "--yes"]
    assert main(command) == 0
    installed = read(tmp_path / "models", "tiny")
    assert (installed.source, installed.revision, installed.licence) == (REPOSITORY, COMMIT, "apache-2.0")
    monkeypatch.setattr("sys.stdin", io.StringIO("other\n"))
    assert main(["remove", "tiny", "--data", str(tmp_path)]) == 2
    assert Path(installed.folder).is_dir()
    monkeypatch.setattr("sys.stdin", io.StringIO("tiny\n"))
    assert main(["remove", "tiny", "--data", str(tmp_path)]) == 0
    assert not Path(installed.folder).exists()
