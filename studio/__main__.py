"""`python -m studio`: serve the studio to the browsers of this machine."""

import argparse
import errno
import logging
import os
import signal
import socket
import sys
import webbrowser
from pathlib import Path

import uvicorn

from backend.api import Api
from backend.config import DEFAULT_PORT, Settings, load_settings
from backend.errors import StudioError
from studio.door import open_door

HOST = "127.0.0.1"


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; return the exit code, 1 after one sentence that says why it cannot start."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    settings = load_settings(data_dir=options.data, device=options.device, port=options.port)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _listen(settings.port) as listener:
            _serve(settings, listener, with_browser=not options.no_browser)
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
    return parser


def _listen(port: int) -> socket.socket:
    """Return a socket that queues connections at once, so that a browser may come too early."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except (OSError, OverflowError) as exc:
        listener.close()
        raise StudioError(_cannot_listen(port, exc)) from exc
    listener.listen(128)
    return listener


def _cannot_listen(port: int, problem: Exception) -> str:
    if isinstance(problem, OSError) and problem.errno == errno.EADDRINUSE:
        return f"Port {port} is taken; close the program that uses it, or start with --port {port + 1}."
    return f"The studio cannot listen on port {port}: {problem}; choose another with --port."


def _serve(settings: Settings, listener: socket.socket, *, with_browser: bool) -> None:
    """Answer on `listener` until a signal ends it."""
    _prepare_gradio(settings)
    # Gradio reads its environment when it is imported, and shares no core with the worker while it is read.
    from studio.app import build_app

    port = listener.getsockname()[1]
    url = f"http://{HOST}:{port}"
    with Api.open(settings) as api:
        settings.uploads_dir.mkdir(mode=0o700, exist_ok=True)
        server = uvicorn.Server(
            uvicorn.Config(build_app(api, port=port), log_level="warning", timeout_graceful_shutdown=2)
        )
        with open_door(settings.door_path, url):
            print(f"Kinora is open at {url}; press Ctrl+C to close it.", flush=True)
            if with_browser:
                webbrowser.open(url)
            server.run(sockets=[listener])


def _prepare_gradio(settings: Settings) -> None:
    """Tell Gradio and its libraries to call nobody, and to keep uploads inside the data folder."""
    os.environ["GRADIO_TEMP_DIR"] = str(settings.uploads_dir)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_OFFLINE"] = "1"


if __name__ == "__main__":
    sys.exit(main())
