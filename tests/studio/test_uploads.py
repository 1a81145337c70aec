"""Names of uploaded files are only names: nothing is written outside the folder of uploads."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.studio.running import HEADERS, Running


@pytest.fixture
def client(studio: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=studio.url, headers=HEADERS, timeout=60) as client:
        yield client


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name",
    [
        "../../x.txt",
        "/etc/x.txt",
        "C:\\x.txt",
        "..\\..\\x.txt",
        "a%00b.txt",
        "x" * 300 + ".txt",
        "trailing. ",
        "CON",
        "gpj.\u202etxt",
        "👩‍👩‍👧.png",
        "...",
        "-rf",
        "<img src=x onerror=alert(1)>.txt",
    ],
)
def test_a_name_never_leaves_the_folder_of_uploads(studio: Running, client: httpx.Client, name: str) -> None:
    uploads = studio.api.settings.uploads_dir
    around, before = files(studio.api.settings.data_dir.parent), files(uploads)
    answer = client.post("/gradio_api/upload", files={"files": (name, name.encode())})
    new = files(uploads) - before
    assert files(studio.api.settings.data_dir.parent) - around == new
    if answer.status_code == 200:
        assert [Path(path) for path in answer.json()] == list(new)
    else:
        assert 400 <= answer.status_code < 500 and not new
    assert not Path("/etc/x.txt").exists()
    assert client.get("/studio/state").status_code == 200
