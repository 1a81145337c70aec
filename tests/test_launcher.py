"""The launcher: what it says before anything is installed, and how it sets up, resumes and repairs."""

import re
import shutil
import socket
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import launcher

ROOT = Path(launcher.__file__).parent


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    """A checkout in which nothing was ever installed."""
    (tmp_path / "backend").mkdir()
    own = ("launcher.py", "backend/__init__.py", "backend/commands.py")
    for name in (*own, "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def launch(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(checkout / "launcher.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("command", [*launcher.COMMANDS])
def test_help_of_each_command_needs_no_set_up(bare_checkout: Path, command: str) -> None:
    ended = launch(bare_checkout, command, "--help")
    assert ended.returncode == 0
    assert f"launcher.py {command}" in ended.stdout
    assert "--data DIR" in ended.stdout
    assert not (bare_checkout / ".venv").exists()


@pytest.mark.parametrize("words", [["studio", "--prot", "1"], ["--no-brwoser"], ["fly"], ["--data"]])
def test_misspelt_commands_are_refused_before_set_up(bare_checkout: Path, words: list[str]) -> None:
    ended = launch(bare_checkout, *words)
    assert ended.returncode == 2
    assert not (bare_checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("words", "marks"),
    [([], "not faults"), (["--fast"], "not browser and not faults"), (["--faults"], "faults")],
)
def test_tests_that_kill_run_alone(words: list[str], marks: str) -> None:
    options = launcher.chosen_tests(launcher.build_parser().parse_args(["test", *words]))
    assert options[-2:] == ["-m", marks]
    assert ("-n" in options) == (marks != "faults")


def test_taken_port_is_refused_before_set_up(bare_checkout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = launch(bare_checkout, "studio", "--port", str(port))
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"Kinora: Port {port} is taken; ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("version", [(3, 8), (3, 10), (3, 15), (4, 0)])
def test_unsupported_python_is_named_with_what_is_supported(version: tuple[int, int]) -> None:
    found = ".".join(map(str, version))
    with pytest.raises(launcher.LauncherError, match=rf"Python {re.escape(found)}, .* 3\.11 to 3\.14"):
        launcher.require_python(version)


def test_small_disk_is_refused_with_both_sizes() -> None:
    with pytest.raises(launcher.LauncherError, match=r"needs 4 GB .* only 1\.5 GB are free"):
        launcher.require_space(1_500_000_000)


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "The disk is full"),
        ("WARNING: Retrying: Temporary failure in name resolution\nERROR: No matching", "cannot be reached"),
        ("Error: [Errno 30] Read-only file system: '/k/.venv'", "cannot be written"),
        ("Collecting a\nERROR: No matching distribution for a==9", "No matching distribution for a==9"),
        ("", "no reason given"),
    ],
)
def test_failed_installation_is_explained_in_one_line(output: str, sentence: str) -> None:
    said = launcher.explain(output.splitlines())
    assert sentence in said
    assert "\n" not in said


@pytest.mark.parametrize("words", [["--data", "a b", "generate", "x"], ["generate", "x", "--data=a b"]])
def test_data_folder_may_stand_anywhere(words: list[str]) -> None:
    assert launcher.take_data(words) == (Path("a b"), ["generate", "x"])


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = dict(re.findall(r"^(\S+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M))
    wanted = {*project["dependencies"], *project["optional-dependencies"]["dev"]}
    assert wanted <= {name.lower().replace("_", "-") for name in pins}
    assert pins["torch"] == "2.13.0"


@pytest.mark.parametrize(
    ("command", "module"),
    [("generate", "backend.cli"), ("studio", "studio"), ("bench", "backend.evaluation.bench")],
)
def test_listed_options_are_those_of_the_command(command: str, module: str) -> None:
    words = [module, "generate"] if command == "generate" else [module]
    own = subprocess.run(
        [sys.executable, "-m", *words, "--help"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    listed = launch(ROOT, command, "--help")
    assert options_in(listed.stdout) == options_in(own.stdout)


def options_in(help_text: str) -> set[str]:
    return set(re.findall(r"--[a-z][a-z-]*", help_text))


def write_wheel(folder: Path) -> Path:
    """Return a wheel of `pebble`, and of a `librosa` that notes its use, so that set-up needs no network."""
    wheel = folder / "pebble-1.0-py3-none-any.whl"
    facts = "pebble-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        for module in ("pebble/__init__", "librosa/__init__", "librosa/filters"):
            archive.writestr(f"{module}.py", "")
        archive.writestr("librosa/onset.py", "open(__file__ + '.compiled', 'w').close()\n")
        archive.writestr(f"{facts}/METADATA", "Metadata-Version: 2.1\nName: pebble\nVersion: 1.0\n")
        archive.writestr(f"{facts}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{facts}/RECORD", f"pebble/__init__.py,,\n{facts}/METADATA,,\n{facts}/WHEEL,,\n")
    return wheel


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> launcher.Venv:
    """A small project, really set up once for all tests below; each leaves it ready."""
    root = tmp_path_factory.mktemp("small ä project")
    requirement = f"pebble @ {write_wheel(root).as_uri()}"
    project = (
        f'[project]\ndependencies = ["{requirement}"]\n[project.optional-dependencies]\ndev = ["pebble"]\n'
    )
    (root / "pyproject.toml").write_text(project, encoding="utf-8")
    (root / "constraints.txt").write_text("# none\n", encoding="utf-8")
    venv = launcher.Venv(root)
    venv.set_up()
    return venv


@pytest.fixture
def pebble(venv: launcher.Venv) -> Path:
    """The installed package."""
    return next(venv.folder.rglob("site-packages")) / "pebble"


def test_set_up_leaves_nothing_to_do(venv: launcher.Venv) -> None:
    assert venv.is_ready()
    assert subprocess.run([venv.python, "-c", "import pebble"], check=False).returncode == 0


def test_set_up_compiles_what_two_processes_must_not(pebble: Path) -> None:
    assert (pebble.parent / "librosa" / "onset.py.compiled").exists()


def test_changed_pins_ask_for_set_up(venv: launcher.Venv) -> None:
    constraints = venv.root / "constraints.txt"
    before = constraints.read_bytes()
    constraints.write_bytes(before + b"# changed\n")
    assert not venv.is_ready()
    constraints.write_bytes(before)
    assert venv.is_ready()


def test_damaged_stamp_is_set_up_again(venv: launcher.Venv) -> None:
    venv.stamp_path.write_text('{"pins": "4', encoding="utf-8")
    assert not venv.is_ready()
    venv.set_up()
    assert venv.is_ready()


def test_interrupted_installation_is_resumed(venv: launcher.Venv, pebble: Path) -> None:
    venv.stamp_path.unlink()
    (pebble / "__init__.py").unlink()
    (pebble.parent / "pebble-1.0.dist-info" / "INSTALLER").unlink()
    venv.set_up()
    assert venv.is_ready()
    assert (pebble / "__init__.py").exists()


def test_deleted_package_is_noticed_and_repaired(venv: launcher.Venv, pebble: Path) -> None:
    shutil.rmtree(pebble)
    assert not venv.is_ready()
    venv.set_up()
    assert venv.is_ready()
    assert pebble.exists()


def test_extra_packages_are_asked_for_once(venv: launcher.Venv) -> None:
    assert not venv.is_ready(extra="dev")
    venv.set_up(extra="dev")
    assert venv.is_ready(extra="dev")
    assert venv.is_ready()


def test_half_made_environment_is_made_again(venv: launcher.Venv) -> None:
    venv.stamp_path.unlink()
    shutil.rmtree(next(venv.folder.rglob("site-packages")) / "pip")
    for facts in venv.folder.rglob("pip-*.dist-info"):
        shutil.rmtree(facts)
    venv.set_up()
    assert venv.is_ready()
