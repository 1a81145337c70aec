/** The settings of a detail pass, and the box that a probe is confined to. */

const WORDS = {
  degradation_step: "Fidelity",
  num_inference_steps: "Steps",
  guidance_scale: "Guidance",
  timestep_shift: "Shift",
};

/** The panel under a finished draft; `page` has detail(id, settings). */
export class DetailPanel {
  #hero;
  #panel;
  #page;
  #box;
  #take = null;
  #options = null;

  constructor(hero, page) {
    this.#hero = hero;
    this.#page = page;
    this.#panel = hero.querySelector(".detail");
    this.#box = new BoxPicker(hero.querySelector(".box"));
    const open = hero.querySelector('[data-action="detail"]');
    open.addEventListener("click", () => this.open(this.#panel.hidden));
    this.#panel.addEventListener("input", () => this.#warn());
    this.#panel.addEventListener("submit", (event) => this.#submit(event));
    this.#panel.querySelector('[data-action="probe"]').addEventListener("click", () => this.#probe());
  }

  /** Offer detail for `take` where it is a finished draft; `options` {defaults, safe} of its model, or null. */
  show(take, options) {
    if (options && JSON.stringify(options) !== JSON.stringify(this.#options)) {
      for (const [name, value] of Object.entries(options.defaults)) this.#field(name).value = value;
    }
    this.#options = options ?? this.#options;
    const isOffered = Boolean(options && take?.status === "done" && take.kind === "clip");
    this.#hero.querySelector('[data-action="detail"]').hidden = !isOffered;
    if (take?.id !== this.#take?.id || !isOffered) this.open(false);
    this.#take = take;
  }

  /** Show or hide the settings. */
  open(isOpen) {
    this.#panel.hidden = !isOpen;
    this.#hero.querySelector('[data-action="detail"]').setAttribute("aria-expanded", isOpen);
    this.#box.offer(isOpen);
    if (isOpen) this.#warn();
  }

  #field(name) {
    return this.#panel.elements[name];
  }

  #settings() {
    const names = ["target_size", ...Object.keys(WORDS)];
    return Object.fromEntries(names.map((name) => [name, Number(this.#field(name).value)]));
  }

  #submit(event) {
    event.preventDefault();
    this.#page.detail(this.#take.id, this.#settings());
    this.open(false);
  }

  /** Detail the second around what is on the screen, inside the box if one was drawn. */
  #probe() {
    const video = this.#hero.querySelector(".screen video");
    const length = Math.min(1, video.duration);
    const start = Math.min(Math.max(0, video.currentTime - length / 2), video.duration - length);
    const part = { start_seconds: start, duration_seconds: length };
    const box = this.#box.shares();
    this.#page.detail(this.#take.id, { ...this.#settings(), ...part, ...(box && { box }) });
    this.open(false);
  }

  /** Say which settings lie outside the range that was found to work. */
  #warn() {
    const outside = Object.entries(this.#options.safe)
      .filter(([name, [least, most]]) => {
        const value = Number(this.#field(name).value);
        return value < least || value > most;
      })
      .map(([name, [least, most]]) => `${WORDS[name]} works best from ${least} to ${most}.`);
    this.#panel.querySelector('[data-field="warning"]').textContent = outside.join(" ");
  }
}

/** Lets a rectangle be drawn over the clip. */
class BoxPicker {
  #layer;
  #frame;
  #from = null;
  #shares = null;

  constructor(layer) {
    this.#layer = layer;
    this.#frame = layer.querySelector("i");
    layer.addEventListener("pointerdown", (event) => this.#begin(event));
    layer.addEventListener("pointermove", (event) => this.#from && this.#stretch(event));
    layer.addEventListener("pointerup", () => (this.#from = null));
    layer.addEventListener("dblclick", () => this.#clear());
  }

  /** Take the pointer over the clip, or leave it alone and forget the box. */
  offer(isOffered) {
    this.#layer.hidden = !isOffered;
    this.#clear();
  }

  /** Return [left, top, right, bottom] in shares of the picture, or null without a box. */
  shares() {
    return this.#shares;
  }

  #begin(event) {
    this.#layer.setPointerCapture(event.pointerId);
    this.#from = this.#place(event);
    this.#clear();
  }

  #stretch(event) {
    const [x, y] = this.#place(event);
    const [left, right] = [this.#from[0], x].sort((a, b) => a - b);
    const [top, bottom] = [this.#from[1], y].sort((a, b) => a - b);
    if (right - left < 0.02 || bottom - top < 0.02) return;
    this.#shares = [left, top, right, bottom];
    const inset = [top, 1 - right, 1 - bottom, left].map((share) => `${100 * share}%`);
    this.#frame.style.inset = inset.join(" ");
    this.#frame.hidden = false;
  }

  #place(event) {
    const area = this.#layer.getBoundingClientRect();
    const share = (value, start, size) => Math.min(1, Math.max(0, (value - start) / size));
    return [share(event.clientX, area.left, area.width), share(event.clientY, area.top, area.height)];
  }

  #clear() {
    this.#shares = null;
    this.#frame.hidden = true;
  }
}
