import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from backend.errors import WeightsError
from backend.models.kinora.spec import KINORA_POCKET
from backend.models.weights import problems, weights_sha256, write_checksums

FILES = {"vae/config.json": b"{}", "transformer/model.safetensors": b"numbers"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / KINORA_POCKET.folder
    for path, content in FILES.items():
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_bytes(content)
    write_checksums(folder)
    return folder


def test_the_list_holds_size_and_checksum_of_every_file(folder: Path) -> None:
    content = FILES["transformer/model.safetensors"]
    row = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
    files = json.loads((folder / "checksums.json").read_text())["files"]
    assert set(files) == set(FILES)
    assert files["transformer/model.safetensors"] == row


def test_whole_files_have_no_problems(folder: Path) -> None:
    assert problems(folder.parent, KINORA_POCKET) == []


def test_an_engine_without_files_has_no_problems(tmp_path: Path) -> None:
    assert problems(tmp_path, replace(KINORA_POCKET, folder="")) == []


def test_a_missing_file_is_named_with_the_way_to_get_it_back(folder: Path) -> None:
    (folder / "vae/config.json").unlink()
    assert problems(folder.parent, KINORA_POCKET) == [
        "The weights file kinora-pocket/vae/config.json is missing; "
        "get it back with: git checkout -- assets/weights/kinora-pocket/vae/config.json"
    ]


def test_a_cut_file_is_named_with_its_size(folder: Path) -> None:
    (folder / "transformer/model.safetensors").write_bytes(b"num")
    assert (
        "model.safetensors is damaged: it has 3 bytes instead of 7"
        in problems(folder.parent, KINORA_POCKET)[0]
    )


def test_one_changed_byte_is_found(folder: Path) -> None:
    (folder / "transformer/model.safetensors").write_bytes(b"numberz")
    assert "its checksum is not the listed one" in problems(folder.parent, KINORA_POCKET)[0]


def test_a_missing_list_of_checksums_is_one_problem(tmp_path: Path) -> None:
    assert len(problems(tmp_path, KINORA_POCKET)) == 1
    assert "checksums.json is missing" in problems(tmp_path, KINORA_POCKET)[0]


@pytest.mark.parametrize("content", ["", "[]", '{"files": []}', '{"files": {"a": {"sha256": "0"}}}', "\xff"])
def test_a_damaged_list_of_checksums_is_one_problem(folder: Path, content: str) -> None:
    (folder / "checksums.json").write_bytes(content.encode("latin-1"))
    assert "checksums.json is damaged" in problems(folder.parent, KINORA_POCKET)[0]


def test_the_digest_covers_sorted_lines_of_path_and_checksum(folder: Path) -> None:
    sums = {path: hashlib.sha256(content).hexdigest() for path, content in FILES.items()}
    lines = "".join(f"{path} {sums[path]}\n" for path in sorted(sums))
    assert weights_sha256(folder) == hashlib.sha256(lines.encode()).hexdigest()


def test_the_digest_of_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"checksums\.json is missing"):
        weights_sha256(tmp_path)
