"""Create: a prompt becomes a clip. Inputs left, the clip in the middle, takes and queue right."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import gradio as gr

from backend.api import Api, Generation
from backend.errors import RequestError, StudioError
from backend.requests import ClipRequest, DetailRequest, Request, parse_request
from studio.endpoints import sentence
from studio.inputs import QUIET, Inputs, build_inputs, own_html, page_engine
from studio.markup import HERO, TAKES

EXAMPLES = (
    "a red ball bounces on a green meadow",
    "a blue cube spins on the beach at sunset",
    "a yellow ring rolls left across the snow",
)

_COSTLY_FIELDS = (
    "preset",
    "duration_seconds",
    "aspect_ratio",
    "num_inference_steps",
    "guidance_scale",
    "image_guidance_scale",
    "motion_guidance_scale",
    "image",
    "last_image",
)

_SUBMITTED = "() => window.dispatchEvent(new Event('kinora:submitted'))"
_REFRESH = "() => window.dispatchEvent(new Event('kinora:changed'))"
# A browser knows which project it is in; the hidden field of that name only holds its place.
_WITH_PROJECT = "(_, ...values) => [localStorage.getItem('kinora-project') ?? '', ...values]"
# While a picture is being stored, its name is not there yet: a clip begun now would do without it.
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
  detailOptions: props.detail,
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
            offered = {"detail": _detail_options(api), "exports": api.exports.controls()}
            hero = own_html(HERO, js_on_load=_MOUNT_HERO, examples=EXAMPLES, **offered)
        with gr.Column(elem_id="right", min_width=0):
            takes = own_html(TAKES, js_on_load=_MOUNT_TAKES)
    _connect_generate(api, inputs)
    _connect_reuse(api, inputs, hero)
    _connect_detail(api, inputs, hero)
    _connect_pictures(api, inputs)
    _connect_prediction(api, inputs)
    for panel in (hero, takes):
        _connect_cancel(api, panel, inputs.notice)
    _connect_queue(api, takes, inputs.notice)
    _connect_edit(api, inputs, takes)


def _connect_generate(api: Api, inputs: Inputs) -> None:
    """Connect Generate, the marks under the prompt, and the buttons of the seed."""

    def generate(project: str, variations: Any, is_motion_asked: bool, *values: Any) -> str:
        return _told(
            lambda: api.submit(
                _request(api, inputs, values, is_motion_asked),
                variations=variations,
                project_id=project or None,
            )
        )

    def mark_unknown(prompt: str) -> dict[str, list[str]]:
        return {"unknown": api.unknown_words(prompt, engine=page_engine(api).name)}

    seed = inputs.fields["seed"]
    # Without Gradio's own checks, so that the page and the endpoints refuse with the same sentence.
    inputs.generate.click(
        generate,
        [inputs.project, inputs.variations, inputs.is_motion_asked, *inputs.fields.values()],
        inputs.notice,
        js=_WITH_PROJECT,
        preprocess=False,
        **QUIET,
    ).then(None, js=_SUBMITTED)
    inputs.prompt.change(
        mark_unknown, inputs.prompt, inputs.unknown_words, trigger_mode="always_last", **QUIET
    )
    inputs.random_seed.click(None, None, seed, js="() => ''")
    inputs.reuse_seed.click(None, None, seed, js=_HERO_SEED)


def _connect_reuse(api: Api, inputs: Inputs, hero: gr.HTML) -> None:
    """Connect what fills the inputs from a clip: Reuse and Remix, whole or in part, and a dropped file."""

    def fill(find: Callable[[], tuple[Request, Collection[str]]]) -> list[Any]:
        try:
            request, fields = find()
            values = zip(inputs.fields, _values(inputs, _clip_alone(request)), strict=True)
            shown = [value if field in fields else gr.skip() for field, value in values]
            motion = request.model_dump()["motion_score"]
            return [*shown, motion is not None if "motion_score" in fields else gr.skip(), ""]
        except Exception as exc:
            return [*(gr.skip() for _ in inputs.fields), gr.skip(), sentence(exc)]

    def reuse(event: gr.EventData) -> list[Any]:
        return fill(lambda: api.library.reused(event.id, event.part))

    def load(path: str) -> list[Any]:
        return fill(lambda: (api.request_from_file(Path(path)), inputs.fields))

    outputs = [*inputs.fields.values(), inputs.is_motion_asked, inputs.notice]
    hero.reuse(reuse, None, outputs, **QUIET)
    inputs.upload.upload(load, inputs.upload, outputs, **QUIET)


def _connect_detail(api: Api, inputs: Inputs, hero: gr.HTML) -> None:
    """Connect Detail and Probe of the clip in the middle, and the detail of a clip that is brought along."""

    def detail(event: gr.EventData) -> str:
        return _told(lambda: api.submit(api.detail_request(event.id, **event.settings), parents=[event.id]))

    def detail_upload(project: str, path: str, prompt: str) -> str:
        return _told(lambda: _submit_uploaded(api, Path(path), prompt, project_id=project or None))

    hero.detail(detail, None, inputs.notice, **QUIET).then(None, js=_SUBMITTED)
    inputs.detail_upload.upload(
        detail_upload,
        [inputs.project, inputs.detail_upload, inputs.prompt],
        inputs.notice,
        js=_WITH_PROJECT,
        **QUIET,
    ).then(None, js=_SUBMITTED)


def _submit_uploaded(api: Api, path: Path, prompt: str, *, project_id: str | None) -> list[str]:
    """Queue the detail of the clip at `path`, which shows what the prompt says."""
    fields = {"kind": "detail", "engine": page_engine(api).name, "source": api.inputs.add_clip(path)}
    return api.submit(parse_request({**fields, "prompt": prompt or ""}), project_id=project_id)


def _detail_options(api: Api) -> dict[str, Any] | None:
    """Return what the page offers for detail, or None where the engine adds none."""
    spec = page_engine(api).detail
    names = ("target_size", "degradation_step", "num_inference_steps", "guidance_scale", "timestep_shift")
    if spec is None:
        return None
    defaults = {name: DetailRequest.model_fields[name].default for name in names}
    defaults |= {"degradation_step": spec.degradation_step}
    return {"safe": spec.safe_ranges, "defaults": defaults, "leastSimilarity": spec.least_similarity}


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


def _connect_prediction(api: Api, inputs: Inputs) -> None:
    """Connect the predicted seconds to all inputs that change them, and ask until the model has loaded."""

    def predict(*values: Any) -> tuple[str, Any]:
        try:
            seconds = api.predicted_seconds(_request(api, inputs, ("-", *values), is_motion_asked=False))
        except StudioError:
            return "", gr.skip()
        return ("", gr.skip()) if seconds is None else (_rounded(seconds), gr.Timer(active=False))

    _, *others = inputs.fields.values()
    timer = gr.Timer(1.0)
    changes = [inputs.fields[field].change for field in _COSTLY_FIELDS]  # type: ignore[attr-defined]
    gr.on(
        [timer.tick, *changes],
        predict,
        others,
        [inputs.prediction, timer],
        preprocess=False,
        trigger_mode="always_last",
        **QUIET,
    )


def _rounded(seconds: float) -> str:
    return "less than a second" if seconds < 0.95 else f"{seconds:.0f} s"


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

    def begin(event: gr.EventData) -> list[Any]:
        try:
            generation = api.generation(event.id)
            request = _editable(api, generation)
            values = [*_values(inputs, request), request.motion_score is not None]
            return [*values, "", f"{generation.id} {generation.edits}", shown, shown]
        except Exception as exc:
            return [*(gr.skip() for _ in inputs.fields), gr.skip(), sentence(exc), "", hidden, hidden]

    def save(editing: str, is_motion_asked: bool, *values: Any) -> list[Any]:
        generation_id, _, edits = editing.partition(" ")
        try:
            request = _request(api, inputs, values, is_motion_asked)
            api.edit(generation_id, request, edits=int(edits))
        except Exception as exc:
            return [sentence(exc), gr.skip(), gr.skip(), gr.skip()]
        return ["", "", hidden, hidden]

    fields, state = [*inputs.fields.values()], [inputs.notice, inputs.editing, inputs.save, inputs.leave]
    takes.edit(begin, None, [*fields, inputs.is_motion_asked, *state], **QUIET)
    asked = [inputs.editing, inputs.is_motion_asked, *fields]
    inputs.save.click(save, asked, state, preprocess=False, **QUIET).then(None, js=_REFRESH)
    inputs.leave.click(lambda: ["", "", hidden, hidden], None, state, **QUIET)


def _editable(api: Api, generation: Generation) -> ClipRequest:
    """Return the request of a waiting clip that these inputs can hold; RequestError for any other."""
    if generation.status != "queued":
        raise RequestError("status", "Only a clip that waits can be edited, and this has begun; use Reuse.")
    if generation.request.engine != page_engine(api).name:
        raise RequestError("engine", "This clip waits for another model; cancel it and make it anew there.")
    return _clip_alone(generation.request)


def _told(action: Callable[[], Any]) -> str:
    """Return what the page must say after `action`: nothing, or the one sentence of its error."""
    try:
        action()
    except Exception as exc:
        return sentence(exc)
    return ""


def _request(api: Api, inputs: Inputs, values: tuple[Any, ...], is_motion_asked: bool) -> ClipRequest:
    """Return the request that the inputs describe; RequestError says what is not allowed."""
    form = zip(inputs.fields, values, strict=True)
    left_out = () if is_motion_asked else ("motion_score",)
    given = {field: value for field, value in form if value not in (None, "") and field not in left_out}
    return _clip_alone(parse_request({"engine": page_engine(api).name, **given}))


def _values(inputs: Inputs, request: ClipRequest) -> list[Any]:
    """Return what each input shows for `request`."""
    shown = request.model_dump()
    texts = {field for field, each in inputs.fields.items() if isinstance(each, gr.Textbox)}
    shown |= {field: "" if shown[field] is None else str(shown[field]) for field in texts}
    return [gr.skip() if shown[field] is None else shown[field] for field in inputs.fields]


def _clip_alone(request: Request) -> ClipRequest:
    """Return `request`, which must be that of a clip: other kinds have no place among these inputs."""
    if not isinstance(request, ClipRequest):
        raise RequestError(
            "kind", "This clip was made from another one; use the settings of that one instead."
        )
    return request
