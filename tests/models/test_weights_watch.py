import hashlib
import json
import os
from pathlib import Path

from backend.models.kinora.spec import KINORA_POCKET
from backend.models.weights_watch import WeightsWatch


def write_weights(weights_dir: Path, content: bytes) -> Path:
    """Write one file and the list that says it holds b"good"."""
    path = weights_dir / "kinora-pocket" / "vae.safetensors"
    path.parent.mkdir(parents=True)
    row = {"sha256": hashlib.sha256(b"good").hexdigest(), "size_bytes": 4}
    (path.parent / "checksums.json").write_text(json.dumps({"files": {path.name: row}}))
    path.write_bytes(content)
    return path


def test_damage_is_found_and_its_repair_too(tmp_path: Path) -> None:
    path = write_weights(tmp_path, b"gone bad")
    watch = WeightsWatch(tmp_path, KINORA_POCKET)
    (problem,) = watch.problems()
    path.write_bytes(b"good")
    assert "kinora-pocket/vae.safetensors is damaged" in problem
    assert watch.problems() == []


def test_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    path = write_weights(tmp_path, b"good")
    watch = WeightsWatch(tmp_path, KINORA_POCKET)
    assert watch.problems() == []
    before = path.stat()
    path.write_bytes(b"evil")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert watch.problems() == []


def test_missing_folder_is_one_problem(tmp_path: Path) -> None:
    (problem,) = WeightsWatch(tmp_path, KINORA_POCKET).problems()
    assert "is missing; get it back with" in problem
