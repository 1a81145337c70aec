/** The Models page: what is here, what is on its way, and what a new one would bring. */

import { ask, send } from "./library-door.js";
import { arrivalItem, factsOf, modelItem, suggestedName } from "./model-cards.js";

const BUSY_MS = 500;
const IDLE_MS = 5000;
const HUB = /^https?:\/\/[^/]+\//;

/** Fill `element`; `suggested` are ids of models to begin with. */
export function mountModels(element, suggested) {
  new Models(element.querySelector(".models"), suggested);
}

class Models {
  #root;
  #form;
  #timer = 0;
  #shown = "";
  #coming = "";
  #isNamed = false;
  #isTyping = false; // in a field of a card, which is not drawn anew before that is done
  #found = {}; // name -> what the last check said, which a card that is drawn anew still shows

  constructor(root, suggested) {
    this.#root = root;
    this.#form = root.querySelector("form");
    const options = suggested.map((id) => Object.assign(document.createElement("option"), { value: id }));
    root.querySelector("datalist").append(...options);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#look();
    });
    const { model, name } = this.#form.elements;
    model.addEventListener("input", () => {
      if (!this.#isNamed) name.value = suggestedName(model.value);
    });
    name.addEventListener("input", () => (this.#isNamed = name.value !== ""));
    const cards = root.querySelector(".there ol");
    cards.addEventListener("input", () => (this.#isTyping = true));
    for (const end of ["change", "focusout"]) cards.addEventListener(end, () => (this.#isTyping = false));
    this.load();
  }

  /** Read what there is, again and again: often while a model is on its way and the page is in sight. */
  async load() {
    clearTimeout(this.#timer);
    const answer = this.#root.checkVisibility() || !this.#shown ? await ask("/studio/models") : null;
    if (answer?.models) this.#show(answer);
    const isBusy = answer?.arrivals?.some((each) => each.phase === "downloading" || each.phase === "checking");
    const wait = this.#root.checkVisibility() ? (isBusy ? BUSY_MS : IDLE_MS) : BUSY_MS;
    this.#timer = setTimeout(() => this.load(), wait);
  }

  /** Change something by a request; whatever comes of it, show what is so now. */
  async change(method, url, body = {}) {
    const answer = await send(method, url, body);
    this.#tell(answer.error);
    delete this.#found[url.split("/")[3]];
    await this.load();
    window.dispatchEvent(new Event("kinora:changed"));
    return answer;
  }

  /** Read every byte of a model, and say what was found. */
  async check(model, button) {
    button.disabled = true;
    button.textContent = "Checking…";
    const answer = await send("POST", `/studio/models/${model.name}/check`, {});
    button.disabled = false;
    button.textContent = "Check files";
    const problems = answer.problems?.join(" ");
    const told = answer.error ?? (problems || `All files of ${model.title} are there and have their checksums.`);
    this.#found[model.name] = told;
    const card = this.#root.querySelector(`.model[data-name="${model.name}"] [data-field="found"]`);
    if (card) card.textContent = told;
    this.#root.querySelector('[data-field="announcement"]').textContent = told;
  }

  /** Return what the last check of the model called `name` said. */
  found(name) {
    return this.#found[name] ?? "";
  }

  /** Ask for the name of `model` and remove it. */
  async remove(model) {
    const dialog = this.#root.querySelector(".confirm");
    const stays = model.source ? "Its downloaded files are deleted." : "Its folder stays where it is.";
    dialog.querySelector('[data-field="question"]').textContent = `${stays} Type ${model.name} to remove it.`;
    const typed = dialog.querySelector("[name=typed]");
    typed.value = "";
    dialog.returnValue = "";
    dialog.showModal();
    typed.focus();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    if (dialog.returnValue === "remove") {
      await this.change("POST", `/studio/models/${model.name}/remove`, { typed: typed.value });
    }
  }

  async #look() {
    const { model, name } = this.#form.elements;
    const button = this.#form.querySelector("button");
    const wish = { model: model.value.trim().replace(HUB, ""), name: name.value.trim() };
    button.disabled = true;
    this.#offer(null);
    const seen = await send("POST", "/studio/arrivals/look", wish);
    button.disabled = false;
    this.#tell(seen.error);
    if (!seen.error) this.#offer(seen, wish);
  }

  /** Show what was looked at, with what it takes to agree; or nothing. */
  #offer(seen, wish) {
    const card = this.#root.querySelector('[data-field="seen"]');
    card.hidden = !seen;
    if (!seen) return card.replaceChildren();
    const agree = Object.assign(document.createElement("button"), { type: "button", className: "primary" });
    agree.textContent = seen.revision ? "Agree and download" : "Add this folder";
    agree.addEventListener("click", async () => {
      const model = seen.revision ? `${seen.source}@${seen.revision}` : wish.model;
      const answer = await this.change("POST", "/studio/arrivals", { model, name: wish.name });
      if (answer.error) return;
      this.#offer(null);
      this.#form.reset();
      this.#isNamed = false;
    });
    const no = Object.assign(document.createElement("button"), { type: "button", className: "quiet" });
    no.textContent = "Not now";
    no.addEventListener("click", () => this.#offer(null));
    const row = Object.assign(document.createElement("p"), { className: "row" });
    row.append(agree, no);
    card.replaceChildren(...factsOf(seen, { isNew: true }), row);
  }

  #show({ models, arrivals }) {
    const shown = JSON.stringify(models);
    if (shown !== this.#shown && !this.#isTyping) {
      const isFirst = this.#shown === "";
      this.#shown = shown;
      this.#root.querySelector(".there ol").replaceChildren(...models.map((model) => modelItem(model, this)));
      if (!isFirst) window.dispatchEvent(new Event("kinora:changed"));
    }
    const coming = JSON.stringify(arrivals);
    if (coming === this.#coming) return;
    this.#coming = coming;
    this.#root.querySelector(".arrivals").replaceChildren(...arrivals.map((each) => arrivalItem(each, this)));
  }

  #tell(sentence = "") {
    const notice = this.#root.querySelector('[data-field="notice"]');
    notice.textContent = sentence;
    notice.hidden = sentence === "";
  }
}
