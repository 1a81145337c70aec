"""What no source of ours may do, and which versions of others are too old to be safe."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from tests.test_architecture import ROOT, TREES, imports

# The first version without a published hole that matters here.
FLOORS = {
    "brotli": (1, 2, 1),  # CVE-2026-111497
    "gradio": (6, 7),  # CVE-2026-28414, CVE-2026-28416
    "starlette": (1, 0, 1),  # CVE-2026-48710
    "torch": (2, 6),  # CVE-2025-32434
}


def calls() -> Iterator[tuple[str, ast.Call]]:
    for name, tree in TREES.items():
        yield from ((name, node) for node in ast.walk(tree) if isinstance(node, ast.Call))


@pytest.mark.parametrize("package", FLOORS)
def test_packages_are_new_enough(package: str) -> None:
    numbers = metadata.version(package).partition("+")[0].split(".")
    assert tuple(int(number) for number in numbers[:3]) >= FLOORS[package]


def test_no_shell_reads_what_a_creator_typed() -> None:
    for name, call in calls():
        assert ast.unparse(call.func) not in ("os.system", "os.popen", "eval", "exec"), name
        assert not [word for word in call.keywords if word.arg == "shell"], name


def test_no_checkpoint_can_run_code() -> None:
    for name, call in calls():
        words = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert "trust_remote_code" not in words and "custom_pipeline" not in words, name
        if ast.unparse(call.func) == "torch.load":
            assert words.get("weights_only") == "True", name
        assert not ast.unparse(call.func).startswith(("pickle.", "marshal.", "gr.load")), name


def test_no_tunnel_to_the_outside_is_opened() -> None:
    for name, call in calls():
        if name.startswith("studio/"):
            assert not [word for word in call.keywords if word.arg in ("share", "share_server_address")], name


def test_no_settings_file_of_moviepy_is_read() -> None:
    # moviepy reads the nearest .env when it is imported, which may name another ffmpeg.
    assert not [name for name, tree in TREES.items() if "moviepy" in imports(tree)]


def test_a_settings_file_beside_the_program_changes_no_ffmpeg(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FFMPEG_BINARY=/evil\nIMAGEIO_FFMPEG_EXE=/evil\n")
    code = "from backend.media.ffmpeg import _find_ffmpeg; print(_find_ffmpeg())"
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    found = subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, env=environment, text=True)
    assert "evil" not in found
