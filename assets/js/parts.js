/** What a request may hold several times: pictures at frames and LoRA files, as rows that can be changed.
 *
 * The rows are JSON in a hidden field of Gradio's, which settings of an earlier clip may fill too. */

import { ask, sendFile } from "./library-door.js";

/** Fill `element` with the rows of the request's `field`; `props.value` says which model they are for. */
export function mountPart(element, field, props, watch) {
  const part = new { given_frames: KeyFrames, loras: Loras }[field](element, field, props);
  watch("value", () => part.follow());
  part.follow();
}

class Part {
  rows = [];
  #field;

  constructor(element, field, props) {
    this.element = element;
    this.props = props;
    this.#field = field;
    window.addEventListener(`kinora:${field}`, ({ detail }) => element.isConnected && this.#read(detail));
    element.addEventListener("input", ({ target }) => this.#change(target));
    element.addEventListener("click", ({ target }) => this.#press(target.closest("button")));
    element.addEventListener("drop", (event) => {
      event.preventDefault();
      this.#take(event.dataTransfer.files);
    });
  }

  /** Show the rows for the model that is chosen now. */
  async follow() {
    await this.prepare();
    this.#read(this.#input()?.value ?? "");
    this.draw();
  }

  /** Keep the rows as they are now. */
  save() {
    const input = this.#input();
    input.value = this.#text();
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  say(about, notice = "") {
    const set = (name, text) => {
      const line = this.element.querySelector(`[data-field="${name}"]`);
      line.textContent = text;
      line.hidden = text === "";
    };
    set("about", about);
    set("notice", notice);
  }

  #read(text) {
    if (text === this.#text()) return;
    this.rows = text ? JSON.parse(text) : [];
    this.draw();
  }

  #text() {
    return this.rows.length ? JSON.stringify(this.rows) : "";
  }

  #input() {
    return document.querySelector(`#${this.#field.replace("_", "-")}-rows :is(input, textarea)`);
  }

  #change(target) {
    if (target.type === "file") return this.#take(target.files).then(() => (target.value = ""));
    this.change(target);
    this.save();
  }

  #press(button) {
    if (button?.dataset.action === "add") this.element.querySelector("input[type=file]").click();
    if (button?.dataset.action !== "remove") return;
    this.rows.splice(Number(button.closest("li").dataset.place), 1);
    this.save();
    this.draw();
    this.element.querySelector("[data-action=add]").focus();
  }

  /** Bring the files here, and let no clip begin without them meanwhile. */
  async #take(files) {
    const generate = document.querySelector("#generate");
    generate.disabled = true;
    const told = [];
    for (const file of files) told.push(await this.take(file));
    generate.disabled = false;
    await this.prepare();
    this.draw(told.filter(Boolean).join(" "));
  }
}

class KeyFrames extends Part {
  async prepare() {}

  draw(notice) {
    const rate = this.props.value.frame_rate;
    this.say(`Frames are counted from 0, and ${rate} make a second.`, notice);
    const items = this.rows.map(({ frame, image }, place) => {
      const item = rowItem(place);
      const picture = Object.assign(document.createElement("img"), { src: `/studio/pictures/${image}`, alt: "" });
      const number = numberInput({ min: 1, step: 1, value: frame });
      const label = labelled("Frame ", number);
      const seconds = Object.assign(document.createElement("small"), { textContent: at(frame, rate) });
      const remove = Object.assign(document.createElement("button"), { type: "button", className: "quiet glyph" });
      remove.dataset.action = "remove";
      remove.textContent = "✕";
      remove.title = "Remove this image";
      remove.setAttribute("aria-label", `Remove the image at frame ${frame}`);
      item.append(picture, label, seconds, remove);
      return item;
    });
    this.element.querySelector("ol").replaceChildren(...items);
  }

  change(target) {
    const item = target.closest("li");
    const row = this.rows[item.dataset.place];
    row.frame = numberOf(target);
    item.querySelector("small").textContent = at(row.frame, this.props.value.frame_rate);
  }

  async take(file) {
    const answer = await sendFile("/studio/pictures", file);
    if (answer.error) return answer.error;
    const rate = this.props.value.frame_rate;
    const last = Math.max(0, ...this.rows.map(({ frame }) => Number(frame) || 0));
    this.rows.push({ frame: last + rate, image: answer.name });
    this.save();
    return answer.notes.join(" ");
  }
}

class Loras extends Part {
  #kept = [];

  constructor(...given) {
    super(...given);
    window.addEventListener("kinora:loras-kept", () => this.element.isConnected && this.follow());
  }

  async prepare() {
    const answer = await ask(`/studio/loras?engine=${encodeURIComponent(this.props.value.engine)}`);
    this.#kept = Array.isArray(answer) ? answer : [];
  }

  draw(notice) {
    const names = this.#kept.map(({ name }) => name);
    const lost = this.rows.filter(({ lora }) => !names.includes(lora));
    const missing = lost.map(({ lora }) => ({ name: lora, title: `${lora.slice(0, 8)}…, not here` }));
    const entries = [...this.#kept, ...missing];
    this.say(entries.length ? "" : `None was added for ${this.props.value.title} yet.`, notice);
    const items = entries.map(({ name, title }, place) => {
      const item = rowItem(place);
      item.dataset.name = name;
      const row = this.rows.find(({ lora }) => lora === name);
      const check = Object.assign(document.createElement("input"), { type: "checkbox", checked: Boolean(row) });
      const strength = numberInput({ min: -4, max: 4, step: 0.1, value: row?.strength ?? 1 });
      strength.setAttribute("aria-label", `Strength of ${title}`);
      strength.disabled = !row;
      item.append(labelled("", check, ` ${title}`), strength);
      return item;
    });
    this.element.querySelector("ol").replaceChildren(...items);
  }

  change(target) {
    const item = target.closest("li");
    const strength = item.querySelector("input[type=number]");
    const isChosen = item.querySelector("input[type=checkbox]").checked;
    const { name } = item.dataset;
    strength.disabled = !isChosen;
    const row = this.rows.find(({ lora }) => lora === name);
    if (!isChosen) this.rows = this.rows.filter((each) => each !== row);
    else if (row) row.strength = numberOf(strength);
    else this.rows.push({ lora: name, strength: numberOf(strength) });
  }

  async take(file) {
    const answer = await sendLora(this.props.value.engine, file);
    if (answer.error) return answer.error;
    if (!this.rows.some(({ lora }) => lora === answer.name)) this.rows.push({ lora: answer.name, strength: 1 });
    this.save();
    return "";
  }
}

/** Keep the LoRA `file` for the model called `engine`; one of another model is refused. */
export function sendLora(engine, file) {
  const query = new URLSearchParams({ engine, file_name: file.name });
  return sendFile(`/studio/loras?${query}`, file);
}

function rowItem(place) {
  const item = document.createElement("li");
  item.dataset.place = place;
  return item;
}

function labelled(...parts) {
  const label = document.createElement("label");
  label.append(...parts);
  return label;
}

function numberInput(settings) {
  return Object.assign(document.createElement("input"), { type: "number", ...settings });
}

/** Return the number in `input`, or its text where it is none, which the studio refuses in a sentence. */
function numberOf(input) {
  return input.value === "" ? "" : input.valueAsNumber;
}

function at(frame, rate) {
  return frame === "" ? "" : `at ${(frame / rate).toFixed(1)} s`;
}
