"""The models of a studio: looked at, added, stopped and resumed, checked, changed, removed."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.api import Api, Arrival, Model
from backend.config import Settings
from backend.errors import ConflictError, NotFoundError, RequestError, ResourceError, WeightsError
from backend.models.installed import read
from backend.requests import ClipRequest
from tests.conftest import TINY
from tests.models.hub import COMMIT, REPOSITORY, Hub, serving
from tests.models.tiny_open import WAN_FIRST_LAST, write_wan
from tests.waiting import until

LARGE = "transformer/diffusion_pytorch_model.safetensors"
LARGE_BYTES = 30_000_000
PINNED = f"{REPOSITORY}@{COMMIT}"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wan(tmp_path_factory.mktemp("shelf") / "tiny", WAN_FIRST_LAST)


@pytest.fixture
def hub(checkpoint: Path, tmp_path: Path) -> Iterator[Hub]:
    shutil.copytree(checkpoint, tmp_path / "hub")
    with serving(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
def studio(settings: Settings, hub: Hub) -> Iterator[Api]:
    """A studio that works on nothing and knows only the stand-in for the hub."""
    with Api.open(replace(settings, hub=hub.address), warm_engine=None, extra_engines=TINY) as api:
        api.controls.pause()
        yield api


def model(studio: Api, name: str) -> Model:
    return next(each for each in studio.models.all() if each.spec.name == name)


def arrival(studio: Api) -> Arrival:
    (found,) = studio.models.arrivals()
    return found


def added(studio: Api, name: str) -> Model:
    """Return the model once it is there."""
    until(lambda: not any(each.is_busy for each in studio.models.arrivals()))
    assert [each.problem for each in studio.models.arrivals()] == []
    return model(studio, name)


def stopped_at_half(studio: Api, hub: Hub) -> Arrival:
    """Return a download of which half of a large file has arrived when it was stopped."""
    (hub.folder / LARGE).write_bytes(bytes(LARGE_BYTES))
    hub.held_at = LARGE_BYTES // 2
    studio.models.add(PINNED, name="wan")
    until(lambda: arrival(studio).done_bytes >= LARGE_BYTES // 4)
    studio.models.stop("wan")
    hub.held_at = None
    until(lambda: not arrival(studio).is_busy)
    return arrival(studio)


def test_an_id_is_described_before_its_weights_are_asked_for(studio: Api, hub: Hub) -> None:
    seen = studio.models.look(REPOSITORY, name="wan")
    assert (seen.source, seen.revision, seen.spec.licence) == (REPOSITORY, COMMIT, "apache-2.0")
    assert seen.size_bytes == sum((hub.folder / path).stat().st_size for path in hub.paths())
    assert seen.spec.pictures.needed == ("image", "last_image")
    assert seen.memory_bytes["whole"] > seen.memory_bytes["models"] > 0
    assert not [path for path, _, _ in hub.sent if path.endswith(".safetensors")]
    assert list(studio.settings.models_dir.iterdir()) == []


def test_what_is_there_asks_nobody(studio: Api, hub: Hub, checkpoint: Path) -> None:
    assert studio.models.look(str(checkpoint), name="wan").spec.pictures.needed == ("image", "last_image")
    studio.models.add(str(checkpoint), name="wan")
    assert added(studio, "wan").folder == str(checkpoint)
    studio.models.check("wan")
    assert hub.sent == []


def test_a_download_becomes_an_engine(studio: Api) -> None:
    studio.models.add(PINNED, name="wan")
    found = added(studio, "wan")
    assert (found.source, found.revision, found.is_added) == (REPOSITORY, COMMIT, True)
    assert found.spec.title == "tiny" and found.problems == ()
    assert "wan" in [spec.name for spec in studio.engines()]


def test_only_the_commit_that_was_seen_is_downloaded(studio: Api) -> None:
    with pytest.raises(ConflictError, match="look at it again"):
        studio.models.add(REPOSITORY, name="wan")
    assert studio.models.arrivals() == []


def test_a_stopped_download_goes_on_where_it_stopped(studio: Api, hub: Hub) -> None:
    stopped = stopped_at_half(studio, hub)
    assert stopped.phase == "stopped"
    hub.sent.clear()
    studio.models.resume("wan")
    until(lambda: not arrival(studio).is_busy)
    assert next(first for path, first, _ in hub.sent if path == LARGE) >= LARGE_BYTES // 4
    assert arrival(studio).problem.endswith("is no safetensors file; get it again.")  # 30 MB of zeros


def test_a_download_of_an_earlier_launch_can_go_on(studio: Api, hub: Hub) -> None:
    stopped_at_half(studio, hub)
    studio.close()
    with Api.open(studio.settings, warm_engine=None, extra_engines=TINY) as later:
        found = arrival(later)
        assert (found.phase, found.ticket.source, found.ticket.revision) == ("stopped", REPOSITORY, COMMIT)
        assert found.done_bytes >= LARGE_BYTES // 4
        later.models.give_up("wan")
        assert later.models.arrivals() == []
    assert list(studio.settings.models_dir.iterdir()) == []


def test_a_spoilt_file_is_told_and_brought_anew(studio: Api, hub: Hub) -> None:
    whole = (hub.folder / LARGE).read_bytes()
    hub.checksum(LARGE)
    (hub.folder / LARGE).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    studio.models.add(PINNED, name="wan")
    until(lambda: not arrival(studio).is_busy)
    assert "does not have the checksum" in arrival(studio).problem
    (hub.folder / LARGE).write_bytes(whole)
    studio.models.resume("wan")
    assert added(studio, "wan").is_added


@pytest.mark.parametrize("name", ["kinora-pocket", "tiny", "Two Words"])
def test_a_name_that_cannot_be_used_is_refused(studio: Api, checkpoint: Path, name: str) -> None:
    with pytest.raises(RequestError, match="name"):
        studio.models.add(str(checkpoint), name=name)


@pytest.mark.parametrize("place", ["", "relative/path/here", "/no/such/folder", "http://elsewhere/model"])
def test_what_is_no_folder_and_no_id_is_refused(studio: Api, hub: Hub, place: str) -> None:
    with pytest.raises(RequestError, match="neither a folder"):
        studio.models.look(place, name="wan")
    assert hub.sent == []


def test_a_folder_of_something_else_is_refused(studio: Api, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no diffusers folder"):
        studio.models.add(str(tmp_path), name="wan")


def test_a_full_disk_is_told_before_anything_is_downloaded(
    studio: Api, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.model_shelf.SPARE_BYTES", 10**18)
    with pytest.raises(ResourceError, match="free some space"):
        studio.models.add(PINNED, name="wan")
    assert not [path for path, _, _ in hub.sent if path.endswith(".safetensors")]


def test_a_flipped_byte_is_found_by_a_check(studio: Api) -> None:
    studio.models.add(PINNED, name="wan")
    added(studio, "wan")
    assert studio.models.check("wan") == []
    path = studio.settings.models_dir / "wan" / LARGE
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert stat.st_size == path.stat().st_size
    (problem,) = studio.models.check("wan")
    assert "is damaged" in problem


def test_our_own_model_is_described_and_checked_like_the_others(studio: Api) -> None:
    pocket = model(studio, "kinora-pocket")
    assert not pocket.is_added and pocket.spec.licence == "Apache-2.0"
    assert studio.models.check("kinora-pocket") == list(pocket.problems) != []
    with pytest.raises(NotFoundError):
        studio.models.remove("kinora-pocket", typed="kinora-pocket")


def test_plan_and_size_are_kept(studio: Api, checkpoint: Path) -> None:
    studio.models.add(str(checkpoint), name="wan", short_side=64)
    assert added(studio, "wan").spec.sizes["1:1"] == (64, 64)
    studio.models.change("wan", memory_plan="blocks", short_side=128)
    found = model(studio, "wan")
    assert (found.memory_plan, found.spec.sizes["1:1"]) == ("blocks", (128, 128))
    with pytest.raises(RequestError, match="Memory plan must be one of"):
        studio.models.change("wan", memory_plan="fastest")


def test_only_its_own_name_removes_a_model(studio: Api) -> None:
    studio.models.add(PINNED, name="wan")
    folder = Path(added(studio, "wan").folder)
    with pytest.raises(RequestError, match="Type wan"):
        studio.models.remove("wan", typed="tiny")
    assert read(studio.settings.models_dir, "wan").name == "wan"
    studio.models.remove("wan", typed="wan")
    assert not folder.exists() and "wan" not in [spec.name for spec in studio.engines()]


def test_a_model_that_the_queue_needs_is_not_removed(studio: Api, checkpoint: Path) -> None:
    studio.models.add(str(checkpoint), name="wan", short_side=32)
    added(studio, "wan")
    tiny = replace(read(studio.settings.models_dir, "wan"))
    pictures = dict.fromkeys(("image", "last_image"), studio.inputs.add_image(_picture(checkpoint.parent)))
    studio.submit(ClipRequest(prompt="a ball", engine=tiny.name, duration_seconds=1, **pictures))
    with pytest.raises(ConflictError, match="The queue has clips"):
        studio.models.remove("wan", typed="wan")


def _picture(folder: Path) -> Path:
    from PIL import Image

    Image.new("RGB", (32, 32), (200, 10, 10)).save(folder / "picture.png")
    return folder / "picture.png"
