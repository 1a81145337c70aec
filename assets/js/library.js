/** The Library: projects at the left, a wall of posters, the chosen clip at the right. */

import { ago, wordsOf } from "./format.js";
import { Chosen } from "./library-chosen.js";
import { ask } from "./library-door.js";
import { Shelf } from "./library-shelf.js";
import { subscribe } from "./state.js";
import { thumbnail } from "./takes.js";

const TYPING_MS = 150;
const OUTCOMES = { queued: "Waiting", running: "Being made", failed: "Failed", canceled: "Canceled" };

/** Fill `element`; `page` has engines, as [name, title]. */
export function mountLibrary(element, page) {
  new Library(element.querySelector(".library"), page);
}

class Library {
  #root;
  #filters;
  #list;
  #takes = [];
  #turn = 0;
  #typing = 0;
  #seen = "";

  constructor(root, { engines }) {
    this.#root = root;
    this.#filters = root.querySelector(".filters");
    this.#list = root.querySelector(".posters");
    this.chosen = new Chosen(root, this);
    this.shelf = new Shelf(root, this);
    const names = [["", "Every engine"], ...engines];
    this.#filters.elements.engine.replaceChildren(...names.map(([name, title]) => new Option(title, name)));
    this.#filters.elements.engine.hidden = engines.length < 2;
    this.#filters.addEventListener("submit", (event) => event.preventDefault());
    this.#filters.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.load(), TYPING_MS);
    });
    this.#field("older").addEventListener("click", () => this.load({ isMore: true }));
    document.addEventListener("keydown", (event) => this.#focusSearch(event));
    subscribe(({ state }) => this.#follow(state));
  }

  /** Read the wall again, or its next page. */
  async load({ isMore = false } = {}) {
    const turn = ++this.#turn;
    const asked = this.#asked();
    if (isMore) asked.set("before", this.#takes.at(-1).id);
    const page = await ask(`/studio/library?${asked}`);
    if (turn !== this.#turn) return; // another word was typed meanwhile
    if (page.error) return this.tell(page.error);
    this.#takes = isMore ? [...this.#takes, ...page.takes] : page.takes;
    this.#field("older").hidden = !page.has_older;
    this.#show();
  }

  /** Show `sentence` above the wall, or nothing. */
  tell(sentence = "") {
    const notice = this.#root.querySelector('[data-field="notice"]');
    notice.textContent = sentence;
    notice.hidden = sentence === "";
  }

  /** Change something by `call`; whatever comes of it, show what is stored now. */
  async change(call) {
    const answer = await call();
    this.tell(answer.error);
    await Promise.all([this.load(), this.shelf.load()]);
    await this.chosen.reload();
    return answer;
  }

  /** Ask whether to delete for good; return whether the answer is yes. */
  async confirm(question) {
    const dialog = this.#root.querySelector(".confirm");
    dialog.querySelector('[data-field="question"]').textContent = question;
    dialog.returnValue = "";
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    return dialog.returnValue === "delete";
  }

  /** Mark the chosen poster. */
  mark(id) {
    for (const item of this.#list.children) {
      item.querySelector(".pick").setAttribute("aria-current", item.dataset.id === id);
    }
  }

  #asked() {
    const form = new FormData(this.#filters);
    const asked = new URLSearchParams(this.shelf.scope());
    for (const name of ["text", "kind", "status", "engine"]) asked.set(name, form.get(name) ?? "");
    if (form.get("starred")) asked.set("starred", "true");
    const day = (name, days) => {
      const date = new Date(`${form.get(name)}T00:00`);
      date.setDate(date.getDate() + days);
      if (!Number.isNaN(date.getTime())) asked.set(name, Math.floor(date.getTime() / 1000));
    };
    day("since", 0);
    day("until", 1);
    return asked;
  }

  #show() {
    const items = this.#takes.map((take) => posterItem(take, () => this.chosen.pick(take.id)));
    this.#list.replaceChildren(...items);
    this.mark(this.chosen.id);
    const nothing = this.#root.querySelector('[data-field="nothing"]');
    nothing.hidden = this.#takes.length > 0;
    nothing.textContent = this.#isNarrowed() ? "Nothing here is like that; take a word or a filter away." : this.shelf.emptyWords();
  }

  #isNarrowed() {
    return [...new FormData(this.#filters).values()].some((value) => value !== "");
  }

  /** Follow the project that new clips go to, and what becomes of those. */
  #follow(state) {
    const seen = [state.project_id, state.newest, JSON.stringify(state.projects)].join();
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.shelf.follow(state);
    this.shelf.load().then(() => this.load());
  }

  #focusSearch(event) {
    const isTyping = event.target.closest("textarea, input, select, [contenteditable]");
    const search = this.#filters.elements.text;
    if (event.key !== "/" || event.ctrlKey || event.metaKey || isTyping || !search.checkVisibility()) return;
    event.preventDefault();
    search.focus();
  }

  #field(name) {
    return this.#root.querySelector(`[data-action="${name}"]`);
  }
}

function posterItem(take, pick) {
  const item = document.createElement("li");
  item.dataset.id = take.id;
  const button = Object.assign(document.createElement("button"), { type: "button", className: "pick" });
  button.title = take.request.prompt.slice(0, 500);
  button.addEventListener("click", pick);
  const isMissing = take.missing.includes("poster") || take.missing.includes("clip");
  const frame = thumbnail(isMissing ? { ...take, poster: null } : take);
  if (isMissing) frame.textContent = "File missing";
  else if (take.status !== "done") frame.textContent = OUTCOMES[take.status];
  if (take.is_starred) frame.append(badge("★", "Starred"));
  const prompt = Object.assign(document.createElement("span"), { className: "prompt", dir: "auto" });
  prompt.textContent = wordsOf(take).slice(0, 200);
  const small = Object.assign(document.createElement("small"), { className: "figures" });
  small.textContent = `${kindName(take)} · ${ago(take.created_at)}`;
  button.append(frame, prompt, small);
  item.append(button);
  return item;
}

function badge(text, label) {
  const element = Object.assign(document.createElement("span"), { className: "badge", textContent: text });
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", label);
  return element;
}

/** Return what `take` is in its family. */
export function kindName({ kind }) {
  return { clip: "Draft", detail: "Detail" }[kind] ?? kind.charAt(0).toUpperCase() + kind.slice(1);
}
