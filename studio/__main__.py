"""`python -m studio`: serve the studio to the browsers of this machine."""

import argparse
import errno
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import webbrowser
from contextlib import suppress
from getpass import getpass
from pathlib import Path

import uvicorn

from backend.api import Api
from backend.config import DEFAULT_PORT, Settings, load_settings
from backend.errors import StudioError
from backend.logs import recorded
from studio.door import network_addresses, open_door

HOST = "127.0.0.1"
EVERY_HOST = "0.0.0.0"
MIN_PASSWORD_CHARACTERS = 8


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; return the exit code, 1 after one sentence that says why it cannot start."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    settings = load_settings(data_dir=options.data, device=options.device, port=options.port)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        password = _password(settings.password) if options.listen else ""
        with _listen(EVERY_HOST if options.listen else HOST, settings.port) as listener:
            _serve(settings, listener, password=password, with_browser=not options.no_browser)
    except StudioError as exc:
        print(exc, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studio", description="Open the studio in a browser.")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the database and all clips")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port on 127.0.0.1; 0: a free one")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), help="where clips are computed")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument("--listen", action="store_true", help="answer other machines too, with a password")
    return parser


def _password(given: str) -> str:
    """Return the password for other machines, typed in where none is given; StudioError for a short one."""
    if not given and sys.stdin.isatty():
        with suppress(EOFError):
            given = getpass("Password for other machines: ")
    if len(given) < MIN_PASSWORD_CHARACTERS:
        raise StudioError(
            f"--listen needs a password of at least {MIN_PASSWORD_CHARACTERS} characters; "
            "set KINORA_PASSWORD to one, or start in a terminal and type it there."
        )
    return given


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that queues connections at once, so that a browser may come too early."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as exc:
        listener.close()
        raise StudioError(_cannot_listen(port, exc)) from exc
    listener.listen(128)
    return listener


def _cannot_listen(port: int, problem: Exception) -> str:
    if isinstance(problem, OSError) and problem.errno == errno.EADDRINUSE:
        return f"Port {port} is taken; close the program that uses it, or start with --port {port + 1}."
    return f"The studio cannot listen on port {port}: {problem}; choose another with --port."


def _serve(settings: Settings, listener: socket.socket, *, password: str, with_browser: bool) -> None:
    """Answer on `listener` until a signal ends it."""
    _prepare_gradio(settings)
    # Gradio reads its environment when it is imported, and shares no core with the worker while it is read.
    from studio.app import build_app

    port, token = listener.getsockname()[1], secrets.token_urlsafe(32)
    url = f"http://{HOST}:{port}"
    with Api.open(settings) as api, recorded(settings.logs_dir / "studio.log"):
        _make_private(settings)
        app = build_app(api, port=port, token=token, password=password)
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", proxy_headers=False, timeout_graceful_shutdown=2)
        )
        with open_door(settings.door_path, url, token=token):
            address = f"{url}/?token={token}"
            print(f"Kinora is open at {address}\nPress Ctrl+C to close it.", flush=True)
            if password:
                print(_tell_network(port), flush=True)
            if with_browser:
                webbrowser.open(address)
            server.run(sockets=[listener])


def _tell_network(port: int) -> str:
    """Return where other machines find the studio, and what to mind."""
    addresses = [f"http://{address}:{port}" for address in network_addresses()]
    if not addresses:
        return "This machine has no network, so no other machine can reach it."
    return f"Other machines open {' or '.join(addresses)} and enter the password. " + (
        "Nothing is encrypted on the way: use this only in a network you trust."
    )


def _make_private(settings: Settings) -> None:
    """Close the data folder to other users, and empty that of uploads, which earlier launches left."""
    shutil.rmtree(settings.uploads_dir, ignore_errors=True)
    for folder in (settings.data_dir, settings.uploads_dir):
        folder.mkdir(mode=0o700, exist_ok=True)
        with suppress(OSError):  # a folder of somebody else, or a file system without modes
            folder.chmod(0o700)


def _prepare_gradio(settings: Settings) -> None:
    """Tell Gradio and its libraries to call nobody, and to keep uploads inside the data folder."""
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]  # GRADIO_SHARE and its like open what is closed here
    os.environ["GRADIO_TEMP_DIR"] = str(settings.uploads_dir)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_OFFLINE"] = "1"


if __name__ == "__main__":
    sys.exit(main())
