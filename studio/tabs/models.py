"""Models: what makes clips here, what each can do and needs, and how another one comes here."""

from backend.api import Api
from studio.inputs import own_html
from studio.models_markup import MODELS

SUGGESTED = (
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers",
    "Wan-AI/Wan2.1-T2V-14B-Diffusers",
    "Wan-AI/Wan2.1-I2V-14B-480P-Diffusers",
    "Wan-AI/Wan2.1-FLF2V-14B-720P-diffusers",
    "Wan-AI/Wan2.2-TI2V-5B-Diffusers",
    "Wan-AI/Wan2.2-T2V-A14B-Diffusers",
    "Wan-AI/Wan2.2-I2V-A14B-Diffusers",
    "Lightricks/LTX-Video",
    "Lightricks/LTX-Video-0.9.5",
)
_MOUNT_MODELS = """
import('/assets/js/models.js').then(({ mountModels }) => mountModels(element, props.suggested));
"""


def build(api: Api) -> None:
    """Build the page inside the Blocks being built; its script talks to the routes of the models."""
    there = {model.source for model in api.models.all()}
    suggested = [each for each in SUGGESTED if each not in there]
    own_html(MODELS, js_on_load=_MOUNT_MODELS, suggested=suggested, elem_id="models")
