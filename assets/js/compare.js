/** Before and after: the draft lies over the left part of its detailed clip, up to a line that can be dragged. */

export class Compare {
  #hero;
  #draft;
  #line;
  #button;

  constructor(hero) {
    this.#hero = hero;
    this.#draft = hero.querySelector(".before video");
    this.#line = hero.querySelector('[data-field="divider"]');
    this.#button = hero.querySelector('[data-action="compare"]');
    this.#button.addEventListener("click", () => this.#toggle());
    this.#line.addEventListener("input", () => this.#place());
    this.#place();
  }

  /** The video to hold at the position of the clip, or null where nothing is compared. */
  get follower() {
    return this.#hero.hasAttribute("data-compare") ? this.#draft : null;
  }

  /** Offer to compare `take` with its draft, if it has one. */
  show(take) {
    const url = take?.status === "done" && !take.request.box ? (take.draft ?? "") : "";
    this.#button.hidden = !url;
    if (this.#draft.dataset.url === url) return;
    this.#draft.dataset.url = url;
    if (url) this.#draft.src = url;
    else this.#draft.removeAttribute("src");
    this.#hero.toggleAttribute("data-compare", false);
    this.#button.setAttribute("aria-pressed", false);
  }

  /** Where the draft stands when the clip stands at `seconds`: a probe begins later. */
  timeOf(seconds, take) {
    return seconds + (take.request.start_seconds ?? 0);
  }

  #toggle() {
    const isShown = this.#hero.toggleAttribute("data-compare");
    this.#button.setAttribute("aria-pressed", isShown);
  }

  #place() {
    this.#hero.style.setProperty("--divider", `${this.#line.value}%`);
  }
}
