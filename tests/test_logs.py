"""Logs stay short and private, and reports tell nothing of the creator."""

import logging
import os
import stat
from pathlib import Path

import pytest

from backend.config import Settings
from backend.logs import KEPT_LOGS, last_lines, recorded
from backend.report import written_report

log = logging.getLogger("tests.logs")


def test_a_log_is_private_and_set_aside_before_it_grows_long(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "studio.log"
    path.parent.mkdir()
    path.touch(mode=0o644)
    with recorded(path, max_bytes=2_000):
        for number in range(200):
            log.warning("line %d", number)
    files = sorted(path.parent.iterdir())
    assert len(files) == 1 + KEPT_LOGS
    assert all(file.stat().st_size <= 2_000 for file in files)
    assert last_lines(path, count=1)[0].endswith("line 199")
    if os.name == "posix":
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_what_is_logged_afterwards_is_not_recorded(tmp_path: Path) -> None:
    with recorded(tmp_path / "studio.log"):
        log.warning("inside")
    log.warning("outside")
    assert "outside" not in (tmp_path / "studio.log").read_text()


def test_odd_letters_do_not_stop_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's report could not be sent on
    with recorded(tmp_path / "studio.log"):
        log.warning("a prompt with \ud800 and \0 and 😀")
    assert "😀" in (tmp_path / "studio.log").read_text()


def test_the_last_lines_of_a_long_log_are_read_without_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    path.write_text("".join(f"line {number}\n" for number in range(100_000)))
    assert last_lines(path, count=2) == ["line 99998", "line 99999"]
    assert last_lines(tmp_path / "none.log", count=2) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{home}/films/a.mp4", "~/films/a.mp4"),
        ("/home/anna/films/a.mp4", "~/films/a.mp4"),
        (r"C:\Users\Anna\films", r"~\films"),
        ("{data}/outputs/a.mp4", "<data>/outputs/a.mp4"),
        ("http://127.0.0.1:7860/?token=abcdefghijklmnop123456", "token=[secret]"),
    ],
)
def test_a_report_names_no_folder_of_the_creator(tmp_path: Path, line: str, told: str) -> None:
    settings = Settings(data_dir=tmp_path / "data", weights_dir=tmp_path / "weights")
    settings.logs_dir.mkdir(parents=True)
    written = line.format(home=Path.home(), data=settings.data_dir)
    (settings.logs_dir / "worker.log").write_text(f"before\n{written}\n")
    report = written_report(settings, {"device": "cpu"}, generation=None, with_prompt=False)
    assert told in report and written not in report
