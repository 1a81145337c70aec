"""Files without a row at start: taken in as what they say they are, or put away; never deleted."""

import shutil
from pathlib import Path

import pytest

from backend.api import Api, Generation
from backend.config import Settings
from backend.media.files import sha256_of
from backend.requests import ClipRequest
from backend.store.backups import back_up_daily, backups_dir
from backend.store.ids import IdSource
from tests.conftest import TINY
from tests.waiting import ended

REQUEST = ClipRequest(prompt="a red ball", engine="tiny", seed=7, num_inference_steps=1)


def open_api(settings: Settings) -> Api:
    return Api.open(settings, warm_engine=None, extra_engines=TINY)


@pytest.fixture
def made(settings: Settings) -> Generation:
    """A clip that was finished before the database was lost."""
    with open_api(settings) as api:
        made = ended(api, api.submit(REQUEST)[0])
    for path in settings.data_dir.glob("studio.db*"):
        path.unlink()
    return made


def files(folder: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in folder.rglob("*") if path.is_file()}


def test_a_finished_file_without_a_row_is_taken_in_as_what_it_says(
    settings: Settings, made: Generation
) -> None:
    with open_api(settings) as api:
        (found,) = api.generations()
        assert api.project(found.project_id).name == "Recovered"
        assert found.outputs == made.outputs
        assert (found.id, found.request, found.status) == (made.id, made.request, "done")
        assert found.facts["seed"] == made.facts["seed"]
        assert found.created_at == pytest.approx(made.created_at, abs=1)
        assert any("found 1 finished clip, now in" in problem for problem in api.status().problems)
    with open_api(settings) as api:
        assert [each.id for each in api.generations()] == [made.id]
        assert not any("finished clip" in problem for problem in api.status().problems)


def test_what_does_not_say_what_it_is_lies_in_lost_and_found(settings: Settings, made: Generation) -> None:
    folder = (settings.data_dir / made.outputs[0].path).parent
    before = files(folder)
    (folder / f"{made.id}.mp4").write_bytes(b"half a clip")
    foreign = folder / "holiday.mp4"
    foreign.write_bytes(b"not ours")
    with open_api(settings) as api:
        assert api.generations() == []
        told = "Kinora put 3 files that belong to nothing into lost+found; the log names them."
        assert told in api.status().problems
        listed = {Path(file.path).name for file in api.library.disk_use().unclaimed}
    assert files(settings.lost_dir).keys() == before.keys()
    assert (settings.lost_dir / f"{made.id}.mp4").read_bytes() == b"half a clip"
    assert foreign.exists() and listed <= before.keys() | {"holiday.mp4"}


def test_a_name_that_is_taken_in_lost_and_found_is_numbered(settings: Settings) -> None:
    name = IdSource().next()
    for content in (b"first", b"second"):
        path = settings.outputs_dir / "2026-01-01" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        open_api(settings).close()
    assert {path.read_bytes() for path in settings.lost_dir.iterdir()} == {b"first", b"second"}


def test_what_was_made_from_a_clip_is_its_child_again(settings: Settings, made: Generation) -> None:
    with open_api(settings) as api:
        detail = api.submit(api.detail_request(made.id, num_inference_steps=1), parents=[made.id])[0]
        assert ended(api, detail).status == "done"
    for path in settings.data_dir.glob("studio.db*"):
        path.unlink()
    with open_api(settings) as api:
        assert [each.id for each in api.library.family(detail)] == [made.id, detail]


def test_a_link_is_not_followed(settings: Settings, tmp_path: Path) -> None:
    target = tmp_path / "outside.mp4"
    target.write_bytes(b"outside")
    link = settings.outputs_dir / "2026-01-01" / f"{IdSource().next()}.mp4"
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    open_api(settings).close()
    assert link.is_symlink() and target.read_bytes() == b"outside" and not settings.lost_dir.exists()


def test_a_database_put_back_from_its_copy_finds_the_clips_made_since(settings: Settings) -> None:
    with open_api(settings) as api:
        older = ended(api, api.submit(REQUEST)[0])
        api._backups.stop()
        shutil.rmtree(backups_dir(api._database.path), ignore_errors=True)
        assert back_up_daily(api._database)
        newer = ended(api, api.submit(REQUEST)[0])
    settings.database_path.write_bytes(b"damage" * 1000)
    with open_api(settings) as api:
        assert [each.id for each in api.generations()] == [newer.id, older.id]
        assert [api.project(each.project_id).name for each in api.generations()] == ["Recovered", "Untitled"]
        assert api.output_path(newer.id, "clip").is_file()
