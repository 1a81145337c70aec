"""The panels for exporting a clip and for reporting a failure; scripts: assets/js/export.js and report.js."""

EXPORT_PANEL = """
<form class="export" aria-label="Export" hidden>
  <label>Format <select name="format">
    <option value="mp4">MP4, H.264</option><option value="webm">WebM, VP9</option>
    <option value="gif">GIF</option><option value="png">PNG frames</option>
    <option value="wav">WAV, sound only</option></select></label>
  <label>Short side <select name="short_side"><option value="">as made</option><option>360</option>
    <option>480</option><option>720</option><option>1080</option></select></label>
  <label>Frames per second <select name="frame_rate"><option value="">as made</option><option>12</option>
    <option>24</option><option>25</option><option>30</option><option>50</option><option>60</option></select></label>
  <label>Quality <select name="quality"><option value="best">Best</option><option value="high">High</option>
    <option value="small">Small file</option></select></label>
  <label>Loops <input type="number" name="loops" min="0" max="20" placeholder="1"></label>
  <label class="wide">Name <input type="text" name="name" maxlength="100" autocomplete="off"></label>
  <label class="tick"><input type="checkbox" name="has_metadata" checked>
    Say in the file how it was made</label>
  <label class="tick"><input type="checkbox" name="has_provenance" checked>
    Mark it as made by AI, signed by this device (C2PA)</label>
  <p class="hint" role="status" data-field="export-told"></p>
  <progress class="wide" max="1" value="0" aria-label="Export" hidden></progress>
  <button class="primary" data-action="export-now">Export</button>
  <button type="button" class="secondary" data-action="export-cancel" hidden>Cancel export</button>
</form>
"""

REPORT_PANEL = """
<div class="report" hidden>
  <button type="button" class="secondary" data-action="report">Copy report</button>
  <label><input type="checkbox" name="with_prompt"> with the words of the prompt</label>
  <span role="status" data-field="report-told"></span>
</div>
"""
