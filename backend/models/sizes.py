"""Sizes of clips: what open models were trained for, and the same shapes smaller or larger. Torch-free."""

Sizes = dict[str, tuple[int, int]]

SIZES_480: Sizes = {
    "1:1": (624, 624),
    "4:3": (704, 544),
    "3:4": (544, 704),
    "16:9": (832, 480),
    "9:16": (480, 832),
}
SIZES_720: Sizes = {
    "1:1": (960, 960),
    "4:3": (1088, 832),
    "3:4": (832, 1088),
    "16:9": (1280, 720),
    "9:16": (720, 1280),
}


def fitted(sizes: Sizes, *, multiple: int, short_side: int | None = None) -> Sizes:
    """Return `sizes` in whole multiples of `multiple` pixels, with the `short_side` where one is given."""
    result = {}
    for ratio, (width, height) in sizes.items():
        factor = 1.0 if short_side is None else short_side / min(width, height)
        result[ratio] = (_rounded(width * factor, multiple), _rounded(height * factor, multiple))
    return result


def _rounded(length: float, multiple: int) -> int:
    return max(multiple, round(length / multiple) * multiple)
