"""What Kinora Pocket can make, as data; torch-free."""

from backend.models.engine import DetailSpec, EngineSpec, PassCost, Preset, SoundSpec

# 16 ends in a step from sigma 0.41, which leaves grounds so smooth that a moving camera is not seen.
_SHIFT = 6.0

POCKET_SOUND = SoundSpec(
    sample_rate=16_000, steps_per_second=25, window_seconds=2, overlap_seconds=1, max_seconds=120.0
)

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
    presets={
        "fast": Preset(12, _SHIFT, ((0.0, 3), (0.04, 2), (0.4, 1)), text_until=0.5, motion_until=0.05),
        "balanced": Preset(24, _SHIFT, ((0.0, 3), (0.05, 2), (0.33, 1)), text_until=0.5, motion_until=0.1),
        "quality": Preset(40, _SHIFT, ((0.0, 2), (0.15, 1)), text_until=0.7, motion_until=0.2),
    },
    # Attention takes 4 N² d n operations, the rest 2 N times the parameters of the trunk (8.4 million).
    pass_cost=PassCost({1: (4, 16, 16), 2: (8, 16, 16), 3: (8, 32, 32)}, pair_share=4 * 256 * 9 / 16.8e6),
    capabilities=frozenset(
        {
            "text_guidance",
            "given_frames",
            "key_frames",
            "camera",
            "motion_score",
            "motion_guidance",
            "motion_layer",
        }
    ),
    velocity_parts=2,
    motion_score_range=(0.0, 40.0),
    # A young refiner: on cut-outs of drafts that are not noised it is 1.2 dB above bicubic without guidance,
    # from step 60 on below it.
    # Its colours drift by more than it adds where they are let.
    detail=DetailSpec(
        max_frames=65,
        safe_ranges={"degradation_step": (0, 30)},
        degradation_step=0,
        holds_to_draft=True,
        has_finisher=True,
    ),
    sound=POCKET_SOUND,
)
