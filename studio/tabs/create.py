"""Create: a prompt becomes a clip. Inputs left, the clip in the middle, takes and queue right."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import gradio as gr

from backend.api import Api, Generation
from backend.errors import RequestError, StudioError
from backend.requests import ClipRequest, Request, parse_request
from studio.controls import controls, honoured, page_engine
from studio.endpoints import sentence
from studio.estimates import connect_estimate
from studio.inputs import (
    QUIET,
    Inputs,
    build_inputs,
    engine_changes,
    engine_choices,
    engine_parts,
    own_html,
)
from studio.markup import HERO, TAKES
from studio.parts import as_text, with_rows

EXAMPLES = (
    "a red ball bounces on a green meadow",
    "a blue cube spins on the beach at sunset",
    "a yellow ring rolls left across the snow",
)

_SUBMITTED = "() => window.dispatchEvent(new Event('kinora:submitted'))"
_REFRESH = "() => window.dispatchEvent(new Event('kinora:changed'))"
# A browser knows which project it is in; the hidden field of that name only holds its place.
_WITH_PROJECT = "(_, ...values) => [localStorage.getItem('kinora-project') ?? '', ...values]"
# While a picture is being stored, its name is not there yet: a clip begun now would do without it.
_REMEMBER = "(name) => { if (name) localStorage.setItem('kinora-engine', name); }"
_HOLD, _RELEASE = (
    f"() => ({{ __type__: 'update', interactive: {is_free} }})" for is_free in ("false", "true")
)
_HERO_SEED = "() => document.querySelector('.hero').dataset.seed ?? ''"
_MOUNT_HERO = """
import('/assets/js/hero.js').then(({ mountHero }) => mountHero(element, {
  examples: props.examples,
  reuse: (id, part = 'all') => trigger('reuse', { id, part }),
  cancel: (id) => trigger('cancel', { id }),
  detail: (id, settings) => trigger('detail', { id, settings }),
  exportControls: props.exports,
}));
"""
_MOUNT_TAKES = """
import('/assets/js/takes.js').then(({ mountTakes }) => mountTakes(element, {
  cancel: (id) => trigger('cancel', { id }),
  retry: (id) => trigger('retry', { id }),
  front: (id) => trigger('front', { id }),
  edit: (id) => trigger('edit', { id }),
  pause: (atOnce) => trigger('pause', { atOnce }),
  resume: () => trigger('resume', {}),
}));
"""


def build(api: Api) -> None:
    """Build the page inside the Blocks being built; it reads and changes the studio through `api` alone."""
    with gr.Row(elem_id="create", equal_height=False):
        with gr.Column(elem_id="inputs", min_width=0):
            inputs = build_inputs(api)
        with gr.Column(elem_id="middle", min_width=0):
            offered = {"examples": EXAMPLES, "exports": api.exports.controls()}
            hero = own_html(HERO, js_on_load=_MOUNT_HERO, **offered)
        with gr.Column(elem_id="right", min_width=0):
            takes = own_html(TAKES, js_on_load=_MOUNT_TAKES)
    _connect_engine(api, inputs)
    _connect_generate(api, inputs)
    _connect_reuse(api, inputs, hero)
    _connect_detail(api, inputs, hero)
    _connect_pictures(api, inputs)
    connect_estimate(api, inputs, request_of=lambda values: _request(api, inputs, values))
    for panel in (hero, takes):
        _connect_cancel(api, panel, inputs.notice)
    _connect_queue(api, takes, inputs.notice)
    _connect_edit(api, inputs, takes)


def _connect_engine(api: Api, inputs: Inputs) -> None:
    """Connect the choice of a model, and what follows the models that come and go."""
    engine = inputs.fields["engine"]

    def switch(name: str) -> dict[Any, Any]:
        try:
            return {**engine_changes(api, inputs, page_engine(api, name)), inputs.notice: ""}
        except Exception as exc:
            return {inputs.notice: sentence(exc)}

    def follow(present: str, event: gr.EventData) -> dict[Any, Any]:
        choices = engine_choices(api)
        names = [name for _, name in choices]
        chosen = next((name for name in (event.chosen, present) if name in names), names[0])
        offered = gr.update(choices=choices, value=chosen, visible=len(choices) > 1)
        is_other = chosen != present or event.isChanged
        changes = engine_changes(api, inputs, page_engine(api, chosen)) if is_other else {}
        return {**changes, engine: offered}

    parts = engine_parts(inputs)
    engine.input(switch, engine, [*parts, inputs.notice], preprocess=False, **QUIET)  # type: ignore[attr-defined]
    engine.change(None, engine, None, js=_REMEMBER)  # type: ignore[attr-defined]
    inputs.follower.follow(follow, engine, parts, preprocess=False, **QUIET)


def _connect_generate(api: Api, inputs: Inputs) -> None:
    """Connect Generate, the marks under the prompt, and the buttons of the seed."""

    def generate(project: str, variations: Any, is_motion_asked: bool, *values: Any) -> str:
        return _told(
            lambda: api.submit(
                _request(api, inputs, (is_motion_asked, *values)),
                variations=variations,
                project_id=project or None,
            )
        )

    def mark_unknown(engine: str, prompt: str) -> dict[str, list[str]]:
        try:
            return {"unknown": api.unknown_words(prompt, engine=page_engine(api, engine).name)}
        except StudioError:
            return {"unknown": []}

    engine, seed = inputs.fields["engine"], inputs.fields["seed"]
    # Without Gradio's own checks, so that the page and the endpoints refuse with the same sentence.
    inputs.generate.click(
        generate,
        [inputs.project, inputs.variations, inputs.is_motion_asked, *inputs.fields.values()],
        inputs.notice,
        js=_WITH_PROJECT,
        preprocess=False,
        **QUIET,
    ).then(None, js=_SUBMITTED)
    gr.on(
        [inputs.prompt.change, engine.change],  # type: ignore[attr-defined]  # made from events
        mark_unknown,
        [engine, inputs.prompt],
        inputs.unknown_words,
        preprocess=False,
        trigger_mode="always_last",
        **QUIET,
    )
    inputs.random_seed.click(None, None, seed, js="() => ''")
    inputs.reuse_seed.click(None, None, seed, js=_HERO_SEED)


def _connect_reuse(api: Api, inputs: Inputs, hero: gr.HTML) -> None:
    """Connect what fills the inputs from a clip: Reuse and Remix, whole or in part, and a dropped file."""

    def fill(find: Callable[[], tuple[Request, Collection[str]]]) -> dict[Any, Any]:
        try:
            request, fields = find()
            return {**_filled(api, inputs, _clip_alone(request), fields), inputs.notice: ""}
        except Exception as exc:
            return {inputs.notice: sentence(exc)}

    def reuse(event: gr.EventData) -> dict[Any, Any]:
        return fill(lambda: api.library.reused(event.id, event.part))

    def load(path: str) -> dict[Any, Any]:
        return fill(lambda: (api.request_from_file(Path(path)), inputs.fields))

    outputs = [*engine_parts(inputs), inputs.notice]
    # By default a key that is pressed while another one is still answered would do nothing.
    hero.reuse(reuse, None, outputs, trigger_mode="multiple", **QUIET)
    inputs.upload.upload(load, inputs.upload, outputs, **QUIET)


def _connect_detail(api: Api, inputs: Inputs, hero: gr.HTML) -> None:
    """Connect Detail and Probe of the clip in the middle, and the detail of a clip that is brought along."""

    def detail(event: gr.EventData) -> str:
        return _told(lambda: api.submit(api.detail_request(event.id, **event.settings), parents=[event.id]))

    def detail_upload(project: str, path: str, prompt: str, engine: str) -> str:
        fields = {"engine": engine or page_engine(api).name, "prompt": prompt or ""}
        return _told(lambda: _submit_uploaded(api, Path(path), fields, project_id=project or None))

    hero.detail(detail, None, inputs.notice, **QUIET).then(None, js=_SUBMITTED)
    inputs.detail_upload.upload(
        detail_upload,
        [inputs.project, inputs.detail_upload, inputs.prompt, inputs.fields["engine"]],
        inputs.notice,
        js=_WITH_PROJECT,
        **QUIET,
    ).then(None, js=_SUBMITTED)


def _submit_uploaded(api: Api, path: Path, fields: dict[str, str], *, project_id: str | None) -> list[str]:
    """Queue the detail of the clip at `path` by an engine, with the words that say what it shows."""
    source = api.inputs.add_clip(path)
    return api.submit(parse_request({"kind": "detail", "source": source, **fields}), project_id=project_id)


def _connect_pictures(api: Api, inputs: Inputs) -> None:
    """Connect the picture slots: a picture is stored at once, and a name is shown wherever it comes from."""

    def store(path: str) -> tuple[Any, str]:
        try:
            stored = api.inputs.add_picture(Path(path))
            return stored.name, " ".join(stored.notes)
        except Exception as exc:
            return "", sentence(exc)

    def show(name: str) -> str | None:
        return str(api.inputs.image_path(name)) if name else None

    for field, picture in inputs.pictures.items():
        name = inputs.fields[field]
        picture.upload(None, None, inputs.generate, js=_HOLD)
        stored = picture.upload(store, picture, [name, inputs.notice], **QUIET)
        stored.then(None, None, inputs.generate, js=_RELEASE)
        picture.clear(lambda: "", None, name, **QUIET)
        name.change(show, name, picture, **QUIET)  # type: ignore[attr-defined]  # made from events


def _connect_cancel(api: Api, panel: gr.HTML, notice: gr.HTML) -> None:
    """Connect the Cancel buttons of a panel."""

    def cancel(event: gr.EventData) -> str:
        return _told(lambda: api.cancel(event.id))

    panel.cancel(cancel, None, notice, **QUIET)


def _connect_queue(api: Api, takes: gr.HTML, notice: gr.HTML) -> None:
    """Connect Retry of the takes, and what moves, pauses and resumes the queue."""

    def retry(event: gr.EventData) -> str:
        return _told(lambda: api.controls.retry(event.id))

    def front(event: gr.EventData) -> str:
        return _told(lambda: api.controls.move(event.id))

    def pause(event: gr.EventData) -> str:
        return _told(lambda: api.controls.pause(at_once=event.atOnce is True))

    def resume() -> str:
        return _told(api.controls.resume)

    takes.retry(retry, None, notice, **QUIET).then(None, js=_SUBMITTED)
    takes.front(front, None, notice, **QUIET).then(None, js=_REFRESH)
    takes.pause(pause, None, notice, **QUIET).then(None, js=_REFRESH)
    takes.resume(resume, None, notice, **QUIET).then(None, js=_REFRESH)


def _connect_edit(api: Api, inputs: Inputs, takes: gr.HTML) -> None:
    """Connect Edit of a waiting clip, and what saves it unless it was changed elsewhere meanwhile."""
    shown, hidden = gr.update(visible=True), gr.update(visible=False)

    def begin(event: gr.EventData) -> dict[Any, Any]:
        try:
            generation = api.generation(event.id)
            filled = _filled(api, inputs, _editable(generation), inputs.fields)
            begun = ["", f"{generation.id} {generation.edits}", shown, shown]
        except Exception as exc:
            filled, begun = {}, [sentence(exc), "", hidden, hidden]
        return {**filled, **dict(zip(state, begun, strict=True))}

    def save(editing: str, is_motion_asked: bool, *values: Any) -> list[Any]:
        generation_id, _, edits = editing.partition(" ")
        try:
            request = _request(api, inputs, (is_motion_asked, *values))
            api.edit(generation_id, request, edits=int(edits))
        except Exception as exc:
            return [sentence(exc), gr.skip(), gr.skip(), gr.skip()]
        return ["", "", hidden, hidden]

    fields, state = [*inputs.fields.values()], [inputs.notice, inputs.editing, inputs.save, inputs.leave]
    takes.edit(begin, None, [*engine_parts(inputs), *state], **QUIET)
    asked = [inputs.editing, inputs.is_motion_asked, *fields]
    inputs.save.click(save, asked, state, preprocess=False, **QUIET).then(None, js=_REFRESH)
    inputs.leave.click(lambda: ["", "", hidden, hidden], None, state, **QUIET)


def _editable(generation: Generation) -> ClipRequest:
    """Return the request of a waiting clip that these inputs can hold; RequestError for any other."""
    if generation.status != "queued":
        raise RequestError("status", "Only a clip that waits can be edited, and this has begun; use Reuse.")
    return _clip_alone(generation.request)


def _told(action: Callable[[], Any]) -> str:
    """Return what the page must say after `action`: nothing, or the one sentence of its error."""
    try:
        action()
    except Exception as exc:
        return sentence(exc)
    return ""


def _request(api: Api, inputs: Inputs, values: tuple[Any, ...]) -> ClipRequest:
    """Return the request that the inputs describe; RequestError says what is not allowed.

    values: whether an amount of motion is asked for, then those of the fields. What the engine does not
    honour is not shown and left out.
    """
    is_motion_asked, *form = values
    given = {
        field: value for field, value in zip(inputs.fields, form, strict=True) if value not in (None, "")
    }
    spec = page_engine(api, given.get("engine"))
    fields = honoured(spec) - (frozenset() if is_motion_asked else {"motion_score"})
    kept = {field: value for field, value in given.items() if field in fields}
    return _clip_alone(parse_request({**with_rows(kept), "engine": spec.name}))


def _filled(api: Api, inputs: Inputs, request: ClipRequest, fields: Collection[str]) -> dict[Any, Any]:
    """Return component -> update, such that the inputs of `fields` show what `request` says."""
    shown = request.model_dump()
    spec = page_engine(api, request.engine)
    updates = engine_changes(api, inputs, spec) if "engine" in fields else {}
    for field, component in inputs.fields.items():
        if field not in fields or (shown[field] is None and not isinstance(component, gr.Textbox)):
            continue
        value = as_text(shown[field]) if isinstance(component, gr.Textbox) else shown[field]
        settings = controls(spec).get(field, {}) if "engine" in fields else {}
        updates[component] = gr.update(**{**settings, "value": value}) if settings else value
    if "engine" in fields and any(shown[field] for field in inputs.pictures):
        updates[inputs.folds["given"]] = gr.update(visible=True, open=True)
    for field in inputs.panels:
        if "engine" in fields and field in honoured(spec) and shown[field]:
            updates[inputs.folds[field]] = gr.update(visible=True, open=True)
    if "motion_score" in fields:
        is_asked = shown["motion_score"] is not None
        updates[inputs.is_motion_asked] = gr.update(value=is_asked, visible="motion_score" in honoured(spec))
    return updates


def _clip_alone(request: Request) -> ClipRequest:
    """Return `request`, which must be that of a clip: other kinds have no place among these inputs."""
    if not isinstance(request, ClipRequest):
        raise RequestError(
            "kind", "This clip was made from another one; use the settings of that one instead."
        )
    return request
