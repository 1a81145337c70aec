/** The panel that exports the clip in the middle, and what became of it. */

const CONTROLS = ["short_side", "frame_rate", "quality", "loops"];

/** The form beside Download; it asks the studio itself, and fetches the file once it is written.
 *
 * `controls`: format -> names of the settings that change an export in it. */
export class ExportPanel {
  #panel;
  #open;
  #told;
  #controls;
  #take = null;

  constructor(hero, controls) {
    this.#controls = controls;
    this.#panel = hero.querySelector(".export");
    this.#open = hero.querySelector('[data-action="export"]');
    this.#told = this.#panel.querySelector('[data-field="export-told"]');
    this.#open.addEventListener("click", () => this.#show(this.#panel.hidden));
    this.#panel.addEventListener("input", () => this.#offer());
    this.#panel.addEventListener("submit", (event) => this.#submit(event));
    this.#offer();
  }

  /** Offer to export `take` where it is finished. */
  show(take) {
    const isOffered = take?.status === "done" && Boolean(take.clip);
    this.#open.hidden = !isOffered;
    if (take?.id !== this.#take?.id || !isOffered) this.#show(false);
    this.#take = take;
  }

  #show(isOpen) {
    this.#panel.hidden = !isOpen;
    this.#open.setAttribute("aria-expanded", isOpen);
    if (!isOpen) this.#told.textContent = "";
  }

  /** Leave out what changes nothing in the chosen format. */
  #offer() {
    const { elements } = this.#panel;
    const offered = this.#controls[elements.format.value];
    for (const name of CONTROLS) elements[name].disabled = !offered.includes(name);
    elements.loops.placeholder = elements.format.value === "gif" ? "for ever" : "1";
  }

  #settings() {
    const { elements } = this.#panel;
    const number = (name) => (elements[name].disabled || elements[name].value === "" ? null : Number(elements[name].value));
    return {
      format: elements.format.value,
      short_side: number("short_side"),
      frame_rate: number("frame_rate"),
      quality: elements.quality.disabled ? null : elements.quality.value,
      loops: number("loops"),
      has_metadata: elements.has_metadata.checked,
      name: elements.name.value,
    };
  }

  async #submit(event) {
    event.preventDefault();
    const button = this.#panel.querySelector('[data-action="export-now"]');
    button.disabled = true;
    this.#told.textContent = "Exporting…";
    try {
      this.#told.textContent = await this.#export();
    } catch {
      this.#told.textContent = "The studio does not answer; see whether it still runs.";
    }
    button.disabled = false;
  }

  /** Return what to tell once the file is written, or why it is not. */
  async #export() {
    const response = await fetch(`/studio/export/${this.#take.id}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(this.#settings()),
    });
    const made = await response.json();
    if (!made.name) return made.error ?? "The studio did not understand that.";
    const link = document.createElement("a");
    link.href = `/media/exports/${encodeURIComponent(made.name)}`;
    link.download = made.name;
    link.click();
    return `${made.name} is written, ${size(made.size_bytes)}. It also lies in ${made.folder}.`;
  }
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
