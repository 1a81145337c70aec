"""The HTML of the sound page. It holds structure and fixed words only; scripts fill in the rest as text."""

DESK = """
<section class="desk" aria-label="Sound" data-view="empty">
  <form class="asked" aria-label="What to hear">
    <h2>Clip</h2>
    <ol class="clips" aria-label="Clips"></ol>
    <label>What to hear <textarea name="prompt" rows="3" placeholder="as the picture says"></textarea></label>
    <label>What not to hear <textarea name="negative_prompt" rows="2"></textarea></label>
    <label class="line"><input type="checkbox" name="sees_video" checked> Follow the picture</label>
    <label>Guidance <input type="number" name="guidance_scale" min="1" max="30" step="0.5"></label>
    <label title="Low, and words outweigh the picture">Guidance by the picture <input type="number"
      name="video_guidance_scale" min="1" max="30" step="0.5" placeholder="the same"></label>
    <label>Steps <input type="number" name="num_inference_steps" min="1" max="100"></label>
    <label>Takes <input type="number" name="variations" min="1" max="16" value="1"></label>
    <button class="primary" data-action="make">Make sound</button>
  </form>
  <div class="heard">
    <p class="hint" data-field="empty">Make a clip on Create first, or bring one along; here it gets its
      sound.</p>
    <div class="stage"><video playsinline controls preload="auto" aria-label="The clip with its sound">
      </video></div>
    <p class="making" role="status" data-field="making"></p>
    <figure class="plot">
      <svg viewBox="0 0 1000 160" preserveAspectRatio="none" role="img" data-field="plot"></svg>
      <figcaption><span class="key sound">sound</span> <span class="key onset">begins to sound</span>
        <span class="key motion">motion</span> <span class="figures" data-field="sync"></span></figcaption>
    </figure>
    <form class="part" aria-label="Make a part again">
      <label>From <input type="number" name="start_seconds" min="0" step="0.1" value="0"></label>
      <label>Seconds <input type="number" name="duration_seconds" min="0.1" step="0.1" value="0.5"></label>
      <button class="secondary">Make this part again</button>
    </form>
    <form class="mix" aria-label="Mix">
      <label>Nudge, ms <input type="number" name="offset_milliseconds" min="-5000" max="5000" step="10"
        value="0"></label>
      <label>Volume <input type="number" name="volume" min="0" max="2" step="0.05" value="1"></label>
      <label>Fade in, s <input type="number" name="fade_in_seconds" min="0" max="60" step="0.1"
        value="0"></label>
      <label>Fade out, s <input type="number" name="fade_out_seconds" min="0" max="60" step="0.1"
        value="0"></label>
      <label>Own track <input type="number" name="own_volume" min="0" max="2" step="0.05" value="1"
        aria-label="Volume of your own track"></label>
      <label>Loudness <select name="target_lufs"><option value="">as it is</option>
        <option value="-14">-14 LUFS, web</option><option value="-16">-16 LUFS, phones</option>
        <option value="-23">-23 LUFS, broadcast</option></select></label>
      <button class="secondary">Apply the mix</button>
    </form>
    <div class="actions">
      <button type="button" class="primary" data-action="accept">Use this take</button>
      <button type="button" class="secondary" data-action="take-off" hidden>Take it off the clip</button>
      <a class="secondary" data-action="clip-download" download>MP4</a>
      <a class="secondary" data-action="sound-download" download>WAV alone</a>
      <span class="figures" data-field="accepted" role="status"></span>
    </div>
  </div>
  <div class="sounds"><h2>Takes</h2>
    <p class="hint" data-field="no-sounds">Every take of this clip's sound is kept here.</p><ol></ol></div>
</section>
"""

TRACK = """<p class="track" data-track="{{value.name}}">{{#if value.name}}{{value.title}}{{/if}}</p>"""
