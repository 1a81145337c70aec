"""The HTML of what a request may hold several times. It holds structure and fixed words only."""

KEY_FRAMES = """
<section class="rows" aria-label="Images at frames">
  <p class="hint" data-field="about"></p>
  <ol></ol>
  <p class="notice" role="alert" data-field="notice" hidden></p>
  <button type="button" class="secondary" data-action="add">Add an image…</button>
  <input type="file" accept="image/*" aria-label="Image for a frame" hidden>
</section>
"""

LORAS = """
<section class="rows" aria-label="LoRA files">
  <p class="hint" data-field="about"></p>
  <ol></ol>
  <p class="notice" role="alert" data-field="notice" hidden></p>
  <button type="button" class="secondary" data-action="add">Add a LoRA file…</button>
  <input type="file" accept=".safetensors" aria-label="LoRA file" hidden>
</section>
"""
