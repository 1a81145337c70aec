"""Twenty prompts as a creator would type them, with the attributes that their clips are checked for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PromptCase:
    """A prompt and the keys of the attributes it asks for; camera is "static" when the prompt names none."""

    prompt: str
    colour: str
    place: str
    motion: str
    camera: str


PROMPT_CASES: tuple[PromptCase, ...] = (
    PromptCase("a red ball bounces on a green meadow", "red", "meadow", "bounces", "static"),
    PromptCase(
        "A blue cube slides toward the camera in the snow.", "blue", "snow", "slides_toward", "static"
    ),
    PromptCase(
        "a shiny yellow star spins at night, the camera zooms in", "yellow", "night", "spins", "zoom_in"
    ),
    PromptCase("green cylinder rolling to the left, desert", "green", "desert", "rolls_left", "static"),
    PromptCase(
        "A video of an orange ball rolling to the right on a beach at sunset.",
        "orange",
        "beach",
        "rolls_right",
        "static",
    ),
    PromptCase(
        "a pink donut spins in a studio. The camera orbits left.", "pink", "studio", "spins", "orbit_left"
    ),
    PromptCase("purple diamond rising into the air, forest clearing", "purple", "forest", "rises", "static"),
    PromptCase("a white egg wobbles gently on the grass", "white", "meadow", "wobbles", "static"),
    PromptCase(
        "A teal pyramid sits still on sand dunes while the camera pans right",
        "teal",
        "desert",
        "still",
        "pan_right",
    ),
    PromptCase(
        "a striped red hoop swings back and forth under the stars", "red", "night", "swings", "static"
    ),
    PromptCase("brown barrel rolling left on the water", "brown", "sea", "rolls_left", "static"),
    PromptCase("a black sphere quickly bounces in a studio", "black", "studio", "bounces", "static"),
    PromptCase(
        "In the woods, a golden crystal moves in a circle, camera tilting up",
        "yellow",
        "forest",
        "circles",
        "tilt_up",
    ),
    PromptCase(
        "A gray block falls down in the snow. The camera cranes up.", "gray", "snow", "falls", "crane_up"
    ),
    PromptCase(
        "a checkered green box slides away from the camera on the beach",
        "green",
        "beach",
        "slides_away",
        "static",
    ),
    PromptCase(
        "a blue orb floats up over the waves, the camera zooms out", "blue", "sea", "rises", "zoom_out"
    ),
    PromptCase("a violet cone grows bigger on a lawn", "purple", "meadow", "grows", "static"),
    PromptCase("orange star zigzagging in the dark, pan left", "orange", "night", "zigzags", "pan_left"),
    PromptCase(
        "Footage of a glossy pink egg that shrinks in a bright studio", "pink", "studio", "shrinks", "static"
    ),
    PromptCase(
        "A white ball rolls to the right in the desert as the camera orbits right.",
        "white",
        "desert",
        "rolls_right",
        "orbit_right",
    ),
)
