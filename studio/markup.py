"""The page's own HTML. It holds structure and fixed words only; scripts fill in everything else as text."""

from studio.export_panel import EXPORT_PANEL, REPORT_PANEL

HEADER = """
<header class="bar">
  <p class="brand"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M3 5v14l8-7zM13 5v14l8-7z"/></svg>
    <b>Kinora</b><label class="project">
    <span class="unseen">Project</span><select data-field="project"></select></label></p>
  <p class="status" role="status"><span class="dot" aria-hidden="true"></span>
    <span data-field="status"></span></p>
  <button type="button" class="quiet glyph" data-action="theme" aria-label="Switch between dark and light"
    title="Switch between dark and light"><svg viewBox="0 0 24 24" aria-hidden="true">
    <path d="M12 3a9 9 0 0 0 0 18z"/><path class="stroke" d="M12 4a8 8 0 0 1 0 16"/></svg></button>
  <button type="button" class="quiet glyph" data-action="shortcuts" aria-label="Keyboard shortcuts"
    title="Keyboard shortcuts (?)">?</button>
</header>
<dialog class="sheet" aria-labelledby="shortcuts-title">
  <h2 id="shortcuts-title">Keyboard shortcuts</h2>
  <dl>
    <div><dt><kbd>Ctrl</kbd> <kbd>Enter</kbd></dt><dd>Generate, or add to the queue</dd></div>
    <div><dt><kbd>Esc</kbd></dt><dd>Cancel the clip being made</dd></div>
    <div><dt><kbd>Space</kbd></dt><dd>Play or pause</dd></div>
    <div><dt><kbd>E</kbd></dt><dd>Reuse all settings of the clip</dd></div>
    <div><dt><kbd>R</kbd></dt><dd>Remix: its settings with a new seed</dd></div>
    <div><dt><kbd>M</kbd></dt><dd>Show or hide the motion layer</dd></div>
    <div data-needs="detail"><dt><kbd>A</kbd></dt><dd>Approve the draft for detail</dd></div>
    <div data-needs="detail"><dt><kbd>D</kbd></dt><dd>Detail: larger and finer</dd></div>
    <div data-needs="detail"><dt><kbd>C</kbd></dt><dd>Compare with the draft</dd></div>
    <div data-needs="sound"><dt><kbd>S</kbd></dt><dd>Sound for the clip</dd></div>
    <div><dt><kbd>/</kbd></dt><dd>Search the library</dd></div>
    <div><dt><kbd>?</kbd></dt><dd>Show this sheet</dd></div>
  </dl>
  <form method="dialog"><button class="secondary">Close</button></form>
</dialog>
"""

HERO = """
<section class="hero" aria-label="Clip" data-view="empty">
  <ul class="problems" role="alert" hidden></ul>
  <div class="stage">
    <div class="screen">
      <canvas role="img" width="1" height="1" aria-label="Preview of the clip being made"></canvas>
      <video playsinline loop muted preload="auto" aria-label="The clip"></video>
      <div class="before"><video playsinline loop muted preload="auto" aria-label="The draft"></video></div>
      <div class="box" hidden title="Draw a box to probe a part of the picture"><i hidden></i></div>
      <p class="veil" data-field="veil"></p>
      <button type="button" class="quiet layers" data-action="layers" aria-pressed="false"
        title="Show where the model sees things move (M)">Motion layer</button>
    </div>
    <div class="screen motion-layer">
      <canvas role="img" width="1" height="1" aria-label="Predicted motion of the clip being made"></canvas>
      <video playsinline muted preload="auto" aria-label="Predicted motion of the clip"></video>
    </div>
    <ol class="drafts" aria-label="Drafts"></ol>
    <div class="welcome">
      <h1>Describe a moment, see it move</h1>
      <p>Write on the left what should happen and where, or begin with one of these.</p>
      <ul class="examples"></ul>
    </div>
  </div>
  <div class="transport">
    <button type="button" class="quiet glyph" data-action="play" aria-label="Play">
      <svg viewBox="0 0 24 24" aria-hidden="true"><path class="is-play" d="M7 4v16l13-8z"/>
      <path class="is-pause" d="M6 4h4v16H6zM14 4h4v16h-4z"/></svg></button>
    <input type="range" min="0" max="1" step="any" value="0" aria-label="Position in the clip"
      data-field="position">
    <span class="figures" data-field="clock"></span>
    <button type="button" class="quiet glyph" data-action="fullscreen" aria-label="Full screen">
      <svg viewBox="0 0 24 24" aria-hidden="true">
      <path class="stroke" d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5"/></svg></button>
  </div>
  <label class="divider">Draft <input type="range" min="0" max="100" value="50" data-field="divider"
    aria-label="How much of the draft is shown"> Detail</label>
  <div class="making">
    <p><b data-field="phase"></b> <span class="figures" data-field="times"></span></p>
    <progress max="1" value="0" aria-label="Progress of the clip"></progress>
    <button type="button" class="secondary" data-action="cancel" title="Cancel (Esc)">Cancel</button>
  </div>
  <p class="told" data-field="prompt" dir="auto"></p>
  <div class="after">
    <div class="actions">
      <button type="button" class="secondary" data-action="reuse" title="Fill in all its settings (E)">
        Reuse</button>
      <button type="button" class="secondary" data-action="remix" title="Its settings, a new seed (R)">
        Remix</button>
      <button type="button" class="secondary" data-action="detail" aria-expanded="false" hidden
        title="Make it larger and finer (D)">Detail</button>
      <button type="button" class="secondary" data-action="compare" aria-pressed="false" hidden
        title="Put it beside its draft (C)">Compare</button>
      <button type="button" class="secondary" data-action="sound" hidden
        title="Give it sound (S)">Sound</button>
      <a class="secondary" data-action="download" download>Download</a>
      <button type="button" class="secondary" data-action="export" aria-expanded="false" hidden
        title="Choose format, size, frame rate, quality">Export</button>
    </div>
    <p class="seed">Seed <span class="figures" data-field="seed"></span>
      <button type="button" class="quiet glyph" data-action="copy-seed" aria-label="Copy the seed"
        title="Copy the seed"><svg viewBox="0 0 24 24" aria-hidden="true">
        <path class="stroke" d="M9 9h11v11H9zM5 15H4V4h11v1"/></svg></button></p>
    <p class="moved" data-field="moved"></p>
    <p class="kept" data-field="kept"></p>
    <details class="facts"><summary><span data-field="summary"></span></summary><dl></dl></details>
  </div>
  <form class="detail" aria-label="Detail" hidden>
    <label class="wide">Fidelity <input type="range" name="degradation_step" min="0" max="900" step="10">
      <small>keeps the draft</small><small>adds more detail</small></label>
    <label>Size <select name="target_size"><option value="512">512 px</option>
      <option value="1024">1024 px</option></select></label>
    <label>Steps <input type="number" name="num_inference_steps" min="1" max="50"></label>
    <label>Guidance <input type="number" name="guidance_scale" min="1" max="30" step="0.5"></label>
    <label>Shift <input type="number" name="timestep_shift" min="1" max="20" step="0.5"></label>
    <p class="warning" role="status" data-field="warning"></p>
    <p class="hint">A probe details one second; draw a box over the clip to probe a part of it.</p>
    <button type="button" class="secondary" data-action="probe">Probe</button>
    <button class="primary" data-action="detail-all">Detail the clip</button>
  </form>
  {export_panel}
  <p class="unseen" aria-live="polite" data-field="announcement"></p>
</section>
""".replace("{export_panel}", EXPORT_PANEL.strip() + REPORT_PANEL.rstrip())

TAKES = """
<section class="takes" aria-label="Takes">
  <div class="history">
    <h2>Takes</h2>
    <p class="hint" data-field="no-takes">Every clip you make is kept here, with all its settings.</p>
    <ol></ol>
    <button type="button" class="quiet" data-action="older" hidden>Show older takes</button>
  </div>
  <div class="queue" hidden>
    <div class="queue-bar">
      <h2>Queue</h2>
      <button type="button" class="quiet" data-action="pause" title="Begin nothing after the running clip">
        Pause</button>
      <button type="button" class="quiet" data-action="pause-now"
        title="Stop at this step, free the memory, go on from there later">Pause now</button>
      <button type="button" class="quiet" data-action="resume">Resume</button>
    </div>
    <p class="hint" role="status" data-field="queue-note"></p>
    <ol></ol>
  </div>
</section>
"""

WORDS = """
{{#if value.unknown}}<p class="unknown" role="status">Unknown here:
{{#each value.unknown}}<mark>{{this}}</mark> {{/each}}</p>{{/if}}
"""

KNOWN_WORDS = """
<details class="known"{{#unless value.groups}} hidden{{/unless}}>
<summary>Words {{value.title}} knows</summary>
<div class="groups">{{#each value.groups}}<div class="group"><h3>{{this.name}}</h3>
{{#each this.words}}<button type="button" class="chip" data-word="{{this}}">{{this}}</button>{{/each}}
</div>{{/each}}</div></details>
"""

PREDICTION = """{{#if value.size}}<p class="prediction">
{{#if value.time}}About <b>{{value.time}}</b> on this machine{{else}}
Its time is known once the model has loaded{{/if}}
<small>{{value.size}} · {{value.memory}} of memory · {{value.disk}} of disk</small></p>{{/if}}
{{#each value.warnings}}<p class="shortage" role="status">{{this}}</p>{{/each}}"""

NOTICE = """{{#if value}}<p class="notice" role="alert">{{value}}</p>{{/if}}"""
