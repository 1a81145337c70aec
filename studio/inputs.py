"""The left column of Create: what a creator asks for, in the order in which it is decided."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from backend.api import Api, EngineSpec
from backend.requests import ASPECT_RATIOS, MAX_VARIATIONS, PRESETS, ClipRequest
from studio.markup import KNOWN_WORDS, NOTICE, PREDICTION, WORDS

DEFAULTS = ClipRequest(prompt="-")
OFFERED_VARIATIONS = tuple(n for n in (1, 2, 3, 4) if n <= MAX_VARIATIONS)
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""Options of events that the page tells of itself, without Gradio's queue or its signs of work."""

_MOUNT_WORDS = "import('/assets/js/prompt.js').then(({ mountWords }) => mountWords(element));"


@dataclass(frozen=True)
class Inputs:
    """The left column. fields: name of a request field -> its input; everything else by what it is for.

    pictures: request field -> where its picture is shown; the field itself is a hidden name. project: hidden.
    editing: hidden; id and edits of the waiting clip that is edited, or nothing. save, leave: only then.
    """

    fields: dict[str, Component]
    project: gr.Textbox
    prompt: gr.Textbox
    variations: gr.Radio
    generate: gr.Button
    editing: gr.Textbox
    save: gr.Button
    leave: gr.Button
    notice: gr.HTML
    unknown_words: gr.HTML
    random_seed: gr.Button
    reuse_seed: gr.Button
    upload: gr.UploadButton
    detail_upload: gr.UploadButton
    pictures: dict[str, gr.Image]
    is_motion_asked: gr.Checkbox
    prediction: gr.HTML


def build_inputs(api: Api) -> Inputs:
    """Build the left column, in the order in which a creator decides."""
    spec = page_engine(api)
    pictures, picture_names = _pictures(spec)
    prompt = gr.Textbox(
        label="Prompt", lines=3, max_lines=8, elem_id="prompt", placeholder="What happens, and where?"
    )
    unknown_words = own_html(WORDS, {"unknown": []}, elem_id="unknown-words")
    own_html(KNOWN_WORDS, _vocabulary(api), js_on_load=_MOUNT_WORDS, elem_id="known-words")
    with gr.Accordion("Negative prompt", open=False, elem_id="negative"):
        negative_prompt = gr.Textbox(
            label="What you do not want to see", lines=2, max_lines=4, elem_id="negative-prompt"
        )
    shape = _shape(spec)
    is_motion_asked, motion = _motion(spec)
    preset = _quality()
    prediction = own_html(PREDICTION, "", elem_id="prediction")
    variations = gr.Radio(
        OFFERED_VARIATIONS, value=1, label="Variations", elem_id="variations", elem_classes="segments"
    )
    generate = gr.Button("Generate", variant="primary", elem_id="generate")
    with gr.Row(elem_id="editing"):
        save = gr.Button("Save changes", elem_id="save-changes", min_width=0, visible=False)
        leave = gr.Button("Stop editing", elem_id="stop-editing", min_width=0, visible=False)
    notice = own_html(NOTICE, "", elem_id="notice")
    with gr.Accordion("Advanced", open=False, elem_id="advanced"):
        seed, random_seed, reuse_seed = _seed()
        steering = {**_guidance(spec), **_sampling()}
    fields = {"prompt": prompt, "negative_prompt": negative_prompt, **shape, **picture_names}
    return Inputs(
        fields={**fields, "motion_score": motion, "preset": preset, "seed": seed, **steering},
        project=gr.Textbox(visible="hidden", container=False),
        prompt=prompt,
        variations=variations,
        generate=generate,
        editing=gr.Textbox(visible="hidden", container=False),
        save=save,
        leave=leave,
        notice=notice,
        unknown_words=unknown_words,
        random_seed=random_seed,
        reuse_seed=reuse_seed,
        upload=_upload("Load settings from a clip…", "load-settings"),
        detail_upload=_upload(
            "Add detail to a clip of yours…", "detail-upload", is_offered=spec.detail is not None
        ),
        pictures=pictures,
        is_motion_asked=is_motion_asked,
        prediction=prediction,
    )


def _upload(label: str, name: str, *, is_offered: bool = True) -> gr.UploadButton:
    """Return a button that takes a file, in a column called `name`: its input has no name of its own."""
    with gr.Column(elem_id=name, min_width=0, visible=is_offered):
        return gr.UploadButton(label, size="sm")


def _quality() -> gr.Radio:
    """Return the choice of a preset."""
    return gr.Radio(
        [(label, name) for name, label in zip(PRESETS, ("Fast", "Balanced", "Best"), strict=True)],
        value=DEFAULTS.preset,
        label="Quality",
        elem_id="preset",
        elem_classes="segments",
    )


def _pictures(spec: EngineSpec) -> tuple[dict[str, gr.Image], dict[str, gr.Textbox]]:
    """Return the slots for the first and the last frame, and their hidden names, by request field."""
    pictures, names = {}, {}
    is_honoured = "given_frames" in spec.capabilities
    with gr.Accordion("Start and end image", open=False, elem_id="given", visible=is_honoured), gr.Row():
        for field, label in (("image", "Start image"), ("last_image", "End image")):
            pictures[field] = gr.Image(
                label=label,
                type="filepath",
                sources=["upload", "clipboard"],
                height=104,
                min_width=0,
                buttons=[],
                elem_id=field.replace("_", "-"),
            )
            names[field] = gr.Textbox(visible="hidden", container=False)
    return pictures, names


def _motion(spec: EngineSpec) -> tuple[gr.Checkbox, gr.Slider]:
    """Return the choice whether an amount of motion is asked for, and how much."""
    least, most = spec.motion_score_range
    is_asked = gr.Checkbox(
        False,
        label="Set the amount of motion",
        container=False,
        visible="motion_score" in spec.capabilities,
        elem_id="motion-asked",
    )
    motion = gr.Slider(
        least,
        most or 1,
        round((least + most) / 3),
        step=0.5,
        label="Motion",
        info="Calm at the left, strong at the right.",
        visible=False,
        elem_id="motion",
        buttons=[],
    )
    is_asked.change(lambda asked: gr.update(visible=asked), is_asked, motion, **QUIET)
    return is_asked, motion


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


def _guidance(spec: EngineSpec) -> dict[str, Component]:
    """Return the inputs for what a clip is steered by and how much, by request field."""
    text = gr.Slider(
        *_limits("guidance_scale"),
        DEFAULTS.guidance_scale,
        step=0.5,
        label="Text guidance",
        info="Higher follows your words more closely; too high makes colours harsh and motion stiff.",
        elem_id="guidance",
    )
    image = gr.Textbox(
        label="Image guidance",
        placeholder="like text",
        info="How closely to keep to the given images; lower lets them move more freely.",
        elem_id="image-guidance",
        visible="given_frames" in spec.capabilities,
    )
    motion = gr.Slider(
        *_limits("motion_guidance_scale"),
        DEFAULTS.motion_guidance_scale,
        step=0.5,
        label="Motion guidance",
        info="Lets the clip follow its own predicted motion, which steadies it; adds a little time.",
        elem_id="motion-guidance",
        visible="motion_guidance" in spec.capabilities,
    )
    negative_motion = gr.Textbox(
        label="Negative motion",
        placeholder="none",
        info="An amount of motion to move away from; well below the motion you ask for livens the clip up.",
        elem_id="negative-motion",
        visible="motion_score" in spec.capabilities,
    )
    return {
        "guidance_scale": text,
        "image_guidance_scale": image,
        "motion_guidance_scale": motion,
        "negative_motion_score": negative_motion,
    }


def _sampling() -> dict[str, Component]:
    """Return the inputs for how a clip is sampled, by request field."""
    steps = gr.Textbox(
        label="Steps",
        placeholder="as the quality says",
        info="More steps make shapes and edges cleaner; each one adds time.",
        elem_id="steps",
    )
    renormalisation = gr.Radio(
        [("Off", "off"), ("Cap", "cap"), ("Match", "match")],
        value=DEFAULTS.renormalisation,
        label="Renormalisation",
        info="Tames harsh colours at high guidance: Cap only the extremes, Match everywhere.",
        elem_id="renormalisation",
        elem_classes="segments",
    )
    return {"num_inference_steps": steps, "renormalisation": renormalisation}


def own_html(template: str, value: Any = None, *, js_on_load: str | None = None, **options: Any) -> gr.HTML:
    """Return a component of our own HTML, without Gradio's styles for text."""
    return gr.HTML(value, html_template=template, js_on_load=js_on_load, apply_default_css=False, **options)


def page_engine(api: Api) -> EngineSpec:
    """Return what the page makes clips with."""
    return api.engines()[0]


def _vocabulary(api: Api) -> dict[str, Any]:
    """Return the model's title and its words by group, for the chips."""
    spec = page_engine(api)
    known = api.known_words(engine=spec.name)
    groups = [{"name": name.capitalize(), "words": words} for name, words in known.items()]
    return {"title": spec.title, "groups": groups}


def _limits(field: str) -> tuple[float, float]:
    """Return the least and greatest value of a number field, as the request model states them."""
    bounds = {type(each).__name__: each for each in ClipRequest.model_fields[field].metadata}
    return bounds["Ge"].ge, bounds["Le"].le
