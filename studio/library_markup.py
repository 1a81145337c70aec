"""The Library's HTML: structure and fixed words; its scripts fill in everything else as text."""

LIBRARY = """
<section class="library" aria-label="Library">
  <aside class="shelf">
    <h2>Projects</h2>
    <ol class="projects"></ol>
    <button type="button" class="shelf-entry" data-scope="all">All projects</button>
    <button type="button" class="shelf-entry" data-scope="bin">Bin</button>
    <form class="new-project"><label class="unseen" for="new-project">Name of a new project</label>
      <input id="new-project" type="text" name="name" maxlength="80" placeholder="New project…"
        autocomplete="off">
      <button class="secondary">Make</button></form>
    <div class="file-actions">
      <button type="button" class="secondary" data-action="import">Import a project…</button>
      <button type="button" class="secondary" data-action="put-back"
        title="Choose a file that was moved away; it is known by its content">Locate a missing file…</button>
      <input type="file" accept=".zip" data-field="import" aria-label="Project file" hidden>
      <input type="file" data-field="put-back" aria-label="Missing file" hidden>
    </div>
    <details class="disk"><summary>Disk use</summary><dl></dl>
      <button type="button" class="secondary" data-action="clean" hidden>Delete unclaimed files</button>
    </details>
  </aside>
  <div class="wall">
    <header class="scope">
      <h1 data-field="title"></h1>
      <form class="rename" hidden><label class="unseen" for="rename-project">Name of the project</label>
        <input id="rename-project" type="text" name="name" maxlength="80" autocomplete="off">
        <button class="secondary">Rename</button>
        <button type="button" class="quiet" data-action="keep-name">Keep</button></form>
      <div class="scope-actions">
        <button type="button" class="quiet" data-action="rename">Rename</button>
        <a class="quiet" data-action="export" download>Export</a>
        <button type="button" class="quiet" data-action="bin-project">Bin</button>
        <button type="button" class="secondary" data-action="empty-bin">Empty the bin…</button>
      </div>
    </header>
    <form class="filters" role="search">
      <input type="search" name="text" placeholder="Search prompts" aria-label="Search prompts" title="(/)"
        autocomplete="off">
      <label class="star-filter"><input type="checkbox" name="starred"> Starred</label>
      <select name="kind" aria-label="Kind"><option value="">Every kind</option>
        <option value="clip">Drafts</option><option value="detail">Details</option></select>
      <select name="status" aria-label="Outcome"><option value="">Every outcome</option>
        <option value="done">Done</option><option value="failed">Failed</option>
        <option value="canceled">Canceled</option></select>
      <select name="engine" aria-label="Engine"></select>
      <label>From <input type="date" name="since"></label>
      <label>To <input type="date" name="until"></label>
    </form>
    <p class="notice" role="alert" data-field="notice" hidden></p>
    <p class="hint" role="status" data-field="nothing" hidden></p>
    <ol class="posters" aria-label="Clips"></ol>
    <button type="button" class="quiet" data-action="older" hidden>Show more</button>
  </div>
  <aside class="chosen" aria-label="The chosen clip">
    <p class="hint" data-field="none">Choose a clip to see it play, what it was made from, and what was made
      from it.</p>
    <div class="chosen-clip" hidden>
      <div class="chosen-screen"><video playsinline loop muted controls aria-label="The chosen clip"></video>
        <p class="veil" data-field="veil"></p></div>
      <p class="told" data-field="prompt" dir="auto"></p>
      <p class="about figures" data-field="about"></p>
      <p class="warning" role="status" data-field="missing" hidden></p>
      <div class="clip-actions">
        <button type="button" class="secondary" data-action="star" aria-pressed="false"></button>
        <button type="button" class="secondary" data-part="all" title="All its settings">Reuse</button>
        <button type="button" class="secondary" data-part="remix" title="All but the seed">Remix</button>
        <button type="button" class="secondary" data-part="prompt" title="Its words alone">Prompt</button>
        <button type="button" class="secondary" data-part="seed" title="Its seed alone">Seed</button>
        <a class="secondary" data-action="download" download>Download</a>
        <button type="button" class="secondary" data-action="bin">Bin</button>
        <button type="button" class="secondary danger" data-action="delete">Delete for good…</button>
      </div>
      <h2>Family</h2>
      <ol class="family"></ol>
      <div class="difference">
        <h2>Difference</h2>
        <button type="button" class="secondary" data-action="compare" aria-pressed="false">
          Compare with…</button>
        <p class="hint" role="status" data-field="compare"></p>
        <table hidden><thead><tr><th scope="col">Setting</th><th scope="col">This</th>
          <th scope="col">Other</th></tr></thead><tbody></tbody></table>
      </div>
    </div>
  </aside>
  <dialog class="sheet confirm" aria-labelledby="confirm-title">
    <h2 id="confirm-title">Delete for good?</h2>
    <p data-field="question"></p>
    <form method="dialog"><button class="secondary" value="">Keep</button>
      <button class="secondary danger" value="delete">Delete</button></form>
  </dialog>
</section>
"""
