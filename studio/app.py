"""The studio as one web application: the page from the table of tabs, routes, endpoints and guard."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from fastapi import FastAPI, Response
from fastapi.staticfiles import StaticFiles
from starlette.requests import Request

from backend.api import Api
from studio.door import hosts
from studio.endpoints import add_endpoints
from studio.entrance import Entrance
from studio.exports import export_routes
from studio.given_routes import given_routes
from studio.guard import MAX_BODY_BYTES, Guard
from studio.library_routes import library_routes
from studio.markup import HEADER
from studio.model_routes import model_routes
from studio.routes import studio_routes
from studio.tabs import create, library, models, sound
from studio.theme import colour_tokens, kinora_theme


@dataclass(frozen=True)
class Tab:
    """One page of the studio: its name in the bar, what builds it, and whether it works here."""

    title: str
    build: Callable[[Api], None]
    is_offered: Callable[[Api], bool] = lambda _: True


TABS = (
    Tab("Create", create.build),
    Tab("Sound", sound.build, sound.is_offered),
    Tab("Library", library.build),
    Tab("Models", models.build),
)

_ASSETS = Path(__file__).parent.parent / "assets"
_STYLE_SHEETS = (
    "layout",
    "inputs",
    "hero",
    "detail",
    "export",
    "takes",
    "library",
    "sound",
    "models",
    "given",
)
_MOUNT_HEADER = "import('/assets/js/header.js').then(({ mountHeader }) => mountHeader(element));"
_HEAD = """
<meta name="theme-color" content="#14151A">
<style>{tokens}</style>
<script>
  const chosen = localStorage.getItem('kinora-theme');
  if (chosen) document.documentElement.dataset.theme = chosen;
</script>
"""
_MAX_QUEUED_EVENTS = 50  # of Gradio's own queue, which only programs use; clips wait in the database
# What Gradio serves and the page does not use: pages for developers, fetching from other hosts, recording.
_CLOSED = (
    "openapi.json",
    "deep_link",
    "process_recording",
    "proxy={rest:path}",
    "file=http:{rest:path}",
    "file=https:{rest:path}",
)
_TEMPORARY_FILES_SECONDS = (3600, 86400)  # how often uploads are looked through, and how old they may get


def build_page(api: Api) -> gr.Blocks:
    """Return the page: header, one tab per row of TABS, and the named endpoints."""
    with gr.Blocks(
        title="Kinora", fill_width=True, analytics_enabled=False, delete_cache=_TEMPORARY_FILES_SECONDS
    ) as page:
        add_endpoints(api)  # before the tabs, whose events would take their names
        gr.HTML(html_template=HEADER, js_on_load=_MOUNT_HEADER, elem_id="header", apply_default_css=False)
        with gr.Tabs(elem_id="pages"):
            for tab in (tab for tab in TABS if tab.is_offered(api)):
                with gr.Tab(tab.title):
                    tab.build(api)
    return page.queue(max_size=_MAX_QUEUED_EVENTS)


def build_app(api: Api, *, port: int, token: str, password: str = "") -> FastAPI:
    """Return the application to serve on `port`, which answers only who knows `token`.

    password: lets in other machines too, which then may use the addresses of this one; empty for none.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(
        Guard,
        hosts=hosts(port, with_network=bool(password)),
        entrance=Entrance(token=token, port=port, password=password),
    )
    app.include_router(export_routes(api))  # before the media of generations, whose ids are no names of files
    app.include_router(studio_routes(api))
    app.include_router(library_routes(api))
    app.include_router(model_routes(api))
    app.include_router(given_routes(api))
    for path in _CLOSED:
        app.add_route(f"/gradio_api/{path}", _not_found, methods=["GET", "POST"])
    for kind in ("css", "js"):
        app.mount(f"/assets/{kind}", StaticFiles(directory=_ASSETS / kind))
    return gr.mount_gradio_app(
        app,
        build_page(api),
        path="/",
        server_name="127.0.0.1",
        server_port=port,
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        theme=kinora_theme(),
        css_paths=[_ASSETS / "css" / f"{name}.css" for name in _STYLE_SHEETS],
        head=_HEAD.format(tokens=colour_tokens()),
        # gradio_client fetches what /generation names, the page shows given pictures
        allowed_paths=[str(api.settings.outputs_dir), str(api.settings.inputs_dir)],
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        ssr_mode=False,
        show_error=False,
        max_file_size=MAX_BODY_BYTES,
    )


def _not_found(_: Request) -> Response:
    return Response(status_code=404)
