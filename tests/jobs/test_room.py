"""A full disk: the queue waits for room and goes on by itself, without a restart."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backend.jobs import room
from backend.jobs.room import Room

ROOT = Path(__file__).parents[2]
STUDIO = """
import sys
from pathlib import Path
from backend.api import Api
from backend.config import Settings
from backend.store.ballast import Ballast
from tests.conftest import TINY
from tests.jobs.test_dispatcher import clip
from tests.waiting import ended, sampling, until

disk = Path(sys.argv[1])
filler = disk / "filler"

def fill(left: int) -> None:
    import shutil
    with filler.open("wb") as file:
        while shutil.disk_usage(disk).free > left:
            file.write(bytes(min(65536, shutil.disk_usage(disk).free - left)))
            file.flush()

def told(api):
    return next((each for each in api.status().problems if "disk is full" in each), "")

settings = Settings(disk / "data", disk / "weights", device="cpu")
Ballast.lay_down.__globals__["_ROOM_BYTES"] = 4_000_000
with Api.open(settings, warm_engine="tiny", extra_engines=TINY) as api:
    before = ended(api, api.submit(clip())[0])
    first, second = (api.submit(clip(words, steps=30))[0] for words in ("slowly", "a red ball"))
    sampling(api, first, step=8)
    fill(0)
    until(lambda: told(api) and api.generation(first).status == "queued")
    print(told(api), [api.generation(each).status for each in (first, second)])
    filler.unlink()
    done = [ended(api, each) for each in (first, second)]
    print([(each.status, each.attempt) for each in done], repr(told(api)), before.status)
    with api._database.reading() as connection:
        print(connection.execute("PRAGMA integrity_check").fetchone()[0])
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare to mount a small disk")
@pytest.mark.faults
def test_a_disk_that_fills_while_a_clip_is_made_loses_nothing(tmp_path: Path) -> None:
    disk, code = tmp_path / "disk", tmp_path / "studio.py"
    disk.mkdir()
    code.write_text(STUDIO)
    start = f"PYTHONPATH={ROOT} '{sys.executable}' {code} {disk}"
    script = f"mount -t tmpfs -o size=8m tmpfs {disk} || exit 77; {start}"
    run = subprocess.run(["unshare", "-rm", "sh", "-c", script], cwd=ROOT, capture_output=True, text=True)
    if run.returncode == 77 or "unshare failed" in run.stderr:
        pytest.skip("this machine lets no test mount a small disk")
    assert run.returncode == 0, run.stderr[-3000:]
    waiting, gone_on, integrity = run.stdout.strip().splitlines()
    assert waiting.startswith("The disk is full: the next clip needs about 2.0 MB and ")
    assert waiting.endswith("goes on by itself once there is room. ['queued', 'queued']")
    assert gone_on == "[('done', 2), ('done', 1)] '' done"
    assert integrity == "ok"


def test_a_job_waits_for_its_own_room_only(tmp_path: Path) -> None:
    room = Room(tmp_path)
    assert room.lacks("A", 10**18) and room.is_short
    assert room.problem().startswith("The disk is full: the next clip needs about 1000 PB and ")
    assert not room.lacks("B", 1) and room.problem() == ""
    assert not room.lacks(None, 0)


def test_a_job_that_found_the_disk_full_waits_for_more_than_its_estimate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda _: 3_000_000)
    waiting = Room(tmp_path)
    assert not waiting.lacks("A", 1_000_000)
    assert waiting.ran_out("A", 1_000_000)
    assert waiting.lacks("A", 1_000_000) and not waiting.lacks("B", 1_000_000)
    assert not waiting.ran_out("C", 1000), "there is plenty for so little, so it is no matter of room"
