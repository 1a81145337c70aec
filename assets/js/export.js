/** The panel that exports the clip in the middle, and what became of it. */

const CONTROLS = ["short_side", "frame_rate", "quality", "loops", "has_provenance"];
const LOOK_MILLISECONDS = 300;

/** The form beside Download; it asks the studio itself, and fetches the file once it is written.
 *
 * `controls`: format -> names of the settings that change an export in it. */
export class ExportPanel {
  #panel;
  #open;
  #told;
  #controls;
  #take = null;
  #running = null;

  constructor(hero, controls) {
    this.#controls = controls;
    this.#panel = hero.querySelector(".export");
    this.#open = hero.querySelector('[data-action="export"]');
    this.#told = this.#panel.querySelector('[data-field="export-told"]');
    this.#open.addEventListener("click", () => this.#show(this.#panel.hidden));
    this.#panel.addEventListener("input", () => this.#offer());
    this.#panel.addEventListener("submit", (event) => this.#submit(event));
    this.#button("export-cancel").addEventListener("click", () => this.#cancel());
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
      has_provenance: elements.has_provenance.disabled ? null : elements.has_provenance.checked,
      name: elements.name.value,
    };
  }

  async #submit(event) {
    event.preventDefault();
    this.#button("export-now").disabled = true;
    this.#told.textContent = "Exporting…";
    try {
      this.#told.textContent = await this.#export();
    } catch {
      this.#told.textContent = "The studio does not answer; see whether it still runs.";
    }
    this.#showProgress(null);
    this.#button("export-now").disabled = false;
  }

  /** Return what to tell once the file is written, or why it is not. */
  async #export() {
    let made = await post(`/studio/export/${this.#take.id}`, this.#settings());
    while (made.status === "queued" || made.status === "running") {
      this.#showProgress(made);
      await new Promise((resume) => setTimeout(resume, LOOK_MILLISECONDS));
      made = await (await fetch(`/studio/exports/${made.id}`)).json();
    }
    if (made.status === "canceled") return "The export was canceled; nothing is left of it.";
    if (!made.name) return made.error ?? "The studio did not understand that.";
    const link = document.createElement("a");
    link.href = made.address;
    link.download = made.name;
    link.click();
    return `${made.name} is written, ${size(made.size_bytes)}. It also lies in ${made.folder}.`;
  }

  /** Show how far `made` is, or nothing for null. */
  #showProgress(made) {
    const bar = this.#panel.querySelector("progress");
    this.#running = made;
    bar.hidden = made === null;
    this.#button("export-cancel").hidden = made === null;
    bar.value = made?.progress ?? 0;
  }

  #cancel() {
    if (this.#running) post(`/studio/exports/${this.#running.id}/cancel`, {});
  }

  #button(name) {
    return this.#panel.querySelector(`[data-action="${name}"]`);
  }
}

async function post(address, body) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(address, { method: "POST", headers, body: JSON.stringify(body) });
  return response.json();
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
