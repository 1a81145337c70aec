"""The colours can be read: WCAG 2 contrast of text and of edges, in both schemes."""

import pytest

from studio.theme import DARK, LIGHT


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("ground", ["paper", "surface", "raised", "screen"])
@pytest.mark.parametrize("text", ["ink", "quiet"])
def test_text_reaches_4_5_on_every_ground(palette: dict[str, str], ground: str, text: str) -> None:
    assert contrast(palette[text], palette[ground]) >= 4.5


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("text", ["accent", "warning", "danger", "good"])
def test_coloured_text_reaches_4_5_on_paper(palette: dict[str, str], text: str) -> None:
    assert contrast(palette[text], palette["paper"]) >= 4.5


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=["dark", "light"])
def test_text_on_the_accent_reaches_4_5(palette: dict[str, str]) -> None:
    assert contrast(palette["on-accent"], palette["accent"]) >= 4.5


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=["dark", "light"])
def test_edges_of_inputs_reach_3(palette: dict[str, str]) -> None:
    assert contrast(palette["edge"], palette["surface"]) >= 3


def contrast(one: str, other: str) -> float:
    """Return the WCAG 2 contrast ratio of two #RRGGBB colours."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Return the WCAG 2 relative luminance of a #RRGGBB colour."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
