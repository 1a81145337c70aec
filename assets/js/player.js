/** The finished clip: plays in a loop, with its own controls. */

const stillness = matchMedia("(prefers-reduced-motion: reduce)");

/** Move `video` to `seconds` where it stands elsewhere. */
function hold(video, seconds) {
  const isOff = Math.abs(video.currentTime - seconds) > 0.02;
  if (video.readyState > 0 && !video.seeking && isOff) video.currentTime = seconds;
}

export class Player {
  #video;
  #motion;
  #position;
  #clock;
  #playButton;
  #loaded = "";
  #turn = 0;
  #take = null;
  #compare;

  constructor(hero, compare) {
    this.#compare = compare;
    this.#video = hero.querySelector(".screen:not(.motion-layer) > video");
    this.#motion = hero.querySelector(".motion-layer > video");
    this.#position = hero.querySelector('[data-field="position"]');
    this.#clock = hero.querySelector('[data-field="clock"]');
    this.#playButton = hero.querySelector('[data-action="play"]');
    const video = this.#video;
    const toggle = () => (video.paused ? video.play() : video.pause());
    this.#playButton.addEventListener("click", toggle);
    video.addEventListener("click", toggle);
    for (const event of ["play", "pause"]) video.addEventListener(event, () => this.#showState());
    for (const event of ["play", "seeked", "loadedmetadata"]) video.addEventListener(event, () => this.#follow());
    this.#position.addEventListener("input", () => this.#seek());
    hero.querySelector('[data-action="fullscreen"]').addEventListener("click", () => video.requestFullscreen());
  }

  /** Show the clip of `take` and play it, unless it is there already. */
  load(take) {
    if (this.#loaded === take.clip) return;
    this.#loaded = take.clip;
    this.#take = take;
    this.#video.poster = take.poster ?? "";
    this.#video.setAttribute("aria-label", `Clip: ${take.request.prompt}`);
    this.#video.muted = !(take.facts.sound_seconds || take.facts.sound);
    this.#video.src = take.clip;
    if (take.motion) this.#motion.src = take.motion;
    else this.#motion.removeAttribute("src");
    if (!stillness.matches) this.#video.play().catch(() => {});
  }

  /** Let go of the clip. */
  unload() {
    if (!this.#loaded) return;
    this.#loaded = "";
    this.#video.pause();
    this.#video.removeAttribute("src");
    this.#motion.removeAttribute("src");
    this.#video.removeAttribute("poster");
    this.#video.load();
  }

  #seek() {
    this.#video.pause();
    const seconds = this.#position.value * this.#video.duration;
    if (Number.isFinite(seconds)) this.#video.currentTime = seconds; // a video that still loads has no length
  }

  #showState() {
    this.#playButton.dataset.playing = !this.#video.paused;
    this.#playButton.setAttribute("aria-label", this.#video.paused ? "Play" : "Pause");
  }

  /** Show the position now, and at every frame while the clip plays. */
  #follow() {
    cancelAnimationFrame(this.#turn);
    this.#showPosition();
    this.#keepStep();
    if (!this.#video.paused) this.#turn = requestAnimationFrame(() => this.#follow());
  }

  /** Hold the motion layer and the draft at the clip's position: they never play alone, so they cannot drift. */
  #keepStep() {
    const now = this.#video.currentTime;
    hold(this.#motion, now);
    const draft = this.#compare.follower;
    if (draft) hold(draft, this.#compare.timeOf(now, this.#take));
  }

  #showPosition() {
    const { currentTime, duration } = this.#video;
    if (!(duration > 0)) return;
    if (document.activeElement !== this.#position || !this.#video.paused) this.#position.value = currentTime / duration;
    this.#position.style.setProperty("--filled", `${(100 * currentTime) / duration}%`);
    this.#clock.textContent = `${currentTime.toFixed(1)} / ${duration.toFixed(1)} s`;
  }
}
