"""Create: a prompt becomes a clip. Inputs left, the clip in the middle, takes and queue right."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from backend.api import Api, EngineSpec
from backend.requests import ASPECT_RATIOS, MAX_VARIATIONS, ClipRequest, parse_request
from studio.endpoints import sentence
from studio.markup import HERO, KNOWN_WORDS, NOTICE, TAKES, WORDS

DEFAULTS = ClipRequest(prompt="-")
EXAMPLES = (
    "a red ball bounces on a green meadow",
    "a blue cube spins on the beach at sunset",
    "a yellow ring rolls left across the snow",
)
OFFERED_VARIATIONS = tuple(n for n in (1, 2, 3, 4) if n <= MAX_VARIATIONS)

_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
_SUBMITTED = "() => window.dispatchEvent(new Event('kinora:submitted'))"
_HERO_SEED = "() => document.querySelector('.hero').dataset.seed ?? ''"
_MOUNT_HERO = """
import('/assets/js/hero.js').then(({ mountHero }) => mountHero(element, {
  examples: props.examples,
  reuse: (id) => trigger('reuse', { id }),
  remix: (id) => trigger('remix', { id }),
  cancel: (id) => trigger('cancel', { id }),
}));
"""
_MOUNT_TAKES = """
import('/assets/js/takes.js').then(({ mountTakes }) => mountTakes(element, {
  cancel: (id) => trigger('cancel', { id }),
}));
"""
_MOUNT_WORDS = "import('/assets/js/prompt.js').then(({ mountWords }) => mountWords(element));"


@dataclass(frozen=True)
class Inputs:
    """The left column. fields: name of a request field -> its input; everything else by what it is for."""

    fields: dict[str, Component]
    prompt: gr.Textbox
    variations: gr.Radio
    generate: gr.Button
    notice: gr.HTML
    unknown_words: gr.HTML
    random_seed: gr.Button
    reuse_seed: gr.Button
    upload: gr.UploadButton


def build(api: Api) -> None:
    """Build the page inside the Blocks being built; it reads and changes the studio through `api` alone."""
    with gr.Row(elem_id="create", equal_height=False):
        with gr.Column(elem_id="inputs", min_width=0):
            inputs = _inputs(api)
        with gr.Column(elem_id="middle", min_width=0):
            hero = _html(HERO, js_on_load=_MOUNT_HERO, examples=EXAMPLES)
        with gr.Column(elem_id="right", min_width=0):
            takes = _html(TAKES, js_on_load=_MOUNT_TAKES)
    _connect_generate(api, inputs)
    _connect_reuse(api, inputs, hero)
    for panel in (hero, takes):
        _connect_cancel(api, panel, inputs.notice)


def _inputs(api: Api) -> Inputs:
    """Build the left column, in the order in which a creator decides."""
    spec = _engine(api)
    prompt = gr.Textbox(
        label="Prompt", lines=4, max_lines=8, elem_id="prompt", placeholder="What happens, and where?"
    )
    unknown_words = _html(WORDS, {"unknown": []}, elem_id="unknown-words")
    _html(KNOWN_WORDS, _vocabulary(api), js_on_load=_MOUNT_WORDS, elem_id="known-words")
    with gr.Accordion("Negative prompt", open=False, elem_id="negative"):
        negative_prompt = gr.Textbox(
            label="What you do not want to see", lines=2, max_lines=4, elem_id="negative-prompt"
        )
    shape = _shape(spec)
    variations = gr.Radio(
        OFFERED_VARIATIONS, value=1, label="Variations", elem_id="variations", elem_classes="segments"
    )
    generate = gr.Button("Generate", variant="primary", elem_id="generate")
    notice = _html(NOTICE, "", elem_id="notice")
    with gr.Accordion("Advanced", open=False, elem_id="advanced"):
        seed, random_seed, reuse_seed = _seed()
        strength = _strength(spec)
    return Inputs(
        fields={"prompt": prompt, "negative_prompt": negative_prompt, **shape, "seed": seed, **strength},
        prompt=prompt,
        variations=variations,
        generate=generate,
        notice=notice,
        unknown_words=unknown_words,
        random_seed=random_seed,
        reuse_seed=reuse_seed,
        upload=gr.UploadButton("Load settings from a clip…", elem_id="load-settings", size="sm"),
    )


def _shape(spec: EngineSpec) -> dict[str, Component]:
    """Return the inputs for how long and how wide, by request field."""
    shortest, longest = spec.duration_range
    seconds = gr.Slider(
        shortest,
        longest,
        DEFAULTS.duration_seconds,
        step=0.25,
        label="Seconds",
        elem_id="seconds",
        buttons=[],
    )
    aspect_ratio = gr.Radio(
        [ratio for ratio in ASPECT_RATIOS if ratio in spec.sizes],
        value=DEFAULTS.aspect_ratio,
        label="Aspect ratio",
        elem_id="aspect",
        elem_classes="segments",
    )
    return {"duration_seconds": seconds, "aspect_ratio": aspect_ratio}


def _seed() -> tuple[gr.Textbox, gr.Button, gr.Button]:
    """Return the seed and its two buttons. It is text, because a browser rounds numbers beyond 2^53."""
    with gr.Row(elem_id="seed-row"):
        seed = gr.Textbox(
            label="Seed",
            placeholder="random",
            info="The same words with the same seed make the same clip again; empty draws a new one.",
            elem_id="seed",
            min_width=0,
        )
        random_seed = gr.Button("Random", size="sm", elem_id="random-seed", min_width=0)
        reuse_seed = gr.Button("Reuse", size="sm", elem_id="reuse-seed", min_width=0)
    return seed, random_seed, reuse_seed


def _strength(spec: EngineSpec) -> dict[str, Component]:
    """Return the inputs for how much work goes into a clip, by request field."""
    steps = gr.Slider(
        1,
        spec.max_inference_steps,
        DEFAULTS.num_inference_steps,
        step=1,
        label="Steps",
        info="More steps make shapes and edges cleaner; each one adds time.",
        elem_id="steps",
    )
    guidance = gr.Slider(
        *_limits("guidance_scale"),
        DEFAULTS.guidance_scale,
        step=0.5,
        label="Guidance",
        info="Higher follows your words more closely; too high makes colours harsh and motion stiff.",
        elem_id="guidance",
    )
    return {"num_inference_steps": steps, "guidance_scale": guidance}


def _html(template: str, value: Any = None, *, js_on_load: str | None = None, **options: Any) -> gr.HTML:
    """Return a component of our own HTML, without Gradio's styles for text."""
    return gr.HTML(value, html_template=template, js_on_load=js_on_load, apply_default_css=False, **options)


def _connect_generate(api: Api, inputs: Inputs) -> None:
    """Connect Generate, the marks under the prompt, and the buttons of the seed."""

    def generate(variations: Any, *values: Any) -> str:
        return _told(lambda: api.submit(_request(api, inputs, values), variations=variations))

    def mark_unknown(prompt: str) -> dict[str, list[str]]:
        return {"unknown": api.unknown_words(prompt, engine=_engine(api).name)}

    seed = inputs.fields["seed"]
    # Without Gradio's own checks, so that the page and the endpoints refuse with the same sentence.
    inputs.generate.click(
        generate, [inputs.variations, *inputs.fields.values()], inputs.notice, preprocess=False, **_QUIET
    ).then(None, js=_SUBMITTED)
    inputs.prompt.change(
        mark_unknown, inputs.prompt, inputs.unknown_words, trigger_mode="always_last", **_QUIET
    )
    inputs.random_seed.click(None, None, seed, js="() => ''")
    inputs.reuse_seed.click(None, None, seed, js=_HERO_SEED)


def _connect_reuse(api: Api, inputs: Inputs, hero: gr.HTML) -> None:
    """Connect what fills the inputs from a clip: Reuse, Remix, and a file dropped on the page."""

    def fill(find: Callable[[], ClipRequest]) -> list[Any]:
        try:
            return [*_values(inputs, find()), ""]
        except Exception as exc:
            return [*(gr.skip() for _ in inputs.fields), sentence(exc)]

    def reuse(event: gr.EventData) -> list[Any]:
        return fill(lambda: _as_made(api, event.id))

    def remix(event: gr.EventData) -> list[Any]:
        return fill(lambda: _as_made(api, event.id).model_copy(update={"seed": None}))

    def load(path: str) -> list[Any]:
        return fill(lambda: api.request_from_file(Path(path)))

    outputs = [*inputs.fields.values(), inputs.notice]
    hero.reuse(reuse, None, outputs, **_QUIET)
    hero.remix(remix, None, outputs, **_QUIET)
    inputs.upload.upload(load, inputs.upload, outputs, **_QUIET)


def _connect_cancel(api: Api, panel: gr.HTML, notice: gr.HTML) -> None:
    """Connect the Cancel buttons of a panel."""

    def cancel(event: gr.EventData) -> str:
        return _told(lambda: api.cancel(event.id))

    panel.cancel(cancel, None, notice, **_QUIET)


def _engine(api: Api) -> EngineSpec:
    """Return what the page makes clips with."""
    return api.engines()[0]


def _told(action: Callable[[], Any]) -> str:
    """Return what the page must say after `action`: nothing, or the one sentence of its error."""
    try:
        action()
    except Exception as exc:
        return sentence(exc)
    return ""


def _request(api: Api, inputs: Inputs, values: tuple[Any, ...]) -> ClipRequest:
    """Return the request that the inputs describe; RequestError says what is not allowed."""
    form = zip(inputs.fields, values, strict=True)
    given = {field: value for field, value in form if value not in (None, "")}
    return parse_request({"engine": _engine(api).name, **given})


def _values(inputs: Inputs, request: ClipRequest) -> list[Any]:
    """Return what each input shows for `request`."""
    shown = {**request.model_dump(), "seed": "" if request.seed is None else str(request.seed)}
    return [shown[field] for field in inputs.fields]


def _as_made(api: Api, generation_id: str) -> ClipRequest:
    """Return the request of a generation with the seed that was used for it."""
    generation = api.generation(generation_id)
    return generation.request.model_copy(
        update={"seed": generation.facts.get("seed", generation.request.seed)}
    )


def _vocabulary(api: Api) -> dict[str, Any]:
    """Return the model's title and its words by group, for the chips."""
    spec = _engine(api)
    known = api.known_words(engine=spec.name)
    groups = [{"name": name.capitalize(), "words": words} for name, words in known.items()]
    return {"title": spec.title, "groups": groups}


def _limits(field: str) -> tuple[float, float]:
    """Return the least and greatest value of a number field, as the request model states them."""
    bounds = {type(each).__name__: each for each in ClipRequest.model_fields[field].metadata}
    return bounds["Ge"].ge, bounds["Le"].le
