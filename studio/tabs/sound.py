"""Sound: a clip gets takes of sound, one of which is mixed and becomes a part of it."""

from pathlib import Path
from typing import Any

import gradio as gr

from backend.api import Api
from backend.requests import SoundRequest, parse_request
from studio.controls import page_engine, sound_engine
from studio.endpoints import sentence
from studio.inputs import QUIET, own_html
from studio.markup import NOTICE
from studio.sound_markup import DESK, TRACK

_SUBMITTED = "() => window.dispatchEvent(new Event('kinora:submitted'))"
_CHANGED = "() => window.dispatchEvent(new Event('kinora:changed'))"
_MOUNT_DESK = """
import('/assets/js/sound.js').then(({ mountDesk }) => mountDesk(element, {
  defaults: props.defaults,
  sound: (id, settings, variations) => trigger('sound', { id, settings, variations }),
  mix: (id, settings) => trigger('mix', { id, settings }),
  accept: (id) => trigger('accept', { id }),
  takeOff: (id) => trigger('take_off', { id }),
  cancel: (id) => trigger('cancel', { id }),
}));
"""


def is_offered(api: Api) -> bool:
    """Return whether any model makes sound; its sound goes with the clips of the others too."""
    return any(spec.sound is not None for spec in api.engines())


def build(api: Api) -> None:
    """Build the page inside the Blocks being built; it reads and changes the studio through `api` alone."""
    names = ("num_inference_steps", "guidance_scale")
    defaults = {name: SoundRequest.model_fields[name].default for name in names}
    with gr.Column(elem_id="sound"):
        notice = own_html(NOTICE, "", elem_id="sound-notice")
        with gr.Row(elem_id="sound-uploads"):
            with gr.Column(elem_id="sound-upload", min_width=0):
                clip_upload = gr.UploadButton("Sound for a clip of yours…", size="sm")
            with gr.Column(elem_id="track-upload", min_width=0):
                track_upload = gr.UploadButton("Mix in a track of yours…", size="sm")
            track = own_html(TRACK, {}, elem_id="own-track")
        desk = own_html(DESK, js_on_load=_MOUNT_DESK, defaults=defaults)
    _connect_desk(api, desk, notice)
    _connect_uploads(api, clip_upload, track_upload, [track, notice])


def _connect_desk(api: Api, desk: gr.HTML, notice: gr.HTML) -> None:
    """Connect what the desk asks for: a take, a part of one again, a mix, and the take to keep or not."""

    def sound(event: gr.EventData) -> str:
        return _told(lambda: _submit(api, event.id, event.settings, event.variations))

    def mix(event: gr.EventData) -> str:
        return _told(lambda: api.sounds.mix(event.id, event.settings))

    def accept(event: gr.EventData) -> str:
        return _told(lambda: api.sounds.accept(event.id))

    def take_off(event: gr.EventData) -> str:
        return _told(lambda: api.sounds.take_off(event.id))

    def cancel(event: gr.EventData) -> str:
        return _told(lambda: api.cancel(event.id))

    desk.sound(sound, None, notice, **QUIET).then(None, js=_SUBMITTED)
    desk.mix(mix, None, notice, **QUIET).then(None, js=_CHANGED)
    desk.accept(accept, None, notice, **QUIET).then(None, js=_CHANGED)
    desk.take_off(take_off, None, notice, **QUIET).then(None, js=_CHANGED)
    desk.cancel(cancel, None, notice, **QUIET)


def _connect_uploads(api: Api, clip: gr.UploadButton, track: gr.UploadButton, outputs: list[gr.HTML]) -> None:
    """Connect a clip that is brought along, which gets a first take at once, and a track to mix in."""

    def add_clip(path: str) -> str:
        return _told(lambda: _submit_uploaded(api, Path(path)))

    def add_track(path: str) -> tuple[Any, str]:
        try:
            return {"name": api.inputs.add_sound(Path(path)), "title": Path(path).name[:60]}, ""
        except Exception as exc:
            return gr.skip(), sentence(exc)

    clip.upload(add_clip, clip, outputs[1], **QUIET).then(None, js=_SUBMITTED)
    track.upload(add_track, track, outputs, **QUIET)


def _submit(api: Api, generation_id: str, settings: dict[str, Any], variations: Any) -> list[str]:
    """Queue takes for the clip of a generation, or of the same clip where it is itself a take.

    Without words of its own a take is told those of the clip beside its picture.
    """
    made = api.generation(generation_id)
    parents = made.parents if made.kind == "sound" else (generation_id,)
    given = {name: value for name, value in settings.items() if value not in (None, "")}
    engine = sound_engine(api, made.request.engine)
    request = api.sounds.request(generation_id, **{"engine": engine, **given})
    return api.submit(request, variations=variations, parents=parents[:1])


def _submit_uploaded(api: Api, path: Path) -> list[str]:
    """Queue a take for the clip at `path`, from its picture alone."""
    fields = {
        "kind": "sound",
        "engine": sound_engine(api, page_engine(api).name),
        "source": api.inputs.add_clip(path),
    }
    return api.submit(parse_request(fields))


def _told(action: Any) -> str:
    """Return what the page must say after `action`: nothing, or the one sentence of its error."""
    try:
        action()
    except Exception as exc:
        return sentence(exc)
    return ""
