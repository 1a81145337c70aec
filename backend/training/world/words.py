"""The words of the world: several phrasings for every attribute key, and the few inflections they need."""

from collections.abc import Mapping

Phrasings = Mapping[str, tuple[str, ...]]

SHAPES: Phrasings = {
    "ball": ("ball", "sphere", "orb", "globe", "round ball"),
    "egg": ("egg", "oval", "ovoid", "ellipsoid", "egg shape"),
    "cube": ("cube", "box", "block", "dice", "cubic block"),
    "slab": ("slab", "brick", "plank", "tile", "flat box"),
    "cylinder": ("cylinder", "can", "drum", "barrel", "column"),
    "cone": ("cone", "traffic cone", "party hat", "pointed cone"),
    "pyramid": ("pyramid", "square pyramid", "little pyramid", "pyramid shape"),
    "diamond": ("diamond", "gem", "jewel", "crystal", "octahedron"),
    "ring": ("ring", "hoop", "donut", "torus", "doughnut"),
    "star": ("star", "star shape", "pointed star", "five pointed star"),
}

COLOURS: Phrasings = {
    "red": ("red", "crimson", "scarlet", "ruby", "bright red"),
    "orange": ("orange", "tangerine", "apricot", "bright orange"),
    "yellow": ("yellow", "golden", "lemon", "lemon yellow", "bright yellow"),
    "green": ("green", "emerald", "lime", "leaf green", "dark green"),
    "teal": ("teal", "turquoise", "cyan", "aqua"),
    "blue": ("blue", "azure", "navy", "cobalt", "deep blue"),
    "purple": ("purple", "violet", "lilac", "plum", "lavender"),
    "pink": ("pink", "rose", "magenta", "rosy", "hot pink"),
    "brown": ("brown", "chocolate", "chestnut", "coffee", "dark brown"),
    "white": ("white", "ivory", "pure white", "chalk white"),
    "gray": ("gray", "grey", "silver", "ash gray", "slate"),
    "black": ("black", "jet black", "ebony", "coal black"),
}

# A phrasing that starts with "with" follows the noun, the others come before it.
SURFACES: Phrasings = {
    "plain": ("plain", "solid", "smooth", "single colour", "single color", "with no pattern"),
    "striped": ("striped", "stripy", "banded", "with stripes", "with bands"),
    "checkered": ("checkered", "checked", "chequered", "with a checkerboard pattern", "with checks"),
    "two_tone": (
        "two tone",
        "two coloured",
        "two colored",
        "half and half",
        "with two colours",
        "with two halves",
    ),
    "shiny": ("shiny", "glossy", "polished", "gleaming", "with a glossy finish"),
    "matte": ("matte", "dull", "flat", "unpolished", "with a matte finish"),
}

# The first word is a verb in its base form.
MOTIONS: Phrasings = {
    "rolls_left": (
        "roll to the left",
        "roll left",
        "roll leftwards",
        "tumble to the left",
        "roll from right to left",
        "move left",
    ),
    "rolls_right": (
        "roll to the right",
        "roll right",
        "roll rightwards",
        "tumble to the right",
        "roll from left to right",
        "move right",
    ),
    "slides_toward": (
        "slide toward the camera",
        "slide towards us",
        "glide toward the viewer",
        "approach",
        "come closer",
        "move toward the camera",
    ),
    "slides_away": (
        "slide away from the camera",
        "slide away",
        "glide away from us",
        "recede",
        "move into the distance",
        "move away",
    ),
    "bounces": ("bounce", "bounce up and down", "hop", "jump up and down", "jump"),
    "spins": ("spin", "spin around", "rotate", "turn around", "twirl", "whirl", "spin like a top"),
    "rises": ("rise", "rise into the air", "float up", "go up", "ascend", "fly up", "lift off"),
    "falls": ("fall", "fall down", "drop", "drop from the sky", "come down", "plunge", "descend"),
    "circles": ("circle", "move in a circle", "go around in circles", "travel in a circle", "loop around"),
    "swings": ("swing", "swing back and forth", "swing like a pendulum", "sway", "sway from side to side"),
    "wobbles": ("wobble", "jiggle", "shake", "tremble", "rock in place", "quiver"),
    "zigzags": (
        "zigzag",
        "move in a zigzag",
        "weave left and right",
        "zigzag across",
        "travel in a zigzag path",
    ),
    "grows": ("grow", "grow bigger", "get larger", "expand", "swell", "inflate", "become bigger"),
    "shrinks": ("shrink", "get smaller", "become smaller", "contract", "shrink down", "deflate"),
    "still": ("sit still", "stand still", "rest in place", "stay motionless", "remain still", "stay put"),
}

MOTION_ADJECTIVES: Phrasings = {
    "rolls_left": ("rolling", "tumbling"),
    "rolls_right": ("rolling", "tumbling"),
    "slides_toward": ("approaching", "sliding"),
    "slides_away": ("receding", "sliding"),
    "bounces": ("bouncing", "hopping", "jumping"),
    "spins": ("spinning", "rotating", "twirling"),
    "rises": ("rising", "ascending", "floating"),
    "falls": ("falling", "dropping", "plunging"),
    "circles": ("circling",),
    "swings": ("swinging", "swaying"),
    "wobbles": ("wobbling", "shaking", "wobbly"),
    "zigzags": ("zigzagging", "weaving"),
    "grows": ("growing", "expanding", "swelling"),
    "shrinks": ("shrinking", "contracting"),
    "still": ("motionless", "resting", "unmoving"),
}

SPEEDS: Phrasings = {
    "slow": ("slowly", "gently", "at a slow pace", "lazily", "very slowly"),
    "medium": ("steadily", "at a medium speed", "at a steady pace", "at a normal speed", "evenly"),
    "fast": ("quickly", "fast", "rapidly", "at high speed", "very fast", "swiftly"),
}

PLACES: Phrasings = {
    "meadow": (
        "on a meadow",
        "on a green meadow",
        "in a meadow",
        "on a grassy field",
        "on the grass",
        "on a lawn",
        "in a green field",
    ),
    "desert": (
        "in a desert",
        "in the desert",
        "on sand dunes",
        "among the dunes",
        "in a sandy desert",
        "on hot desert sand",
    ),
    "snow": (
        "in the snow",
        "on snow",
        "on a snowy field",
        "in a snowy landscape",
        "on white snow",
        "in winter snow",
    ),
    "beach": (
        "on a beach",
        "on the beach",
        "on a beach at sunset",
        "on a sandy beach",
        "on the seashore",
        "by the shore at sunset",
    ),
    "night": (
        "at night",
        "in the dark",
        "under the stars",
        "under a starry sky",
        "in the moonlight",
        "on a dark night",
    ),
    "studio": (
        "in a studio",
        "in a photo studio",
        "in a bright studio",
        "against a plain backdrop",
        "on a studio floor",
        "indoors",
    ),
    "sea": (
        "on the sea",
        "at sea",
        "on the water",
        "on the ocean",
        "over the waves",
        "on a calm sea",
    ),
    "forest": (
        "in a forest",
        "in the forest",
        "in a forest clearing",
        "in the woods",
        "among the trees",
        "in a green forest",
    ),
}

# The first word is a verb in its base form; the subject is the camera.
CAMERAS: Phrasings = {
    "static": ("stay still", "hold still", "stay fixed", "remain static", "stand still"),
    "pan_left": ("pan left", "pan to the left", "sweep left", "turn left", "turn to the left"),
    "pan_right": ("pan right", "pan to the right", "sweep right", "turn right", "turn to the right"),
    "tilt_up": ("tilt up", "tilt upwards", "look up", "tip up", "turn upwards"),
    "tilt_down": ("tilt down", "tilt downwards", "look down", "tip down", "turn downwards"),
    "zoom_in": ("zoom in", "move closer", "push in", "close in", "move in"),
    "zoom_out": ("zoom out", "pull back", "move back", "draw back", "back away"),
    "orbit_left": (
        "orbit left",
        "orbit to the left",
        "circle to the left",
        "arc left",
        "swing around to the left",
    ),
    "orbit_right": (
        "orbit right",
        "orbit to the right",
        "circle to the right",
        "arc right",
        "swing around to the right",
    ),
    "crane_up": ("crane up", "rise", "lift up", "ascend", "float upwards"),
}

SHOTS: Phrasings = {
    "static": ("static shot", "static camera", "fixed camera", "locked shot"),
    "pan_left": ("pan left", "left pan", "panning shot to the left", "camera pan left"),
    "pan_right": ("pan right", "right pan", "panning shot to the right", "camera pan right"),
    "tilt_up": ("tilt up", "upward tilt", "tilting shot upwards", "camera tilt up"),
    "tilt_down": ("tilt down", "downward tilt", "tilting shot downwards", "camera tilt down"),
    "zoom_in": ("zoom in", "slow zoom in", "push in shot", "camera zoom in"),
    "zoom_out": ("zoom out", "slow zoom out", "pull back shot", "camera zoom out"),
    "orbit_left": ("orbit left", "left orbit", "orbiting shot to the left", "camera orbit left"),
    "orbit_right": ("orbit right", "right orbit", "orbiting shot to the right", "camera orbit right"),
    "crane_up": ("crane up", "crane shot", "rising crane shot", "camera crane up"),
}

# What the first object is to the second; for "collides" the first word is a verb in its base form.
RELATIONS: Phrasings = {
    "beside": ("beside", "next to", "alongside", "by the side of", "near"),
    "behind": ("behind", "in back of", "in the background behind", "to the rear of", "right behind"),
    "in_front_of": ("in front of", "before", "ahead of", "in the foreground before", "right in front of"),
    "collides": ("collide with", "hit", "bump into", "crash into", "strike", "knock against"),
}

MOTION_SOUNDS: Phrasings = {
    "rolls_left": ("a low rumble", "a rolling sound", "soft rumbling", "a rumbling sound"),
    "rolls_right": ("a low rumble", "a rolling sound", "soft rumbling", "a rumbling sound"),
    "slides_toward": ("a soft scrape", "a sliding sound", "gentle scraping", "a faint hiss"),
    "slides_away": ("a soft scrape", "a sliding sound", "gentle scraping", "a faint hiss"),
    "bounces": ("soft thuds", "a thud at every bounce", "a bouncing sound", "dull thumps"),
    "spins": ("a soft whir", "a whirring sound", "a spinning hum", "quiet whirring"),
    "rises": ("a rising tone", "a tone going up", "a rising whistle", "a climbing note"),
    "falls": ("a falling whistle", "a tone going down", "a thud as it lands", "a falling note"),
    "circles": ("a soft hum", "a circling hum", "quiet humming", "a low hum"),
    "swings": ("soft creaks", "a creaking sound", "slow creaking", "a gentle creak"),
    "wobbles": ("a soft rattle", "a rattling sound", "quiet rattling", "a wobbling sound"),
    "zigzags": ("a soft swish", "a swishing sound", "quick swishes", "a rolling sound"),
    "grows": ("a rising tone", "a swelling hum", "a growing hum", "a stretching sound"),
    "shrinks": ("a falling tone", "a fading hum", "a shrinking squeak", "a sinking note"),
    "still": ("silence", "no sound", "near silence", "hardly any sound"),
}

PLACE_SOUNDS: Phrasings = {
    "meadow": ("birdsong", "birds singing", "a light breeze", "a summer breeze"),
    "desert": ("dry wind", "wind over sand", "a hot wind", "blowing wind"),
    "snow": ("cold wind", "a winter wind", "soft icy wind", "quiet wind"),
    "beach": ("gentle waves", "waves on the shore", "surf", "the sound of waves"),
    "night": ("crickets", "crickets chirping", "night insects", "a quiet night"),
    "studio": ("a quiet room", "room tone", "a silent room", "studio silence"),
    "sea": ("splashing waves", "water lapping", "the sea", "ocean waves"),
    "forest": ("rustling leaves", "birds and leaves", "forest birds", "wind in the trees"),
}

VOICE_SOUNDS: Phrasings = {
    "impact": ("thuds", "soft thuds", "dull thumps", "a thud", "thumping", "loud thuds"),
    "knock": ("a sharp knock", "knocks", "a loud clack", "knocking", "sharp knocks"),
    "roll": ("rolling", "a low rumble", "rumbling", "a rolling sound", "soft rumbling"),
    "hum": ("humming", "a soft hum", "a low hum", "quiet humming"),
    "spin": ("whirring", "a soft whir", "a whirring sound", "quiet whirring"),
    "glide_up": ("a rising tone", "a rising whistle", "a tone going up", "a climbing note"),
    "glide_down": ("a falling tone", "a falling whistle", "a tone going down", "a sinking note"),
    "swing": ("creaking", "soft creaks", "a creaking sound", "slow creaking"),
    "rattle": ("rattling", "a soft rattle", "a rattling sound", "quiet rattling"),
    "slide": ("scraping", "a soft scrape", "gentle scraping", "a sliding sound", "a faint hiss"),
}

AMBIENCE_SOUNDS: Phrasings = {
    "meadow": ("birds", "birdsong", "birds singing", "chirping birds"),
    "desert": ("dry wind", "wind over sand", "a hot wind", "soft wind"),
    "snow": ("cold wind", "a winter wind", "icy wind", "soft icy wind"),
    "beach": ("surf", "waves on the shore", "gentle waves", "breaking waves"),
    "night": ("crickets", "crickets chirping", "night insects", "chirping crickets"),
    "studio": ("a quiet room", "room tone", "silence", "studio silence"),
    "sea": ("lapping water", "water lapping", "splashing waves", "open water"),
    "forest": ("rustling leaves", "rustling", "birds and leaves", "wind in the trees"),
}

COLLISION_SOUNDS = ("a sharp knock", "a loud clack", "a knock as they hit", "a crash")

TABLES: tuple[Phrasings, ...] = (
    SHAPES,
    COLOURS,
    SURFACES,
    MOTIONS,
    MOTION_ADJECTIVES,
    SPEEDS,
    PLACES,
    CAMERAS,
    SHOTS,
    RELATIONS,
    MOTION_SOUNDS,
    PLACE_SOUNDS,
    VOICE_SOUNDS,
    AMBIENCE_SOUNDS,
    {"collision": COLLISION_SOUNDS},
)

VERB_TABLES: tuple[Phrasings, ...] = (MOTIONS, CAMERAS, {"collides": RELATIONS["collides"]})

_DOUBLED = frozenset({"hop", "drop", "spin", "zigzag", "get", "sit", "put", "pan", "tip", "hit", "stop"})
_LEADS = ("a", "an", "the")
_PREPOSITIONS = ("on", "in", "at", "by", "under", "over", "among", "against")


def present(phrase: str) -> str:
    """The verb phrase in the third person: "roll left" gives "rolls left"."""
    verb, _, rest = phrase.partition(" ")
    if verb.endswith(("sh", "ch", "s", "x", "o")):
        verb += "es"
    elif verb.endswith("y") and verb[-2] not in "aeiou":
        verb = verb[:-1] + "ies"
    else:
        verb += "s"
    return f"{verb} {rest}".rstrip()


def participle(phrase: str) -> str:
    """The verb phrase as a participle: "roll left" gives "rolling left"."""
    verb, _, rest = phrase.partition(" ")
    if verb in _DOUBLED:
        verb += verb[-1]
    elif verb.endswith("e"):
        verb = verb[:-1]
    return f"{verb}ing {rest}".rstrip()


def with_article(noun_phrase: str) -> str:
    """The noun phrase with its indefinite article: "orange ball" gives "an orange ball"."""
    return f"{'an' if noun_phrase[0] in 'aeio' else 'a'} {noun_phrase}"


def bare_place(phrase: str) -> str:
    """The place without preposition and article: "on a green meadow" gives "green meadow"."""
    words = phrase.split()
    if words[0] in _PREPOSITIONS:
        words = words[1:]
    if words[0] in _LEADS:
        words = words[1:]
    return " ".join(words)
