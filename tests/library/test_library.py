"""What a creator does with finished clips: put away, delete, find again, compare, take over."""

import os
from pathlib import Path

import pytest
from PIL import Image

from backend.api import Api, Generation
from backend.errors import ConflictError, MediaError, NotFoundError, RequestError
from backend.requests import ClipRequest
from backend.store.library import Wanted
from tests.library.conftest import Keep


def bin_(api: Api, generation: Generation) -> None:
    api.library.bin(generation.id, is_binned=True, revision=generation.revision)


def clip_of(api: Api, generation: Generation) -> Path:
    return api.settings.data_dir / generation.outputs[0].path


def picture(api: Api, folder: Path) -> str:
    Image.new("RGB", (48, 48), (200, 20, 20)).save(folder / "red.png")
    return api.inputs.add_image(folder / "red.png")


def test_project_is_made_renamed_and_told_apart(idle_studio: Api) -> None:
    made = idle_studio.library.make_project("  Sea ")
    renamed = idle_studio.library.rename_project(made.id, "-vf crop", revision=made.revision)
    assert [each.name for each in idle_studio.library.projects()] == ["Untitled", "-vf crop"]
    with pytest.raises(RequestError, match="called '-vf crop' already"):
        idle_studio.library.make_project("-vf crop")
    with pytest.raises(ConflictError, match="called '-vf crop' now"):
        idle_studio.library.rename_project(made.id, "Other", revision=made.revision)
    assert renamed.revision == 2


def test_new_clips_go_to_the_project_that_is_named_or_that_of_their_parent(
    idle_studio: Api, keep: Keep
) -> None:
    sea = idle_studio.library.make_project("Sea")
    parent = keep(project_id=sea.id)
    request = ClipRequest(prompt="a ball", engine="tiny", seed=1)
    idle_studio._dispatcher.stop()
    ids = [
        idle_studio.submit(request)[0],
        idle_studio.submit(request, project_id=sea.id)[0],
        idle_studio.submit(request, parents=[parent.id])[0],
    ]
    first = idle_studio.default_project().id
    assert [idle_studio.generation(each).project_id for each in ids] == [first, sea.id, sea.id]


def test_project_goes_into_the_bin_and_back_with_its_clips(idle_studio: Api, keep: Keep) -> None:
    sea = idle_studio.library.make_project("Sea")
    early, late = keep(project_id=sea.id), keep(project_id=sea.id)
    bin_(idle_studio, early)
    binned = idle_studio.library.bin_project(sea.id, revision=1)
    assert idle_studio.library.page(Wanted(project_id=sea.id)) == []
    with pytest.raises(RequestError, match="is in the bin"):
        idle_studio.submit(early.request, project_id=sea.id)
    with pytest.raises(RequestError, match="restore that instead"):
        idle_studio.library.bin(late.id, is_binned=False, revision=2)
    idle_studio.library.make_project("Sea")
    restored = idle_studio.library.restore_project(sea.id, revision=binned.revision)
    assert restored.name == "Sea (2)"
    assert [each.id for each in idle_studio.library.page(Wanted(project_id=sea.id))] == [late.id]


def test_last_project_and_one_at_work_stay(idle_studio: Api, keep: Keep) -> None:
    first = idle_studio.default_project()
    with pytest.raises(RequestError, match="the only project"):
        idle_studio.library.bin_project(first.id, revision=1)
    idle_studio.library.make_project("Sea")
    queued = keep(status="queued")
    with pytest.raises(RequestError, match="still being made"):
        idle_studio.library.bin_project(first.id, revision=1)
    with pytest.raises(RequestError, match="still being made"):
        bin_(idle_studio, queued)


def test_only_files_that_nobody_else_uses_are_deleted(idle_studio: Api, keep: Keep, tmp_path: Path) -> None:
    name = picture(idle_studio, tmp_path)
    request = ClipRequest(prompt="a ball", engine="tiny", seed=1, image=name)
    first, second = keep(request), keep(request)
    stored = idle_studio.inputs.image_path(name)
    bin_(idle_studio, first)
    assert idle_studio.library.empty_bin() > 0
    assert stored.is_file() and clip_of(idle_studio, second).is_file()
    assert not clip_of(idle_studio, first).exists()
    bin_(idle_studio, second)
    idle_studio.library.remove([second.id])
    assert not stored.exists()
    with pytest.raises(NotFoundError):
        idle_studio.generation(second.id)


def test_what_is_not_in_the_bin_is_not_deleted(idle_studio: Api, keep: Keep) -> None:
    binned, kept = keep(), keep()
    bin_(idle_studio, binned)
    with pytest.raises(RequestError, match="Only what is in the bin"):
        idle_studio.library.remove([binned.id, kept.id])
    assert clip_of(idle_studio, binned).is_file() and idle_studio.generation(binned.id).binned_at


def test_link_out_of_the_data_folder_is_never_followed_to_delete(
    idle_studio: Api, keep: Keep, tmp_path: Path
) -> None:
    made = keep()
    clip, outside = clip_of(idle_studio, made), tmp_path / "outside"
    clip.parent.rename(outside)
    clip.parent.symlink_to(outside)
    bin_(idle_studio, made)
    idle_studio.library.empty_bin()
    assert (outside / clip.name).is_file()


def test_star_of_a_stale_window_is_refused(idle_studio: Api, keep: Keep) -> None:
    made = keep()
    assert idle_studio.library.star(made.id, is_starred=True, revision=1).is_starred
    with pytest.raises(ConflictError, match="another window"):
        idle_studio.library.star(made.id, is_starred=False, revision=1)


def test_missing_file_is_told_and_put_back_by_its_content(
    idle_studio: Api, keep: Keep, tmp_path: Path
) -> None:
    name = picture(idle_studio, tmp_path)
    made = keep(ClipRequest(prompt="a ball", engine="tiny", seed=1, last_image=name))
    moved, renamed = tmp_path / "moved.bin", tmp_path / "renamed.bin"
    clip_of(idle_studio, made).rename(moved)
    idle_studio.inputs.image_path(name).rename(renamed)
    assert idle_studio.library.missing(made) == ["clip", "last_image"]
    assert idle_studio.library.put_back(moved) == [made.id] == idle_studio.library.put_back(renamed)
    assert idle_studio.library.missing(made) == []
    with pytest.raises(MediaError, match="none of the files that are missing"):
        idle_studio.library.put_back(moved)


def test_disk_use_is_told_by_project_and_unclaimed_files_can_go(idle_studio: Api, keep: Keep) -> None:
    made = keep()
    stray = clip_of(idle_studio, made).with_name("stray.mp4")
    young = stray.with_name("young.mp4")
    for path in (stray, young):
        path.write_bytes(b"x" * 100)
    os.utime(stray, (1, 1))
    use = idle_studio.library.disk_use()
    (usage,) = use.usages
    assert (usage.project_id, usage.kind, usage.num_generations) == (made.project_id, "clip", 1)
    assert usage.size_bytes == sum(output.size_bytes for output in made.outputs)
    assert [(Path(file.path).name, file.size_bytes) for file in use.unclaimed] == [("stray.mp4", 100)]
    assert idle_studio.library.delete_unclaimed() == 100
    assert young.exists() and clip_of(idle_studio, made).exists() and not stray.exists()


def test_difference_is_in_what_was_asked_and_in_what_was_measured(idle_studio: Api, keep: Keep) -> None:
    before = keep()
    after = keep(before.request.model_copy(update={"guidance_scale": 7.5, "seed": 8}))
    found = idle_studio.library.differences(before.id, after.id)
    assert [(each.part, each.field, each.before, each.after) for each in found] == [
        ("request", "seed", 7, 8),
        ("request", "guidance_scale", 4.0, 7.5),
    ]
    assert idle_studio.library.differences(before.id, before.id) == []


@pytest.mark.parametrize(
    ("part", "seed", "fields"),
    [
        ("all", 7, None),
        ("remix", None, None),
        ("prompt", 7, {"prompt", "negative_prompt"}),
        ("seed", 7, {"seed"}),
    ],
)
def test_part_of_a_clip_is_taken_over(
    idle_studio: Api, keep: Keep, part: str, seed: int | None, fields: set[str] | None
) -> None:
    request, found = idle_studio.library.reused(keep().id, part)
    assert (request.seed, set(found)) == (seed, fields or set(ClipRequest.model_fields))


def test_unknown_part_is_refused(idle_studio: Api, keep: Keep) -> None:
    with pytest.raises(RequestError, match="all, prompt, seed, remix"):
        idle_studio.library.reused(keep().id, "everything")
