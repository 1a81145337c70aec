"""The commands of `launcher.py` and their options, as data. Needs nothing installed.

An option is written as "NAME", "--flag" or "--option/--alias VALUE"; a NAME may be left out, and an option
whose VALUE ends in three dots may be given several times.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

Options = dict[str, str]

_DEVICE: Options = {"--device D": "auto, cpu, cuda or mps; default: auto"}
_RESULT: Options = {
    "--out FILE": "where to write the MP4; default: the data folder only",
    "--json": "print one JSON object on stdout",
}
STUDIO: Options = {
    "--port N": "port on 127.0.0.1; default: 7860, 0 takes a free one",
    "--no-browser": "do not open the page in a browser",
    "--listen": "answer other machines too; needs a password, from KINORA_PASSWORD or typed in",
} | _DEVICE
_DETAIL_SETTINGS: Options = {
    "--size N": "short side of the detailed clip: 512 or 1024",
    "--fidelity K": "how far the draft is noised first: low keeps it, high adds more detail",
}
GENERATE: Options = (
    {
        "PROMPT": "what to see, in quotation marks",
        "--engine NAME": "the model to make it with; 'models list' names those there are",
        "--seed N": "the same seed gives the same clip; default: drawn",
        "--negative TEXT": "what not to see",
        "--seconds S": "length of the clip",
        "--aspect W:H": "1:1, 4:3, 3:4, 16:9 or 9:16",
        "--image FILE": "picture that the clip starts with",
        "--last-image FILE": "picture that the clip ends with",
        "--frame N:FILE...": "picture at frame N, counted from 0; once for each picture",
        "--lora FILE:STRENGTH...": "LoRA made for the model, such as style.safetensors:0.8; once for each",
        "--motion M": "how much motion to make",
        "--motion-negative M": "how much motion to move away from (2 where --motion is given)",
        "--preset Q": "fast, balanced or quality",
        "--steps N": "sampling steps, if not the preset's; more is slower",
        "--text-guidance/--guidance G": "how closely to follow the prompt",
        "--image-guidance G": "the same for given pictures, if not alike",
        "--motion-guidance G": "how much its own motion steers the clip",
        "--renormalisation R": "match, cap or off",
        "--variations N": "clips with seeds counting up from the first",
        "--from FILE": "take the request out of an exported MP4",
        "--detail": "add detail to the finished clip",
        "--sound": "give the finished clip a sound",
    }
    | _DETAIL_SETTINGS
    | _RESULT
    | _DEVICE
)
DETAIL: Options = (
    {
        "CLIP": "the video to make larger and finer",
        "--prompt TEXT": "what it shows; default: the prompt it was made from",
        "--engine NAME": "the model that adds the detail; default: the one it was made with",
    }
    | _DETAIL_SETTINGS
    | {
        "--steps N": "sampling steps; 4 to 6 are enough",
        "--guidance G": "how closely to follow the prompt",
        "--shift S": "how many of the steps work on the noisy part",
        "--start S": "detail from this second on",
        "--seconds S": "detail this many seconds",
        "--box L,T,R,B": "detail a part of the picture: left, top, right, bottom from 0 to 1",
        "--seed N": "the same seed gives the same detail; default: drawn",
    }
    | _RESULT
    | _DEVICE
)
MODELS: Options = {
    "ACTION": "list, add, check, set or remove",
    "MODEL": "to add: a folder in diffusers' layout, or an id on huggingface.co; else its name here",
    "--name NAME": "what to call an added model",
    "--revision COMMIT": "the commit to download, 40 hexadecimal digits; default: the newest",
    "--short-side N": "pixels of the short side of its clips; 0, the default: what it was trained for",
    "--memory PLAN": "how its weights share the memory: auto, whole, models, models-int8, blocks, blocks-fp8",
    "--block-cache T": "skip blocks where a step changes less than T, such as 0.1, which is faster; 0 is off",
    "--upsampler FOLDER": "to set: folder of LTX's latent upsampler, which begins details; '' for none",
    "--yes": "do not ask before downloading or removing",
}
SOUND: Options = (
    {
        "CLIP": "the video to give a sound",
        "--prompt TEXT": "what it shows and what to hear; default: the prompt it was made from",
        "--negative TEXT": "what not to hear",
        "--words-alone": "do not follow the picture",
        "--guidance G": "how closely to follow words and picture",
        "--video-guidance G": "the same for the picture, if not alike",
        "--steps N": "sampling steps; more is slower",
        "--take FILE": "an earlier sound of the clip, of which a part is made again",
        "--start S": "make the take again from this second on",
        "--seconds S": "make this many seconds of the take again",
        "--seed N": "the same seed gives the same sound; default: drawn",
    }
    | _RESULT
    | {"--out FILE": "where to write the MP4, or the sound alone where it ends in .wav"}
    | _DEVICE
)
EXPORT: Options = {
    "CLIP": "a video, or the id of a generation",
    "--format F": "mp4, webm, gif, png (frames in a ZIP) or wav; default: mp4",
    "--size N": "short side in pixels; default: as it is",
    "--frame-rate N": "frames per second, repeated or left out; default: as they are",
    "--quality Q": "best, high or small; best keeps the very pictures where nothing changes",
    "--loops N": "how often it plays; for a GIF, 0 is for ever",
    "--no-metadata": "do not say in the file how it was made",
    "--no-ai-mark": "do not mark the file as made by AI",
    "--out FILE": "where to write it; default: exports in the data folder",
    "--json": "print one JSON object on stdout",
}
TRAIN: Options = {
    "MEMBER": "vae, text, base, refiner, finisher, sound-vae, vocoder, soundtrack or a verifier",
    "--minutes N": "how long to train",
    "--resume": "go on from the last checkpoint",
} | _DEVICE
TEST: Options = {
    "--fast": "leave the browser tests out",
    "--faults": "run only the long tests that kill the studio and its worker again and again",
}

BENCH: Options = {
    "--quick": "short clips, few rounds: coarse figures",
    "--threads N": "processor threads; default: 1",
    "--out DIR": "folder of table and JSON",
} | _DEVICE

COMMANDS: dict[str, tuple[str, Options]] = {
    "studio": ("Open the studio in the browser (the default).", STUDIO),
    "generate": ("Make a clip from a prompt and write it as MP4.", GENERATE),
    "detail": ("Make a clip larger and finer and write it as MP4.", DETAIL),
    "models": ("Add open models and say what they can do.", MODELS),
    "sound": ("Give a clip a sound and write it as MP4.", SOUND),
    "export": ("Write a finished clip in another format, size or frame rate.", EXPORT),
    "train": ("Train a member of the Kinora Pocket model.", TRAIN),
    "evaluate": ("Measure the model and write the report.", {"--quick": "few clips, coarse figures"}),
    "bench": ("Measure speed and memory and write a table.", BENCH),
    "doctor": ("Say what this machine has and what is missing.", {}),
    "test": ("Check style and types and run the tests.", TEST),
}
_KINDS: dict[str, Callable[[str], Any]] = {
    "FILE": Path,
    "DIR": Path,
    "CLIP": Path,
    "--port": int,
    "--short-side": int,
    "--block-cache": float,
}


def add_options(parser: argparse.ArgumentParser, options: Options) -> None:
    """Add `options`, and the data folder that every command has, to `parser`."""
    for words, explanation in {**options, "--data DIR": "folder of the database, clips and logs"}.items():
        name, _, metavar = words.partition(" ")
        if not name.startswith("--"):
            kind = _KINDS.get(name, str)
            parser.add_argument(name.lower(), nargs="?", type=kind, metavar=name, help=explanation)
        elif not metavar:
            parser.add_argument(name, action="store_true", help=explanation)
        else:
            kind = _KINDS.get(name) or _KINDS.get(metavar, str)
            action = "append" if metavar.endswith("...") else "store"
            metavar = metavar.removesuffix("...")
            parser.add_argument(*name.split("/"), action=action, type=kind, metavar=metavar, help=explanation)
