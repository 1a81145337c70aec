"""What Kinora Pocket can make, as data; torch-free."""

from backend.models.engine import EngineSpec

KINORA_POCKET = EngineSpec(
    name="kinora-pocket",
    title="Kinora Pocket",
    sizes={
        "1:1": (128, 128),
        "4:3": (160, 128),
        "3:4": (128, 160),
        "16:9": (224, 128),
        "9:16": (128, 224),
    },
    frame_rate=16,
    frame_rule=(4, 1),
    duration_range=(0.5, 4.0),
    max_inference_steps=100,
    folder="kinora-pocket",
    licence="Apache-2.0",
    capabilities=frozenset({"text_guidance"}),
    timestep_shift=3.0,
)
