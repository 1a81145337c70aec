"""The HTML of the Models page. It holds structure and fixed words only; scripts fill in the rest as text."""

MODELS = """
<section class="models" aria-label="Models">
  <aside class="new-model">
    <h2>Add a model</h2>
    <p class="hint">Wan and LTX-Video make larger clips than Pocket and want a graphics card. Give a folder in
      diffusers' layout on this machine, or an id to download.</p>
    <form aria-label="Add a model">
      <label>Folder or id <input name="model" list="known-models" autocomplete="off" spellcheck="false"
        placeholder="/models/… or Wan-AI/…"></label>
      <datalist id="known-models"></datalist>
      <label>Call it <input name="name" maxlength="40" autocomplete="off" spellcheck="false"
        placeholder="wan"></label>
      <button class="secondary">Look at it</button>
    </form>
    <p class="notice" role="alert" data-field="notice" hidden></p>
    <article class="model" data-field="seen" hidden></article>
    <ul class="arrivals" aria-label="On their way"></ul>
    <p class="hint">Nothing is downloaded before you agree, and nothing is asked of the network otherwise: all
      models here work offline. Only safetensors are read, and no code of a model is run.</p>
  </aside>
  <div class="there">
    <h2>Models here</h2>
    <ol aria-label="Models here"></ol>
  </div>
  <dialog class="sheet confirm" aria-labelledby="remove-title">
    <h2 id="remove-title">Remove this model?</h2>
    <p data-field="question"></p>
    <form method="dialog">
      <input name="typed" aria-label="Name of the model" autocomplete="off" spellcheck="false">
      <button class="secondary" value="keep" formnovalidate>Keep it</button>
      <button class="secondary danger" value="remove">Remove</button>
    </form>
  </dialog>
  <p class="unseen" aria-live="polite" data-field="announcement"></p>
</section>
"""
