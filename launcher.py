"""Set Kinora up and run it: `python launcher.py [COMMAND] [OPTIONS]`, standard library only.

The first start makes `.venv` beside this file and installs the pinned packages; a stamp there, written only
after success, lets every later start skip that. Everything said here goes to stderr: stdout is the command's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from backend.commands import COMMANDS, add_options

ROOT = Path(__file__).resolve().parent
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 14)
SETUP_BYTES = 4 * 10**9
MODULES = {
    "train": "backend.training",
    "evaluate": "backend.evaluation",
    "bench": "backend.evaluation.bench",
    "generate": "backend.cli generate",
    "detail": "backend.cli detail",
    "models": "backend.models",
    "sound": "backend.cli sound",
    "export": "backend.cli export",
}
OPEN_COMMANDS = ("train", "evaluate", "test")  # they take more options than are listed here
BROWSERS = ("chromium", "chromium-browser")


class LauncherError(Exception):
    """One sentence that says what is wrong and what to do."""


# The command line -------------------------------------------------------------------------------------------


def main(argv: list[str]) -> int:
    """Return the exit code of the command in `argv`; most commands replace this process instead."""
    try:
        require_python(sys.version_info[:2])
        return run(argv)
    except LauncherError as error:
        say(f"Kinora: {error}")
        return 1
    except OSError as error:
        place = error.filename or ROOT
        say(f"Kinora: {place} cannot be used ({error.strerror}); check permissions and disk space.")
        return 1
    except KeyboardInterrupt:
        say("\nKinora: stopped; start again to go on from here.")
        return 130


def run(argv: list[str]) -> int:
    data, rest = take_data(argv)
    if not rest or (rest[0].startswith("-") and rest[0] not in ("-h", "--help")):
        rest = ["studio", *rest]
    parser = build_parser()
    options, unknown = parser.parse_known_args(rest)
    if unknown and options.command not in OPEN_COMMANDS:
        parser.error(f"unknown option for {options.command}: {' '.join(unknown)}")
    venv, env = Venv(ROOT), environment(data)
    if options.command == "doctor":
        return doctor(venv, env)
    if options.command == "test":
        return test(venv, env, pytest_options=unknown, choice=options)
    if not venv.is_ready():
        if options.command == "studio" and options.port:
            require_free_port(options.port)
        venv.set_up()
    return start([venv.python, "-m", *MODULES.get(options.command, "studio").split(), *rest[1:]], env)


def take_data(argv: list[str]) -> tuple[Path | None, list[str]]:
    """Return the folder given with `--data` anywhere in `argv`, and `argv` without it."""
    if {"-h", "--help"} & set(argv):
        return None, argv
    parser = argparse.ArgumentParser(prog="python launcher.py", add_help=False, allow_abbrev=False)
    parser.add_argument("--data", type=Path, metavar="DIR")
    options, rest = parser.parse_known_args(argv)
    return options.data, rest


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; it needs nothing installed, so that `--help` costs no set-up."""
    parser = argparse.ArgumentParser(
        prog="python launcher.py",
        description="Kinora, a local text-to-video studio. The first start sets everything up.",
        epilog="Without a command: studio. 'python launcher.py COMMAND --help' explains one command.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (summary, options) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        add_options(command, options)
    return parser


# The virtual environment ------------------------------------------------------------------------------------


class Venv:
    """The virtual environment `.venv` in `root`: made, filled, judged by its stamp, and repaired."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / ".venv"
        self.python = self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.stamp_path = self.folder / "kinora-setup.json"

    def is_ready(self, *, extra: str | None = None) -> bool:
        """Return whether all packages, those of `extra` too, are installed as pinned and still in place."""
        stamp = self._read_stamp()
        has_extra = extra is None or extra in stamp.get("extras", [])
        return has_extra and stamp.get("pins") == self._pins() and self._is_intact(stamp)

    def set_up(self, *, extra: str | None = None) -> None:
        """Make the environment ready; goes on where an earlier set-up stopped. Raises LauncherError."""
        stamp = self._read_stamp()
        extras = sorted({*stamp.get("extras", []), *([extra] if extra else [])})
        if not self._has_pip() or (stamp and not self._is_intact(stamp)):
            self._make()
        self.stamp_path.unlink(missing_ok=True)
        remove_half_installed(self._site_packages())
        say("Kinora: installing packages; this takes a few minutes, once.")
        install(self, extras)
        compile_ahead(self)
        self._write_stamp(extras)
        say("Kinora: set-up is complete.")

    def _make(self) -> None:
        require_venv_module()
        require_space(shutil.disk_usage(self.root).free)
        say(f"Kinora: making {self.folder}.")
        command = [sys.executable, "-m", "venv", "--clear", str(self.folder)]
        made = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if made.returncode:
            raise LauncherError(explain((made.stdout + made.stderr).splitlines()))

    def _site_packages(self) -> Path:
        pattern = "Lib/site-packages" if os.name == "nt" else "lib/python*/site-packages"
        return next(self.folder.glob(pattern), self.folder)

    def _has_pip(self) -> bool:
        return self.python.exists() and any(self._site_packages().glob("pip-*.dist-info/INSTALLER"))

    def _pins(self) -> str:
        """Return a hash of the two files that say what to install."""
        files = (self.root / "pyproject.toml", self.root / "constraints.txt")
        return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()

    def _is_intact(self, stamp: dict) -> bool:
        """Return whether Python and every top-level package of `stamp` are where they were left."""
        if not self.python.exists() or stamp.get("python") != str(self.python.resolve()):
            return False
        return set(stamp.get("packages", [])) <= set(names(self._site_packages()))

    def _read_stamp(self) -> dict:
        """Return the stamp, or an empty one where it is missing or damaged."""
        try:
            stamp = json.loads(self.stamp_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def _write_stamp(self, extras: list[str]) -> None:
        packages = sorted(names(self._site_packages()))
        python = str(self.python.resolve())
        stamp = {"pins": self._pins(), "python": python, "extras": extras, "packages": packages}
        partial = self.stamp_path.with_suffix(".partial")
        partial.write_text(json.dumps(stamp), encoding="utf-8")
        partial.replace(self.stamp_path)


def names(folder: Path) -> Iterable[str]:
    return (entry.name for entry in folder.iterdir() if not entry.name.startswith(("~", "__pycache__")))


def remove_half_installed(site_packages: Path) -> None:
    """Make pip install again what it was installing when it was stopped: it writes INSTALLER last."""
    for facts in site_packages.glob("*.dist-info"):
        if not (facts / "INSTALLER").exists():
            shutil.rmtree(facts)


def install(venv: Venv, extras: list[str]) -> None:
    """Install the packages of pyproject.toml in the versions of constraints.txt. Raises LauncherError."""
    scratch = venv.folder / "setup-scratch"  # wheels wait beside their target: /tmp is often small
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    env = {**environment(None), "TMPDIR": str(scratch), "TEMP": str(scratch), "PYTHONUNBUFFERED": "1"}
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--retries", "2"]
    command = [str(venv.python), "-m", "pip", "install", *options, "-c", str(venv.root / "constraints.txt")]
    command += requirements(venv.root, extras)
    lines = []
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        for line in pip.stdout or ():
            lines.append(line.rstrip())
            if line.lstrip().startswith(("Downloading", "Installing")):
                say(f"  {line.strip()[:100]}")
    shutil.rmtree(scratch, ignore_errors=True)
    if pip.returncode:
        raise LauncherError(explain(lines))


def compile_ahead(venv: Venv) -> None:
    """Have librosa compile its functions into numba's cache here, once.

    Two processes that do so at the same time can leave it so that each later one crashes (numba issue 10128).
    """
    command = [str(venv.python), "-c", "import librosa.filters, librosa.onset"]
    subprocess.run(command, env=environment(None), capture_output=True, check=False)


def requirements(root: Path, extras: list[str]) -> list[str]:
    import tomllib  # here, because older Pythons must come as far as their error message

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    return project["dependencies"] + [name for extra in extras for name in optional[extra]]


SIGNS = {
    "No space left on device|Errno 28|not enough space on the disk|Disk quota exceeded": (
        "The disk is full; free some space (10 GB is enough for any machine), then start again."
    ),
    "NameResolutionError|name resolution|getaddrinfo|nodename nor servname|establish a new connection"
    "|Network is unreachable|ConnectTimeoutError|ReadTimeoutError|ProxyError": (
        "The package index cannot be reached; check the network or proxy, then start again."
    ),
    "Read-only file system|Permission denied|PermissionError|Access is denied": (
        f"{ROOT} cannot be written; make it writable or move Kinora to a folder of your own."
    ),
}


def explain(lines: list[str]) -> str:
    """Return one sentence that says why the command whose output is `lines` failed."""
    output = "\n".join(lines)
    for signs, sentence in SIGNS.items():
        if re.search(signs, output):
            return sentence
    reason = ([line for line in lines if "error" in line.lower()] or lines or ["no reason given"])[-1].strip()
    return f"Set-up failed ({reason}); start again, after deleting .venv if that fails the same way."


def require_python(version: tuple[int, ...]) -> None:
    if not OLDEST_PYTHON <= tuple(version) <= NEWEST_PYTHON:
        allowed = " to ".join(".".join(map(str, bound)) for bound in (OLDEST_PYTHON, NEWEST_PYTHON))
        found = ".".join(map(str, version))
        raise LauncherError(f"This is Python {found}, but Kinora needs {allowed}; use one of those.")


def require_venv_module() -> None:
    from importlib.util import find_spec

    if not (find_spec("venv") and find_spec("ensurepip")):
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise LauncherError(
            "This Python lacks the modules 'venv' and 'ensurepip'; "
            f"on Debian or Ubuntu run 'sudo apt install {package}', elsewhere install Python from python.org."
        )


def require_space(free_bytes: int) -> None:
    if free_bytes < SETUP_BYTES:
        raise LauncherError(
            f"Set-up needs {SETUP_BYTES / 1e9:.0f} GB of disk space (10 GB with CUDA), but only "
            f"{free_bytes / 1e9:.1f} GB are free at {ROOT}; free some space or move Kinora to another disk."
        )


def require_free_port(port: int) -> None:
    """Say before a long set-up what the studio would say after it."""
    import socket

    if not 0 < port < 65536:
        raise LauncherError(f"Port must be between 1 and 65535; you asked for {port}.")
    with socket.socket() as probe:
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise LauncherError(f"Port {port} is taken; choose another with --port.") from None


def environment(data: Path | None) -> dict[str, str]:
    """Return the environment of a command, which finds our packages from any folder, and the data folder."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
    if data is not None:
        env["KINORA_DATA"] = str(data.expanduser().absolute())
    return env


def start(command: list[str | Path], env: dict[str, str]) -> int:
    """Become `command` where the system can, so that signals reach it; else return its exit code."""
    words = [str(word) for word in command]
    sys.stdout.flush()
    if os.name == "nt":
        return subprocess.call(words, env=env)
    os.execve(words[0], words, env)


def doctor(venv: Venv, env: dict[str, str]) -> int:
    is_ready = venv.is_ready()
    print(f"Set-up       {'complete' if is_ready else 'not complete: run python launcher.py'}")
    return start([venv.python if is_ready else sys.executable, "-m", "backend.doctor"], env)


def test(venv: Venv, env: dict[str, str], *, pytest_options: list[str], choice: argparse.Namespace) -> int:
    """Return the worst exit code of the style check, the type check and the tests."""
    if not venv.is_ready(extra="dev"):
        venv.set_up(extra="dev")
    if not (choice.fast or choice.faults):
        install_browser()
    if not choice.faults:
        env = {"OMP_NUM_THREADS": "1", **env}  # two processes that each took all cores would wait in turn
    steps = (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy", "backend", "studio"],
        ["pytest", *chosen_tests(choice), *(option for option in pytest_options if option != "--")],
    )
    worst = 0
    for step in steps:
        say(f"Kinora: {' '.join(step)}")
        worst = max(worst, abs(subprocess.call([str(venv.python), "-m", *step], cwd=ROOT, env=env)))
    return worst


def chosen_tests(choice: argparse.Namespace) -> list[str]:
    """Return the options that tell pytest which tests to run, and in how many processes.

    Most tests wait for a browser or a worker, so two processes halve their time; those that kill processes
    run one by one.
    """
    if choice.faults:
        return ["-m", "faults"]
    marks = "not browser and not faults" if choice.fast else "not faults"
    return ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "-m", marks]


def install_browser() -> None:
    """Install Chromium through apt where that is possible; else say why the browser tests will be skipped."""
    if any(map(shutil.which, BROWSERS)):
        return
    sudo = [] if os.name != "nt" and os.geteuid() == 0 else ["sudo", "-n"]
    can_install = shutil.which("apt-get") and (not sudo or shutil.which("sudo"))
    if can_install:
        say("Kinora: installing Chromium for the browser tests.")
        for step in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
            subprocess.call([*sudo, "apt-get", "-qq", *step], stdout=sys.stderr)
    if not any(map(shutil.which, BROWSERS)):
        say("Kinora: no Chromium here, and it could not be installed: the browser tests will be skipped.")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
