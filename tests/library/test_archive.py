"""A project as one file: it comes back whole, and a hostile one changes nothing."""

import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from backend.api import Api
from backend.config import Settings
from backend.errors import MediaError
from backend.library import archive
from backend.requests import ClipRequest, DetailRequest
from backend.store.library import Wanted
from tests.conftest import TINY
from tests.library.conftest import Keep


@pytest.fixture
def exported(idle_studio: Api, keep: Keep, tmp_path: Path) -> Path:
    """A project file with a starred draft from a picture, its detail, and a failed one."""
    Image.new("RGB", (48, 48), (200, 20, 20)).save(tmp_path / "red.png")
    name = idle_studio.inputs.add_image(tmp_path / "red.png")
    draft = keep(ClipRequest(prompt="a ball", engine="tiny", seed=1, image=name), is_starred=True)
    idle_studio.library.star(draft.id, is_starred=True, revision=1)
    detail = DetailRequest(source="0" * 64, prompt="a ball", engine="tiny", seed=1)
    keep(detail, kind="detail", parents=(draft.id,))
    keep(status="failed", error="The disk was full.")
    path = tmp_path / "project.zip"
    left_out = idle_studio.library.export_project(idle_studio.default_project().id, path)
    assert left_out == ["0" * 64]
    return path


def rows(api: Api, project_id: str) -> list[dict[str, Any]]:
    found = api.library.page(Wanted(project_id=project_id))
    return [{**each.to_json(), "project_id": "", "revision": 0} for each in found]


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write the project file at `path` again, with its manifest changed."""
    with zipfile.ZipFile(path) as old:
        contents = {name: old.read(name) for name in old.namelist()}
    manifest = json.loads(contents[archive.MANIFEST])
    change(manifest)
    contents[archive.MANIFEST] = json.dumps(manifest).encode()
    target = path.with_name("changed.zip")
    with zipfile.ZipFile(target, "w") as new:
        for name, content in contents.items():
            new.writestr(name, content)
    return target


def files(folder: Path) -> set[Path]:
    """Return the files in `folder` but those that the database writes by itself."""
    found = {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".db-wal"}
    return {path for path in found if path.parent.name != "backups"}


def test_project_moves_to_another_studio_whole(idle_studio: Api, exported: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "other", weights_dir=tmp_path / "weights", device="cpu")
    with Api.open(settings, warm_engine=None, extra_engines=TINY) as other:
        project = other.library.import_project(exported)
        before = rows(idle_studio, idle_studio.default_project().id)
        after = rows(other, project.id)
        for row in (*before, *after):
            for output in row["outputs"]:
                del output["path"]
        assert after == before
        assert project.name == "Untitled (2)"
        starred = other.library.page(Wanted(is_starred=True))[0]
        assert other.output_path(starred.id, "clip").read_bytes() == f"clip {starred.id}".encode()
        assert other.inputs.image_path(starred.request.image).is_file()
        assert len(other.library.family(starred.id)) == 2


def test_ids_that_are_taken_get_new_ones_and_stay_a_family(idle_studio: Api, exported: Path) -> None:
    first = idle_studio.default_project()
    project = idle_studio.library.import_project(exported)
    old, new = (idle_studio.library.page(Wanted(project_id=each)) for each in (first.id, project.id))
    assert not {each.id for each in old} & {each.id for each in new}
    assert [each.request for each in old] == [each.request for each in new]
    detail = next(each for each in new if each.kind == "detail")
    draft = next(each for each in new if each.is_starred)
    assert detail.parents == (draft.id,)
    assert idle_studio.output_path(draft.id, "clip").read_bytes() != b""


def test_missing_file_is_left_out_and_still_known_after_the_import(
    idle_studio: Api, keep: Keep, tmp_path: Path
) -> None:
    made = keep()
    clip = idle_studio.output_path(made.id, "clip")
    clip.rename(tmp_path / "moved.mp4")
    path = tmp_path / "project.zip"
    assert idle_studio.library.export_project(made.project_id, path) == ["clip"]
    project = idle_studio.library.import_project(path)
    (copy,) = idle_studio.library.page(Wanted(project_id=project.id))
    assert idle_studio.library.missing(copy) == ["clip"]
    put_back = idle_studio.library.put_back(tmp_path / "moved.mp4")
    assert sorted(put_back) == sorted([made.id, copy.id])  # ids of one millisecond have no order


def forge(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes], deflated: bool = False) -> Path:
    """Write a zip of these entries beside an empty project's manifest."""
    method = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as forged:
        forged.writestr(archive.MANIFEST, json.dumps({"kinora_project": 1, "name": "x", "generations": []}))
        for name, content in entries:
            forged.writestr(name, content)
    return path


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("outputs/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    "name", ["../../evil", "/etc/evil", "outputs/../../evil", "..", "C:\\evil", "a\\..\\..\\evil", "C:evil"]
)
def test_name_that_leaves_the_folder_is_refused(idle_studio: Api, tmp_path: Path, name: str) -> None:
    before = files(tmp_path)
    path = forge(tmp_path / "evil.zip", (name, b"x"))
    with pytest.raises(MediaError, match="unsafe; nothing was imported"):
        idle_studio.library.import_project(path)
    assert files(tmp_path) == before | {path}
    assert len(idle_studio.library.projects()) == 1


def test_link_is_refused(idle_studio: Api, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="unsafe"):
        idle_studio.library.import_project(forge(tmp_path / "evil.zip", (link(), b"/etc/passwd")))


def test_bomb_is_refused_before_anything_is_unpacked(idle_studio: Api, tmp_path: Path) -> None:
    bomb = forge(tmp_path / "bomb.zip", ("outputs/zeros", bytes(2**24)), deflated=True)
    with pytest.raises(MediaError, match="over 100 times its size"):
        idle_studio.library.import_project(bomb)


def claiming(path: Path, *, size_bytes: int) -> Path:
    """Let the last entry of the zip at `path` claim to be that long, in its list of contents."""
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = size_bytes.to_bytes(4, "little")
    path.write_bytes(content)
    return path


def test_what_claims_more_than_two_gigabytes_is_refused(idle_studio: Api, tmp_path: Path) -> None:
    path = claiming(forge(tmp_path / "large.zip", ("outputs/x", b"x")), size_bytes=3 * 2**30)
    with pytest.raises(MediaError, match=r"2 files of 3\.0 GB; at most 10,000 files of 2 GB"):
        idle_studio.library.import_project(path)


def test_an_entry_that_claims_to_be_short_is_not_unpacked_further(exported: Path, tmp_path: Path) -> None:
    path = tmp_path / "lying.zip"
    forge(path, ("outputs/x.mp4", bytes(2**24)), deflated=True)
    claiming(path, size_bytes=10)
    target = tmp_path / "unpacked.mp4"
    with archive.open_project(path) as file, pytest.raises(MediaError, match=r"damaged|cannot be read"):
        file.unpack("outputs/x.mp4", target, sha256="0" * 64)
    assert not list(tmp_path.glob("*unpacked*")) and exported.exists()


def test_too_many_entries_are_refused(idle_studio: Api, tmp_path: Path) -> None:
    path = forge(tmp_path / "many.zip", *((f"outputs/{n}", b"") for n in range(archive.MAX_ENTRIES)))
    with pytest.raises(MediaError, match="10,001 files"):
        idle_studio.library.import_project(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused(idle_studio: Api, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="two files of one name"):
        idle_studio.library.import_project(forge(tmp_path / "twice.zip", ("a", b"1"), ("a", b"2")))


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(100)])
def test_file_that_is_no_zip_is_refused(idle_studio: Api, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.zip"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"notes\.zip is no project file"):
        idle_studio.library.import_project(path)


def spoil_clip(manifest: dict[str, Any]) -> None:
    manifest["generations"][0]["outputs"][0]["sha256"] = "f" * 64


def spoil_type(manifest: dict[str, Any]) -> None:
    manifest["generations"][0]["outputs"][0]["media_type"] = "text/html"


def spoil_request(manifest: dict[str, Any]) -> None:
    manifest["generations"][0]["request"]["guidance_scale"] = 1e9


def spoil_id(manifest: dict[str, Any]) -> None:
    manifest["generations"][0]["id"] = "../../x"


def spoil_entry(manifest: dict[str, Any]) -> None:
    manifest["generations"][0]["outputs"][0]["entry"] = "../../etc/passwd"


def spoil_input(manifest: dict[str, Any]) -> None:
    (name,) = manifest["inputs"]
    manifest["inputs"] = {"../" + name[:61]: manifest["inputs"][name]}


def spoil_number(manifest: dict[str, Any]) -> None:
    manifest["generations"][0]["facts"]["seed"] = float("nan")


def repeat(manifest: dict[str, Any]) -> None:
    manifest["generations"].append(manifest["generations"][0])


SPOILERS = {
    spoil_clip: "is damaged",
    spoil_type: "text/html",
    spoil_request: "Text guidance must be",
    spoil_id: r"generations\.0\.id is not",
    spoil_entry: "lacks the file",
    spoil_input: "no sha256",
    spoil_number: "is damaged",
    repeat: "holds one generation twice",
}


@pytest.mark.parametrize(("spoil", "words"), SPOILERS.items())
def test_file_with_a_wrong_manifest_is_refused_and_leaves_nothing(
    idle_studio: Api, exported: Path, spoil: Callable[[dict[str, Any]], None], words: str
) -> None:
    path = rewritten(exported, spoil)
    before = files(idle_studio.settings.data_dir)
    with pytest.raises(MediaError, match=words):
        idle_studio.library.import_project(path)
    assert files(idle_studio.settings.data_dir) == before
    assert len(idle_studio.library.projects()) == 1


def test_id_from_the_future_is_not_taken_over(idle_studio: Api, exported: Path) -> None:
    future = "7" + "Z" * 25

    def claim(manifest: dict[str, Any]) -> None:
        manifest["generations"][0]["id"] = future

    project = idle_studio.library.import_project(rewritten(exported, claim))
    assert future not in {each.id for each in idle_studio.library.page(Wanted(project_id=project.id))}
