"""The look of the studio: its colours, written once, and Gradio's variables mapped onto them."""

import gradio as gr

DARK = {
    "paper": "#14151A",
    "surface": "#1C1E25",
    "raised": "#252832",
    "line": "#2A2D37",
    "edge": "#666C7E",
    "ink": "#E8E9ED",
    "quiet": "#9A9FAE",
    "accent": "#FF7A45",
    "on-accent": "#14151A",
    "warning": "#F2B84B",
    "danger": "#FF8080",
    "good": "#6FCF97",
    "screen": "#0C0D10",
    "shadow": "0 24px 64px rgb(0 0 0 / 45%)",
}
LIGHT = {
    "paper": "#FAFAF7",
    "surface": "#FFFFFF",
    "raised": "#F1F0EB",
    "line": "#E4E3DD",
    "edge": "#85868C",
    "ink": "#1B1C20",
    "quiet": "#63677A",
    "accent": "#C2440F",
    "on-accent": "#FFFFFF",
    "warning": "#8A5A00",
    "danger": "#B3261E",
    "good": "#1E7A46",
    "screen": "#F1F0EB",
    "shadow": "0 24px 64px rgb(40 36 24 / 16%)",
}
SYSTEM_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO_FONTS = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

_COLOURS = {
    "body_text_color": "var(--ink)",
    "body_text_color_subdued": "var(--quiet)",
    "background_fill_primary": "var(--surface)",
    "background_fill_secondary": "var(--paper)",
    "border_color_primary": "var(--line)",
    "border_color_accent": "var(--accent)",
    "color_accent_soft": "var(--raised)",
    "block_background_fill": "transparent",
    "block_border_color": "var(--line)",
    "block_label_text_color": "var(--quiet)",
    "block_title_text_color": "var(--ink)",
    "block_info_text_color": "var(--quiet)",
    "panel_background_fill": "transparent",
    "input_background_fill": "var(--surface)",
    "input_background_fill_focus": "var(--surface)",
    "input_border_color": "var(--edge)",
    "input_border_color_focus": "var(--accent)",
    "input_placeholder_color": "var(--quiet)",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "button_primary_background_fill": "var(--accent)",
    "button_primary_background_fill_hover": "var(--accent)",
    "button_primary_text_color": "var(--on-accent)",
    "button_primary_text_color_hover": "var(--on-accent)",
    "button_primary_border_color": "transparent",
    "button_primary_shadow": "none",
    "button_secondary_background_fill": "transparent",
    "button_secondary_background_fill_hover": "var(--raised)",
    "button_secondary_text_color": "var(--ink)",
    "button_secondary_text_color_hover": "var(--ink)",
    "button_secondary_border_color": "var(--edge)",
    "button_secondary_shadow": "none",
    "slider_color": "var(--accent)",
    "checkbox_label_background_fill": "transparent",
    "link_text_color": "var(--accent)",
}
_SHAPES = {
    "block_border_width": "0px",
    "block_padding": "0px",
    "block_radius": "8px",
    "block_label_radius": "8px",
    "block_shadow": "none",
    "block_title_text_size": "13px",
    "block_title_text_weight": "600",
    "block_info_text_size": "12px",
    "input_radius": "8px",
    "input_text_size": "14px",
    "input_padding": "8px 12px",
    "button_border_width": "1px",
    "button_large_radius": "8px",
    "button_small_radius": "8px",
    "form_gap_width": "0px",
    "layout_gap": "16px",
}


def kinora_theme() -> gr.themes.Base:
    """Return the Gradio theme; every colour in it follows the tokens of `colour_tokens`."""
    theme = gr.themes.Base(
        font=SYSTEM_FONTS, font_mono=MONO_FONTS, text_size=gr.themes.sizes.text_md, radius_size="md"
    )
    both = {f"{name}{mode}": value for name, value in _COLOURS.items() for mode in ("", "_dark")}
    return theme.set(
        body_background_fill=LIGHT["paper"], body_background_fill_dark=DARK["paper"], **both, **_SHAPES
    )


def colour_tokens() -> str:
    """Return the style sheet that defines the colours for the system's scheme and for a chosen one."""
    dark, light = _declarations(DARK), _declarations(LIGHT)
    return (
        f":root{{color-scheme:light;{light}}}"
        f"@media (prefers-color-scheme:dark){{:root{{color-scheme:dark;{dark}}}}}"
        f":root[data-theme=light]{{color-scheme:light;{light}}}"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}"
        "body,body.dark{background:var(--paper)}"
    )


def _declarations(palette: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in palette.items())
