/** The right of the Library: the chosen clip, what can be done with it, its family, and its differences. */

import { ago, wordsOf } from "./format.js";
import { kindName } from "./library.js";
import { ask, send } from "./library-door.js";
import { tabNamed } from "./tabs.js";

export class Chosen {
  id = "";
  #root;
  #library;
  #take = null;
  #other = "";
  #isComparing = false;

  constructor(root, library) {
    this.#root = root;
    this.#library = library;
    this.#on("star", () => this.#change({ is_starred: !this.#take.is_starred }));
    this.#on("bin", () => this.#change({ is_binned: !this.#take.is_binned }));
    this.#on("delete", () => this.#delete());
    this.#on("compare", () => this.#compare(!this.#isComparing));
    for (const button of root.querySelectorAll("[data-part]")) {
      button.addEventListener("click", () => this.#reuse(button.dataset.part));
    }
  }

  /** Show the clip of that id, or what it has that the shown one has not. */
  async pick(id) {
    if (this.#isComparing && this.#take && id !== this.id) {
      this.#other = id;
      this.#compare(false);
      return this.#showDifference();
    }
    this.id = id;
    this.#other = "";
    this.#compare(false);
    this.#library.mark(id);
    await this.reload();
    const panel = this.#root.querySelector(".chosen");
    const { top } = panel.getBoundingClientRect();
    if (top < 0 || top > innerHeight / 2) panel.scrollIntoView(); // it lies above or below the wall on a phone
  }

  /** Read the shown clip again. */
  async reload() {
    if (!this.id) return;
    const found = await ask(`/studio/library/${this.id}`);
    this.#take = found.take ?? null;
    if (!this.#take) this.id = "";
    this.#field("none").hidden = this.#take !== null;
    this.#root.querySelector(".chosen-clip").hidden = this.#take === null;
    if (this.#take === null) return this.#root.querySelector(".chosen video").removeAttribute("src");
    this.#show([...found.family, ...found.exports]);
    await this.#showDifference();
  }

  #show(family) {
    const take = this.#take;
    this.#showClip(take);
    this.#field("prompt").textContent = wordsOf(take);
    const size = take.facts.width ? ` · ${take.facts.width} x ${take.facts.height}` : "";
    this.#field("about").textContent = `${kindName(take)} · seed ${take.seed ?? "not drawn"}${size} · ${ago(take.created_at)}`;
    this.#field("missing").hidden = take.missing.length === 0;
    this.#field("missing").textContent = `Missing: ${take.missing.join(", ")}. Locate the file at the left; it is known by its content.`;
    this.#button("star").textContent = take.is_starred ? "★ Starred" : "☆ Star";
    this.#button("star").setAttribute("aria-pressed", take.is_starred);
    this.#button("bin").textContent = take.is_binned ? "Restore" : "Bin";
    this.#button("delete").hidden = !take.is_binned;
    for (const button of this.#root.querySelectorAll("[data-part]")) button.hidden = take.kind !== "clip";
    this.#button("download").hidden = !take.clip || take.missing.includes("clip");
    this.#button("download").href = take.clip ? `${take.clip}?download=true` : "";
    this.#root.querySelector(".family").replaceChildren(...branches(family).map((branch) => this.#branch(branch)));
  }

  #showClip(take) {
    const video = this.#root.querySelector(".chosen video");
    const isThere = take.clip && !take.missing.includes("clip");
    video.hidden = !isThere;
    video.autoplay = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (isThere && video.getAttribute("src") !== take.clip) Object.assign(video, { src: take.clip, poster: take.poster ?? "" });
    if (!isThere) video.removeAttribute("src");
    const reasons = { failed: take.error, canceled: "Canceled before it was finished.", done: "The file is missing." };
    this.#field("veil").textContent = isThere ? "" : reasons[take.status] ?? "Still being made.";
  }

  #branch({ take, depth }) {
    const item = document.createElement("li");
    item.style.setProperty("--depth", depth);
    const button = Object.assign(document.createElement("button"), { type: "button", className: "pick" });
    button.setAttribute("aria-current", take.id === this.id);
    button.append(kindName(take));
    if (take.kind === "export") return exported(item, take);
    const small = Object.assign(document.createElement("small"), { className: "figures" });
    small.textContent = `${take.status === "done" ? `seed ${take.seed}` : take.status} · ${ago(take.created_at)}`;
    button.append(small);
    button.addEventListener("click", () => this.pick(take.id));
    item.append(button);
    return item;
  }

  #change(change) {
    const { id, revision } = this.#take;
    return this.#library.change(() => send("PATCH", `/studio/library/${id}`, { revision, ...change }));
  }

  async #delete() {
    const question = "This clip is deleted, and those of its files that no other clip uses. This cannot be undone.";
    if (!(await this.#library.confirm(question))) return;
    const ids = [this.id];
    await this.#library.change(() => send("POST", "/studio/bin/delete", { ids }));
  }

  /** Fill in on Create what is taken over, and go there. */
  #reuse(part) {
    window.dispatchEvent(new CustomEvent("kinora:reuse", { detail: { id: this.id, part } }));
    tabNamed("Create")?.click();
  }

  #compare(isComparing) {
    this.#isComparing = isComparing;
    this.#button("compare").setAttribute("aria-pressed", isComparing);
    this.#field("compare").textContent = isComparing ? "Now choose the other clip, on the wall or in the family." : "";
  }

  async #showDifference() {
    const table = this.#root.querySelector(".difference table");
    table.hidden = !this.#other;
    if (!this.#other) return;
    const found = await ask(`/studio/difference?before=${this.id}&after=${this.#other}`);
    if (found.error) return this.#library.tell(found.error);
    this.#field("compare").textContent = found.length ? "" : "They are the same in all that was asked and measured.";
    table.hidden = found.length === 0;
    table.tBodies[0].replaceChildren(...found.map(differenceRow));
  }

  #on(name, act) {
    this.#button(name).addEventListener("click", act);
  }

  #button(name) {
    return this.#root.querySelector(`.chosen [data-action="${name}"]`);
  }

  #field(name) {
    return this.#root.querySelector(`.chosen [data-field="${name}"]`);
  }
}

/** Return every clip of `family` after its first parent, with how deep it lies. */
function branches(family) {
  const ids = new Set(family.map((take) => take.id));
  const parentOf = (take) => take.parents.find((parent) => ids.has(parent));
  const below = (parent, depth) =>
    family
      .filter((take) => parentOf(take) === parent)
      .flatMap((take) => [{ take, depth }, ...below(take.id, depth + 1)]);
  return below(undefined, 0);
}

/** Return `item` for a file that was exported: its name fetches it. */
function exported(item, take) {
  const link = Object.assign(document.createElement("a"), { className: "pick", href: take.address, download: take.name });
  const small = Object.assign(document.createElement("small"), { className: "figures" });
  small.textContent = `${take.name} · ${ago(take.created_at)}`;
  link.append("Export", small);
  item.replaceChildren(link);
  return item;
}

function differenceRow({ part, field, before, after }) {
  const row = document.createElement("tr");
  row.dataset.part = part;
  const name = Object.assign(document.createElement("th"), { scope: "row" });
  name.textContent = field.replaceAll("_", " ").replaceAll(".", ": ");
  row.append(name, ...[before, after].map((value) => Object.assign(document.createElement("td"), { textContent: words(value) })));
  return row;
}

function words(value) {
  if (value === null) return "–";
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(4)));
  return (typeof value === "object" ? JSON.stringify(value) : String(value)).slice(0, 300);
}
