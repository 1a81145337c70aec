/** The left of the Library: projects, the bin, files in and out, and what the disk holds. */

import { bytes } from "./format.js";
import { ask, send, sendFile } from "./library-door.js";
import { chooseProject, refresh } from "./state.js";

export class Shelf {
  #root;
  #library;
  #projects = [];
  #scope = ""; // "all", "bin" or the id of a project
  #isFollowing = true;

  constructor(root, library) {
    this.#root = root;
    this.#library = library;
    for (const entry of root.querySelectorAll("[data-scope]")) {
      entry.addEventListener("click", () => this.#choose(entry.dataset.scope));
    }
    root.querySelector(".new-project").addEventListener("submit", (event) => this.#make(event));
    root.querySelector(".rename").addEventListener("submit", (event) => this.#rename(event));
    this.#on("rename", () => this.#openRename(true));
    this.#on("keep-name", () => this.#openRename(false));
    this.#on("bin-project", () => this.#binProject());
    this.#on("empty-bin", () => this.#emptyBin());
    this.#on("clean", () => this.#clean());
    this.#connectFile("import", "/studio/projects/import", (answer) => this.#choose(answer.id));
    this.#connectFile("put-back", "/studio/library/put-back", () => library.tell("The file is back in its place."));
    root.querySelector(".disk").addEventListener("toggle", () => this.#showDisk());
  }

  /** Return what narrows the wall to what is chosen here. */
  scope() {
    if (this.#scope === "all") return {};
    return this.#scope === "bin" ? { binned: "true" } : { project: this.#scope };
  }

  /** Show the project that new clips go to, until another scope is chosen here. */
  follow(state) {
    if (this.#isFollowing || !["all", "bin"].includes(this.#scope)) this.#scope = state.project_id;
  }

  /** Return what to say where the chosen scope holds nothing. */
  emptyWords() {
    return this.#scope === "bin"
      ? "The bin is empty. What you put here can come back until you empty it."
      : "Nothing was made here yet; every clip you make on Create is kept, with all its settings.";
  }

  /** Read the projects again. */
  async load() {
    const projects = await ask("/studio/projects");
    if (!Array.isArray(projects)) return this.#library.tell(projects.error);
    this.#projects = projects;
    this.#show();
    if (this.#root.querySelector(".disk").open) await this.#showDisk();
  }

  #show() {
    const kept = this.#projects.filter((project) => !project.is_binned);
    const binned = this.#projects.filter((project) => project.is_binned);
    const entries = kept.map((project) => this.#entry(project.name, () => this.#choose(project.id), project.id));
    if (this.#scope === "bin") {
      entries.push(...binned.map((project) => this.#entry(`Restore ${project.name}`, () => this.#restore(project))));
    }
    this.#root.querySelector(".projects").replaceChildren(...entries);
    for (const entry of this.#root.querySelectorAll(".shelf-entry")) {
      entry.setAttribute("aria-current", entry.dataset.scope === this.#scope);
    }
    const project = this.#project();
    this.#field("title").textContent = project?.name ?? (this.#scope === "bin" ? "Bin" : "All projects");
    for (const name of ["rename", "export", "bin-project"]) this.#button(name).hidden = !project;
    this.#button("empty-bin").hidden = this.#scope !== "bin";
    if (project) this.#button("export").href = project.file;
    if (!project) this.#openRename(false);
  }

  #entry(name, act, scope = "") {
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: name, dir: "auto" });
    button.className = "shelf-entry";
    button.dataset.scope = scope;
    button.addEventListener("click", act);
    item.append(button);
    return item;
  }

  #choose(scope) {
    this.#isFollowing = false;
    this.#scope = scope;
    this.#library.tell();
    this.#openRename(false);
    if (this.#project() || !["all", "bin"].includes(scope)) chooseProject(scope);
    this.load().then(() => this.#library.load());
  }

  async #make(event) {
    event.preventDefault();
    const field = event.target.elements.name;
    const made = await send("POST", "/studio/projects", { name: field.value });
    if (made.error) return this.#library.tell(made.error);
    field.value = "";
    this.#choose(made.id);
  }

  #openRename(isOpen) {
    const form = this.#root.querySelector(".rename");
    form.hidden = !isOpen;
    this.#field("title").hidden = isOpen;
    if (!isOpen) return;
    form.dataset.revision = this.#project().revision; // what this window saw when the change was begun
    form.elements.name.value = this.#project().name;
    form.elements.name.select();
  }

  async #rename(event) {
    event.preventDefault();
    const change = { revision: Number(event.target.dataset.revision), name: event.target.elements.name.value };
    await this.#change(this.#scope, change);
    this.#openRename(false);
  }

  async #binProject() {
    const { id, revision } = this.#project();
    const answer = await this.#change(id, { revision, is_binned: true });
    if (!answer.error) this.#choose("all");
  }

  #restore({ id, revision }) {
    return this.#change(id, { revision, is_binned: false });
  }

  async #change(id, change) {
    const answer = await this.#library.change(() => send("PATCH", `/studio/projects/${id}`, change));
    refresh();
    return answer;
  }

  async #emptyBin() {
    const question = "Everything in the bin is deleted, and the files that no other clip uses. This cannot be undone.";
    if (await this.#library.confirm(question)) {
      await this.#library.change(() => send("POST", "/studio/bin/delete", {}));
    }
  }

  async #clean() {
    const question = "These files belong to no clip of this library. This cannot be undone.";
    if (await this.#library.confirm(question)) {
      await this.#library.change(() => send("POST", "/studio/disk/clean", {}));
    }
  }

  #connectFile(name, url, done) {
    const input = this.#field(name);
    this.#on(name, () => input.click());
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (!file) return;
      this.#button(name).disabled = true;
      const answer = await this.#library.change(() => sendFile(url, file));
      this.#button(name).disabled = false;
      input.value = "";
      if (!answer.error) done(answer);
      refresh();
    });
  }

  async #showDisk() {
    if (!this.#root.querySelector(".disk").open) return;
    const use = await ask("/studio/disk");
    if (use.error) return this.#library.tell(use.error);
    const rows = use.projects.flatMap(({ name, size_bytes: all, kinds }) => [
      [name, all],
      ...kinds.map(({ kind, number, size_bytes: some }) => [`${number} × ${kind}`, some, "kind"]),
    ]);
    rows.push(["Pictures and clips given", use.inputs_bytes], ["In the bin, of all this", use.bin_bytes]);
    rows.push(["Database", use.database_bytes], ["Its daily copies", use.backups_bytes]);
    rows.push([`${use.unclaimed.length} unclaimed files`, use.unclaimed_bytes]);
    this.#root.querySelector(".disk dl").replaceChildren(...rows.flatMap(diskRow));
    this.#button("clean").hidden = use.unclaimed.length === 0;
  }

  #project() {
    return this.#projects.find((project) => project.id === this.#scope && !project.is_binned);
  }

  #on(name, act) {
    this.#button(name).addEventListener("click", act);
  }

  #button(name) {
    return this.#root.querySelector(`[data-action="${name}"]`);
  }

  #field(name) {
    return this.#root.querySelector(`[data-field="${name}"]`);
  }
}

function diskRow([name, size, className = ""]) {
  return [
    Object.assign(document.createElement("dt"), { textContent: name, className, dir: "auto" }),
    Object.assign(document.createElement("dd"), { textContent: bytes(size) }),
  ];
}
