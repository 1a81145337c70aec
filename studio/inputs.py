"""The left column of Create: what a creator asks for, in the order in which it is decided."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from backend.api import Api, EngineSpec
from backend.requests import MAX_VARIATIONS, PRESETS, ClipRequest
from studio.controls import controls, given_pictures, honoured, page_engine, picture_controls
from studio.engine_views import engine_views
from studio.markup import KNOWN_WORDS, NOTICE, PREDICTION, WORDS
from studio.parts import part_changes, part_fold, part_rows

OFFERED_VARIATIONS = tuple(n for n in (1, 2, 3, 4) if n <= MAX_VARIATIONS)
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""Options of events that the page tells of itself, without Gradio's queue or its signs of work."""

_MOUNT_ENGINES = """
import('/assets/js/engines.js').then(({ mountEngines }) => mountEngines({
  engines: props.engines,
  follow: (chosen, isChanged) => trigger('follow', { chosen, isChanged }),
}));
"""
_MOUNT_WORDS = "import('/assets/js/prompt.js').then(({ mountWords }) => mountWords(element));"


@dataclass(frozen=True)
class Inputs:
    """The left column. fields: name of a request field -> its input; everything else by what it is for.

    pictures: request field -> where its picture is shown; the field itself is a hidden name. project: hidden.
    editing: hidden; id and edits of the waiting clip that is edited, or nothing. save, leave: only then.
    follower: tells when there are other engines than before. folds: what opens and closes, by its name.
    panels: request field -> what shows its rows, see `studio.parts`.
    """

    fields: dict[str, Component]
    follower: gr.HTML
    folds: dict[str, gr.Accordion]
    panels: dict[str, gr.HTML]
    known_words: gr.HTML
    detail_column: gr.Column
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
    engine, follower = _engine(api)
    given, pictures, picture_names = _pictures(spec)
    frames, frames_panel = part_fold("given_frames", spec)
    prompt = gr.Textbox(
        label="Prompt", lines=3, max_lines=8, elem_id="prompt", placeholder="What happens, and where?"
    )
    unknown_words = own_html(WORDS, {"unknown": []}, elem_id="unknown-words")
    known_words = own_html(KNOWN_WORDS, vocabulary(api, spec), js_on_load=_MOUNT_WORDS, elem_id="known-words")
    negative, negative_prompt = _negative(spec)
    shape = _shape(spec)
    is_motion_asked, motion = _motion(spec)
    preset = _quality(spec)
    prediction = own_html(PREDICTION, {}, elem_id="prediction")
    variations = gr.Radio(
        OFFERED_VARIATIONS, value=1, label="Variations", elem_id="variations", elem_classes="segments"
    )
    generate = gr.Button("Generate", variant="primary", elem_id="generate")
    with gr.Row(elem_id="editing"):
        save = gr.Button("Save changes", elem_id="save-changes", min_width=0, visible=False)
        leave = gr.Button("Stop editing", elem_id="stop-editing", min_width=0, visible=False)
    notice = own_html(NOTICE, "", elem_id="notice")
    loras, loras_panel = part_fold("loras", spec)
    with gr.Accordion("Advanced", open=False, elem_id="advanced"):
        seed, random_seed, reuse_seed = _seed()
        steering = {**_guidance(spec), **_sampling(spec)}
    upload, _ = _upload("Load settings from a clip…", "load-settings")
    detail_upload, detail_column = _upload(
        "Add detail to a clip of yours…", "detail-upload", is_offered=spec.detail is not None
    )
    fields = {"engine": engine, "prompt": prompt, "negative_prompt": negative_prompt, **shape}
    fields |= {**picture_names, "motion_score": motion, "preset": preset, "seed": seed, **steering}
    fields |= part_rows()
    return Inputs(
        fields=fields,
        follower=follower,
        folds={"given": given, "negative": negative, "given_frames": frames, "loras": loras},
        panels={"given_frames": frames_panel, "loras": loras_panel},
        known_words=known_words,
        detail_column=detail_column,
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
        upload=upload,
        detail_upload=detail_upload,
        pictures=pictures,
        is_motion_asked=is_motion_asked,
        prediction=prediction,
    )


def engine_choices(api: Api) -> list[tuple[str, str]]:
    """Return (title, name) of every engine."""
    return [(spec.title, spec.name) for spec in api.engines()]


def engine_changes(api: Api, inputs: Inputs, spec: EngineSpec) -> dict[Any, Any]:
    """Return component -> update of all that depends on the engine, which then stands at its defaults."""
    fields = {
        component: gr.update(**controls(spec)[field])
        for field, component in inputs.fields.items()
        if field in controls(spec)
    }
    slots = {slot: gr.update(**picture_controls(spec)[field]) for field, slot in inputs.pictures.items()}
    return {
        **fields,
        **slots,
        **part_changes(inputs.folds, inputs.panels, spec),
        inputs.fields["loras"]: "",
        inputs.fields["motion_score"]: gr.update(**{**controls(spec)["motion_score"], "visible": False}),
        inputs.is_motion_asked: gr.update(value=False, visible="motion_score" in honoured(spec)),
        inputs.folds["given"]: gr.update(visible=bool(given_pictures(spec))),
        inputs.folds["negative"]: gr.update(visible="negative_prompt" in honoured(spec)),
        inputs.detail_column: gr.update(visible=spec.detail is not None),
        inputs.known_words: vocabulary(api, spec),
    }


def engine_parts(inputs: Inputs) -> list[Any]:
    """Return the components that `engine_changes` may update."""
    others = [inputs.is_motion_asked, inputs.detail_column, inputs.known_words]
    folded = [*inputs.pictures.values(), *inputs.panels.values(), *inputs.folds.values()]
    return [*inputs.fields.values(), *folded, *others]


def _engine(api: Api) -> tuple[gr.Dropdown, gr.HTML]:
    """Return the choice of what makes the clip, and what follows which there are."""
    choices = engine_choices(api)
    engine = gr.Dropdown(
        choices,
        value=choices[0][1],
        label="Model",
        filterable=False,
        visible=len(choices) > 1,
        elem_id="engine",
    )
    follower = own_html(
        "<i hidden></i>",
        js_on_load=_MOUNT_ENGINES,
        engines=engine_views(api),
        elem_id="follower",
    )
    return engine, follower


def _negative(spec: EngineSpec) -> tuple[gr.Accordion, gr.Textbox]:
    """Return the fold of what is not to be seen, and its words."""
    is_honoured = "negative_prompt" in honoured(spec)
    with gr.Accordion("Negative prompt", open=False, elem_id="negative", visible=is_honoured) as fold:
        words = gr.Textbox(
            label="What you do not want to see", lines=2, max_lines=4, elem_id="negative-prompt"
        )
    return fold, words


def _upload(label: str, name: str, *, is_offered: bool = True) -> tuple[gr.UploadButton, gr.Column]:
    """Return a button that takes a file, and its column called `name`: its input has no name of its own."""
    with gr.Column(elem_id=name, min_width=0, visible=is_offered) as column:
        return gr.UploadButton(label, size="sm"), column


def _quality(spec: EngineSpec) -> gr.Radio:
    """Return the choice of a preset."""
    return gr.Radio(
        [(label, name) for name, label in zip(PRESETS, ("Fast", "Balanced", "Best"), strict=True)],
        label="Quality",
        elem_id="preset",
        elem_classes="segments",
        **controls(spec)["preset"],
    )


def _pictures(spec: EngineSpec) -> tuple[gr.Accordion, dict[str, gr.Image], dict[str, gr.Textbox]]:
    """Return the fold of given pictures, their slots and their hidden names, by request field."""
    pictures = {}
    with (
        gr.Accordion(
            "Start and end image", open=False, elem_id="given", visible=bool(given_pictures(spec))
        ) as fold,
        gr.Row(),
    ):
        for field, settings in picture_controls(spec).items():
            pictures[field] = gr.Image(
                type="filepath",
                sources=["upload", "clipboard"],
                height=104,
                min_width=0,
                buttons=[],
                elem_id=field.replace("_", "-"),
                **settings,
            )
    # Outside of the fold, which shows all that is in it when it is shown again.
    names = {field: gr.Textbox(visible="hidden", container=False) for field in pictures}
    return fold, pictures, names


def _motion(spec: EngineSpec) -> tuple[gr.Checkbox, gr.Slider]:
    """Return the choice whether an amount of motion is asked for, and how much."""
    is_asked = gr.Checkbox(
        False,
        label="Set the amount of motion",
        container=False,
        visible="motion_score" in honoured(spec),
        elem_id="motion-asked",
    )
    motion = gr.Slider(
        step=0.5,
        label="Motion",
        info="Calm at the left, strong at the right.",
        elem_id="motion",
        buttons=[],
        **{**controls(spec)["motion_score"], "visible": False},
    )
    is_asked.change(lambda asked: gr.update(visible=asked), is_asked, motion, **QUIET)
    return is_asked, motion


def _shape(spec: EngineSpec) -> dict[str, Component]:
    """Return the inputs for how long and how wide, by request field."""
    seconds = gr.Slider(label="Seconds", elem_id="seconds", buttons=[], **controls(spec)["duration_seconds"])
    aspect_ratio = gr.Radio(
        label="Aspect ratio", elem_id="aspect", elem_classes="segments", **controls(spec)["aspect_ratio"]
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
    shown = controls(spec)
    text = gr.Slider(
        *_limits("guidance_scale"),
        step=0.5,
        label="Text guidance",
        info="Higher follows your words more closely; too high makes colours harsh and motion stiff.",
        elem_id="guidance",
        **shown["guidance_scale"],
    )
    image = gr.Textbox(
        label="Image guidance",
        placeholder="like text",
        info="How closely to keep to the given images; lower lets them move more freely.",
        elem_id="image-guidance",
        **shown["image_guidance_scale"],
    )
    motion = gr.Slider(
        *_limits("motion_guidance_scale"),
        step=0.5,
        label="Motion guidance",
        info="Lets the clip follow its own predicted motion, which steadies it; adds a little time.",
        elem_id="motion-guidance",
        **shown["motion_guidance_scale"],
    )
    negative_motion = gr.Textbox(
        label="Negative motion",
        placeholder="2 if motion is asked for",
        info="An amount of motion to move away from; the motion you ask for switches its effect off.",
        elem_id="negative-motion",
        **shown["negative_motion_score"],
    )
    return {
        "guidance_scale": text,
        "image_guidance_scale": image,
        "motion_guidance_scale": motion,
        "negative_motion_score": negative_motion,
    }


def _sampling(spec: EngineSpec) -> dict[str, Component]:
    """Return the inputs for how a clip is sampled, by request field."""
    steps = gr.Textbox(
        label="Steps",
        placeholder="as the quality says",
        info="More steps make shapes and edges cleaner; each one adds time.",
        elem_id="steps",
        **controls(spec)["num_inference_steps"],
    )
    renormalisation = gr.Radio(
        [("Off", "off"), ("Cap", "cap"), ("Match", "match")],
        label="Renormalisation",
        info="Tames harsh colours at high guidance: Cap only the extremes, Match everywhere.",
        elem_id="renormalisation",
        elem_classes="segments",
        **controls(spec)["renormalisation"],
    )
    return {"num_inference_steps": steps, "renormalisation": renormalisation}


def own_html(template: str, value: Any = None, *, js_on_load: str | None = None, **options: Any) -> gr.HTML:
    """Return a component of our own HTML, without Gradio's styles for text."""
    return gr.HTML(value, html_template=template, js_on_load=js_on_load, apply_default_css=False, **options)


def vocabulary(api: Api, spec: EngineSpec) -> dict[str, Any]:
    """Return a model's title and its words by group, for the chips; no groups for one that knows any word."""
    known = api.known_words(engine=spec.name)
    groups = [{"name": name.capitalize(), "words": words} for name, words in known.items()]
    return {"title": spec.title, "groups": groups}


def _limits(field: str) -> tuple[float, float]:
    """Return the least and greatest value of a number field, as the request model states them."""
    bounds = {type(each).__name__: each for each in ClipRequest.model_fields[field].metadata}
    return bounds["Ge"].ge, bounds["Le"].le
