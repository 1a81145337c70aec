"""How a model's weights share a device's memory: named plans, and which one fits. Torch-free."""

from collections.abc import Mapping

PLANS = ("auto", "whole", "models", "models-int8", "blocks", "blocks-fp8")
"""From fastest to smallest: all parts on the device; one part at a time; the same with the blocks of a
transformer in 8-bit whole numbers; one block of a part at a time; the same with a transformer stored in 8
bits."""
EXACT_PLANS = ("whole", "models", "blocks")
"""Those that give the same numbers."""

TRANSFORMERS = ("transformer", "transformer_2")
BYTES_PER_PARAMETER = 2
_BLOCK_SHARE = 0.1
_WORK_SHARE = 0.25


def needed_bytes(parameters: Mapping[str, int], plan: str) -> int:
    """Return an estimate of the memory that the weights take on the device under `plan`.

    parameters: of each component. The work on a clip comes on top; `chosen` keeps a quarter free for it.
    """
    sizes = [BYTES_PER_PARAMETER * count for count in parameters.values()]
    if plan == "whole":
        return sum(sizes)
    if plan == "models-int8":
        halved = [count if name in TRANSFORMERS else 2 * count for name, count in parameters.items()]
        return max(halved, default=0)
    largest = max(sizes, default=0)
    if plan == "models":
        return largest
    block = _BLOCK_SHARE * largest
    return int(block / 2 if plan == "blocks-fp8" else block)


def chosen(parameters: Mapping[str, int], *, free_bytes: int) -> str:
    """Return the fastest plan that leaves a quarter of the memory; never one that changes the numbers."""
    room = (1 - _WORK_SHARE) * free_bytes
    fitting = (plan for plan in EXACT_PLANS if needed_bytes(parameters, plan) <= room)
    return next(fitting, EXACT_PLANS[-1])


def smaller(plan: str) -> str | None:
    """Return the next plan that takes less memory and gives the same numbers, or None after the last."""
    later = PLANS[max(1, PLANS.index(plan)) + 1 :]
    return next((each for each in later if each in EXACT_PLANS), None)
