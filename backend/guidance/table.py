"""The table of guidance methods: name -> class."""

from collections.abc import Callable

from backend.guidance.classifier_free import ClassifierFreeGuidance
from backend.guidance.plain import PlainGuidance
from backend.guidance.protocol import Guidance

GUIDANCE: dict[str, Callable[..., Guidance]] = {
    "plain": PlainGuidance,
    "classifier_free": ClassifierFreeGuidance,
}
