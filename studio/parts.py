"""What a request may hold several times, on Create: pictures at frames, and LoRA files.

Their rows live in a hidden field as JSON text. A script shows and changes them; the server reads them as it
reads every request, so that the page and the command line refuse with the same sentence.
"""

import json
from typing import Any

import gradio as gr

from backend.api import EngineSpec
from studio.controls import honoured
from studio.parts_markup import KEY_FRAMES, LORAS

PARTS = ("given_frames", "loras")
_TITLES = {"given_frames": "Images at frames", "loras": "LoRA files"}
_TEMPLATES = {"given_frames": KEY_FRAMES, "loras": LORAS}
_MOUNT = """
import('/assets/js/parts.js').then(({{ mountPart }}) => mountPart(element, '{field}', props, watch));
"""
_TELL = "(text) => window.dispatchEvent(new CustomEvent('kinora:{field}', {{ detail: text }}))"


def part_fold(field: str, spec: EngineSpec) -> tuple[gr.Accordion, gr.HTML]:
    """Return the fold of the rows of `field`, closed, and what shows them."""
    name = field.replace("_", "-")
    is_honoured = field in honoured(spec)
    with gr.Accordion(_TITLES[field], open=False, elem_id=name, visible=is_honoured) as fold:
        panel = gr.HTML(
            panel_value(spec),
            html_template=_TEMPLATES[field],
            js_on_load=_MOUNT.format(field=field),
            apply_default_css=False,
            elem_id=f"{name}-panel",
        )
    return fold, panel


def part_rows() -> dict[str, gr.Textbox]:
    """Return the hidden fields of the rows, which belong outside of their folds, by request field."""
    rows = {}
    for field in PARTS:
        rows[field] = gr.Textbox(
            visible="hidden", container=False, elem_id=f"{field.replace('_', '-')}-rows", lines=1
        )
        tell = _TELL.format(field=field)
        rows[field].change(None, rows[field], None, js=tell, queue=False, api_visibility="private")  # type: ignore[attr-defined]
    return rows


def part_changes(
    folds: dict[str, gr.Accordion], panels: dict[str, gr.HTML], spec: EngineSpec
) -> dict[Any, Any]:
    """Return component -> update for an engine: the folds that it honours, and what their rows are about."""
    shown: dict[Any, Any] = {folds[field]: gr.update(visible=field in honoured(spec)) for field in PARTS}
    return shown | {panel: panel_value(spec) for panel in panels.values()}


def panel_value(spec: EngineSpec) -> dict[str, Any]:
    """Return what the script of the rows must know of an engine."""
    return {"engine": spec.name, "title": spec.title, "frame_rate": spec.frame_rate}


def as_text(value: Any) -> str:
    """Return what a text input shows of a request's `value`: rows as JSON, all else as it is written."""
    if isinstance(value, tuple | list):
        return json.dumps(value) if value else ""
    return "" if value is None else str(value)


def with_rows(given: dict[str, Any]) -> dict[str, Any]:
    """Return `given`, the texts of inputs by field, with rows in place of their JSON where it is any."""
    return {field: _rows(value) if field in PARTS else value for field, value in given.items()}


def _rows(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return text  # which the request refuses
