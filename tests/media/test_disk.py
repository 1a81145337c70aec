"""Room on the disk: estimated before anything is begun, and named when it ends all the same."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backend.errors import ResourceError
from backend.media.disk import free_bytes, readable_bytes, require_space

ROOT = Path(__file__).parents[2]
EXPORT = """
import sys
from pathlib import Path
from backend.errors import StudioError
from backend.media.export import export
from backend.media.export_settings import export_settings
try:
    export(Path(sys.argv[1]), Path(sys.argv[2]) / "out.zip", export_settings({settings}))
except StudioError as error:
    print(type(error).__name__, error)
"""


def test_what_has_room_may_begin_and_what_has_none_is_a_sentence(tmp_path: Path) -> None:
    require_space(tmp_path / "not" / "yet", 1, what="This clip")
    with pytest.raises(ResourceError, match=r"^This clip needs about 1000 PB and the disk has .* free;"):
        require_space(tmp_path, 10**18, what="This clip")


def test_the_room_of_a_folder_that_is_not_there_is_that_of_the_one_around_it(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "a" / "b") == pytest.approx(free_bytes(tmp_path), rel=0.05)


@pytest.mark.parametrize(
    ("num_bytes", "told"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2.5e8, "250 MB"), (10**10, "10.0 GB")],
)
def test_bytes_are_told_in_the_unit_that_suits_them(num_bytes: float, told: str) -> None:
    assert readable_bytes(num_bytes) == told


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare to mount a small disk")
@pytest.mark.faults
@pytest.mark.parametrize(
    ("settings", "estimate", "sentence"),
    [
        ({"format": "png"}, 7.0, "DiskFullError out.zip as png needs about 2.1 MB and the disk has "),
        ({"format": "png"}, 0.0, "DiskFullError The disk is full, so "),
        ({"quality": "high", "loops": 20}, 0.0, "DiskFullError The disk is full, so "),
    ],
    ids=["estimated", "filled by frames", "filled by a clip"],
)
def test_an_export_without_room_leaves_nothing(
    tmp_path: Path, settings: dict, estimate: float, sentence: str
) -> None:
    from tests.media.clips import pattern_clip

    source = pattern_clip(tmp_path / "clip.mp4", size="128x96", rate="16", seconds=1.5)
    disk = tmp_path / "disk"
    disk.mkdir()
    code = EXPORT.format(settings=settings)
    if not estimate:  # as if another program had filled the disk since
        code = "import backend.media.export as e; e.require_space = lambda *_, **__: None\n" + code
    (tmp_path / "code.py").write_text(code)
    run = f"PYTHONPATH={ROOT} '{sys.executable}' {tmp_path}/code.py {source} {disk}"
    script = f"mount -t tmpfs -o size=100k tmpfs {disk} || exit 77; {run}; ls -A {disk} | wc -l"
    ended = subprocess.run(["unshare", "-rm", "sh", "-c", script], cwd=ROOT, capture_output=True, text=True)
    if ended.returncode == 77 or "unshare failed" in ended.stderr:
        pytest.skip("this machine lets no test mount a small disk")
    told, _, left = ended.stdout.strip().rpartition("\n")
    assert told.startswith(sentence)
    assert left == "0"
