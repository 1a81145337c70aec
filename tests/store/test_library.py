"""The library: search, filters, pages, stars, bin and families, also among a hundred thousand."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.errors import ConflictError, NotFoundError
from backend.requests import ClipRequest, DetailRequest
from backend.store import generations, jobs, library, projects
from backend.store.database import Database
from backend.store.generations import Generation, Output
from backend.store.ids import least_id, random_id
from backend.store.library import Wanted
from tests.store.rows import PROJECT, add_project

OTHER = projects.Project("1" * 26, "Other", 1001.0)
MANY, FEW, PAGE_ROWS = 100_000, 10, 48


@pytest.fixture(autouse=True)
def two_projects(database: Database) -> None:
    add_project(database)
    with database.transaction() as connection:
        projects.insert(connection, OTHER)


def add(database: Database, generation_id: str, prompt: str = "a red ball", **fields: object) -> None:
    request = ClipRequest(prompt=prompt, seed=7)
    row = replace(Generation(generation_id, PROJECT.id, request, 1000.0), **fields)
    with database.transaction() as connection:
        generations.insert(connection, row)
        jobs.insert(connection, generation_id)


def found(database: Database, wanted: Wanted, **options: object) -> str:
    with database.reading() as connection:
        return "".join(each.id for each in library.page(connection, wanted, **options))


def change(database: Database, generation_id: str, **changes: object) -> Generation:
    wanted = {"is_starred": False, "binned_at": None, "revision": 1} | changes
    with database.transaction() as connection:
        return library.change(connection, generation_id, **wanted)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("red", "CA"),
        ("re", "CA"),
        ("RED ball", "A"),
        ("ball red", "A"),
        ("blue", "B"),
        ("ed", ""),
        ('"red', "CA"),
        ("red* OR NOT (", ""),
        ("  %  ", "CBA"),
        ("cafe", "C"),
        ("\udc80red", "CA"),
    ],
)
def test_search_finds_words_in_any_order_the_last_half_typed(database: Database, text: str, ids: str) -> None:
    add(database, "A", "a red ball bounces")
    add(database, "B", "a blue ball")
    add(database, "C", "a red cube in a café")
    assert found(database, Wanted(text=text)) == ids


def test_search_stays_inside_its_project_and_pages_on(database: Database) -> None:
    for generation_id in "ABCD":
        add(database, generation_id)
    add(database, "E", project_id=OTHER.id)
    wanted = Wanted(text="red", project_id=PROJECT.id)
    assert found(database, wanted, limit=3) == "DCB"
    assert found(database, wanted, limit=3, before="B") == "A"
    assert found(database, Wanted(text="red", project_id='x" OR "')) == ""


def test_search_follows_what_is_changed_and_removed(database: Database) -> None:
    add(database, "A")
    with database.transaction() as connection:
        connection.execute("UPDATE generations SET request = json_set(request, '$.prompt', 'a blue cube')")
    assert (found(database, Wanted(text="red")), found(database, Wanted(text="blue"))) == ("", "A")
    change(database, "A", binned_at=5.0)
    with database.transaction() as connection:
        library.remove(connection, "A")
        assert connection.execute("SELECT count(*) FROM prompts").fetchone()[0] == 0
        connection.execute("INSERT INTO prompts_fts (prompts_fts) VALUES ('integrity-check')")


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Wanted(), "DCBA"),
        (Wanted(project_id=PROJECT.id), "CBA"),
        (Wanted(kind="detail"), "B"),
        (Wanted(project_id=PROJECT.id, kind="detail"), "B"),
        (Wanted(status="failed"), "C"),
        (Wanted(status="queued", project_id=PROJECT.id), "BA"),
        (Wanted(status="done"), ""),
        (Wanted(engine="tiny"), "D"),
        (Wanted(is_starred=True), "A"),
        (Wanted(is_binned=True), "E"),
        (Wanted(text="red", is_starred=True), "A"),
        (Wanted(text="red", status="failed"), "C"),
    ],
)
def test_every_filter_narrows(database: Database, wanted: Wanted, ids: str) -> None:
    add(database, "A")
    detail = DetailRequest(source="0" * 64, prompt="a red ball")
    add(database, "B", request=detail, kind="detail")
    add(database, "C")
    add(database, "D", project_id=OTHER.id, request=ClipRequest(prompt="a cube", engine="tiny"))
    add(database, "E")
    change(database, "A", is_starred=True)
    change(database, "E", binned_at=5.0)
    with database.transaction() as connection:
        connection.execute("UPDATE jobs SET status = 'failed' WHERE generation_id = 'C'")
    assert found(database, wanted) == ids


def test_days_are_found_by_the_time_of_submission(database: Database) -> None:
    days = [86400.0 * day for day in (20_000, 20_001, 20_002)]
    ids = [random_id(day + 3600) for day in days]
    for generation_id in ids:
        add(database, generation_id)
    assert found(database, Wanted(since=days[1], until=days[2])) == ids[1]
    assert least_id(days[1]) < ids[1] < least_id(days[2])


def test_change_of_a_stale_revision_is_refused_and_changes_nothing(database: Database) -> None:
    add(database, "A")
    assert change(database, "A", is_starred=True).revision == 2
    with pytest.raises(ConflictError, match="changed in another window"):
        change(database, "A", binned_at=5.0)
    assert found(database, Wanted(is_starred=True)) == "A"
    with pytest.raises(NotFoundError):
        change(database, "nothing")


def test_what_is_in_the_bin_is_nowhere_else_and_comes_back(database: Database) -> None:
    add(database, "A")
    change(database, "A", binned_at=5.0)
    with database.reading() as connection:
        assert generations.newest(connection) == []
        assert library.binned(connection, until=6.0) == ["A"]
        assert library.binned(connection, until=5.0) == []
    change(database, "A", revision=2)
    assert found(database, Wanted()) == "A"


def test_only_what_is_in_the_bin_is_removed_and_its_job_with_it(database: Database) -> None:
    add(database, "A")
    with database.transaction() as connection:
        assert not library.remove(connection, "A")
    change(database, "A", binned_at=5.0)
    with database.transaction() as connection:
        assert library.remove(connection, "A")
        assert connection.execute("SELECT count(*) FROM jobs").fetchone()[0] == 0
    with database.reading() as connection, pytest.raises(NotFoundError):
        library.family(connection, "A")


def test_family_is_all_that_came_from_the_same_draft(database: Database) -> None:
    add(database, "A")
    add(database, "B", parents=("A",))
    add(database, "C", parents=("A",))
    add(database, "D", parents=("B", "gone"))
    add(database, "E")
    with database.reading() as connection:
        families = ["".join(each.id for each in library.family(connection, of)) for of in "ADE"]
    assert families == ["ABCD", "ABCD", "E"]


def test_files_in_use_are_named_by_path_and_by_content(database: Database) -> None:
    add(database, "A", request=ClipRequest(prompt="f" * 63, image="a" * 64, last_image="b" * 64))
    output = Output("clip", "outputs/day/A.mp4", "c" * 64, "video/mp4", 1000)
    with database.transaction() as connection:
        generations.store_results(connection, "A", outputs=(output,), facts={})
        assert library.output_paths(connection) == {output.path}
        assert library.input_names(connection) == {"a" * 64, "b" * 64}
        assert [each.id for each in library.with_output(connection, "c" * 64)] == ["A"]
        assert library.usage(connection) == [library.Usage(PROJECT.id, "clip", False, 1, 1000)]


def filled(path: Path, number: int) -> Database:
    """Return a database at `path` with `number` finished clips, every thousandth starred."""
    database = Database.open(path)
    add_project(database)
    request = ClipRequest(prompt="a red ball bounces on a green meadow", seed=7).model_dump_json()
    with database.transaction() as connection:
        connection.execute(
            """
            WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :number)
            INSERT INTO generations (id, project_id, kind, request, created_at, is_starred)
            SELECT printf('%026d', n), :project, 'clip', json_set(:request, '$.prompt',
                'a red ball bounces on a green meadow ' || n), n, n % 1000 = 0 FROM numbers
            """,
            {"number": number, "project": PROJECT.id, "request": request},
        )
        connection.execute(
            "INSERT INTO jobs (generation_id, status, position) SELECT id, 'done', 0 FROM generations"
        )
    return database


@pytest.fixture(scope="module")
def large_and_small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Database]]:
    folder = tmp_path_factory.mktemp("libraries")
    databases = filled(folder / "large" / "studio.db", MANY), filled(folder / "small" / "studio.db", FEW)
    yield databases
    for database in databases:
        database.close()


def steps(database: Database, wanted: Wanted) -> int:
    """Return how many instructions of SQLite's machine a page takes: its work, on any processor."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    with database.reading() as connection:
        connection.set_progress_handler(count, 1)
        library.page(connection, wanted, limit=PAGE_ROWS)
        connection.set_progress_handler(None, 1)
    return taken


PAGES = [
    Wanted(),
    Wanted(project_id=PROJECT.id),
    Wanted(project_id=PROJECT.id, is_starred=True),
    Wanted(project_id=PROJECT.id, kind="detail"),
    Wanted(project_id=PROJECT.id, engine="tiny"),
    Wanted(project_id=PROJECT.id, status="failed"),
    Wanted(status="done", since=0.0),
    Wanted(is_binned=True),
    Wanted(project_id=PROJECT.id, text="meadow 99"),
]


@pytest.mark.parametrize("wanted", PAGES)
def test_no_page_of_a_large_library_is_found_by_reading_all(
    large_and_small: tuple[Database, Database], wanted: Wanted
) -> None:
    sql, values = library.statement(wanted, limit=PAGE_ROWS, before=None)
    with large_and_small[0].reading() as connection:
        plan = [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()]
    # SQLite calls every look into the table of the search a scan, whatever its index.
    scans = [line for line in plan if "SCAN" in line and "VIRTUAL TABLE INDEX" not in line]
    assert scans == [] and "TEMP B-TREE" not in " ".join(plan)


@pytest.mark.parametrize("wanted", [*PAGES, *(Wanted(text=text) for text in ("m", "mead", "red ball"))])
def test_page_of_a_large_library_takes_the_work_of_its_own_rows_alone(
    large_and_small: tuple[Database, Database], wanted: Wanted
) -> None:
    large, small = (steps(database, wanted) for database in large_and_small)
    assert small <= large <= 100 * PAGE_ROWS


def test_search_in_a_large_library_finds_the_one(large_and_small: tuple[Database, Database]) -> None:
    wanted = Wanted(text="99999")
    with large_and_small[0].reading() as connection:
        found = library.page(connection, wanted, limit=PAGE_ROWS)
    assert len(found) == 1 and steps(large_and_small[0], wanted) <= 1000
