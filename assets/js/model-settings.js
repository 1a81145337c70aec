/** What a creator can change of an added model: its memory plan, size, block cache, upsampler and LoRA files. */

import { bytes } from "./format.js";
import { ask, send } from "./library-door.js";
import { sendLora } from "./parts.js";

/** Return the settings of `model`, as they are; `page` has change(). */
export function settingsOf(model, page) {
  const found = [planChoice(model, page), sideField(model, page)];
  if (model.caches.length) found.push(...cacheChoice(model, page));
  if (model.takes_upsampler) found.push(upsamplerField(model, page));
  if (model.takes_loras) found.push(loraList(model));
  return found;
}

function planChoice(model, page) {
  const choices = model.plans.map(({ name, title, bytes: needed }) => ({
    value: name,
    title: needed === null ? title : `${title} (${bytes(needed)})`,
  }));
  return choice("Memory plan", choices, model.memory_plan, (select) => {
    keep(select, model.memory_plan, page.change("PATCH", addressOf(model), { memory_plan: select.value }));
  });
}

function sideField(model, page) {
  const input = field({ type: "number", min: model.side_step, step: model.side_step, placeholder: "as it was trained" });
  const before = model.short_side ?? "";
  input.value = before;
  input.addEventListener("change", () => {
    const side = Math.round(Number(input.value)); // 0 where it is empty: as it was trained
    keep(input, before, page.change("PATCH", addressOf(model), { short_side: side }));
  });
  return labelled("Short side of its clips, in pixels", input);
}

function cacheChoice(model, page) {
  const choices = model.caches.map(({ threshold, title }) => ({ value: String(threshold), title }));
  const present = String(model.block_cache);
  const set = (select) => {
    keep(select, present, page.change("PATCH", addressOf(model), { block_cache: Number(select.value) }));
  };
  const about = Object.assign(document.createElement("p"), { className: "hint" });
  about.textContent =
    "The block cache skips blocks where a step changes little. What it costs was measured on tiny models with random weights; trained ones skip as much at lower thresholds.";
  return [choice("Block cache", choices, present, set), about];
}

function upsamplerField(model, page) {
  const input = field({ type: "text", value: model.upsampler, placeholder: "/models/… folder of a latent upsampler" });
  input.addEventListener("change", () => {
    keep(input, model.upsampler, page.change("PATCH", addressOf(model), { upsampler: input.value.trim() }));
  });
  return labelled("Upsampler, which begins the detail of drafts", input);
}

/** Return the fold of the LoRA files that were made for `model`; they are read once it is opened. */
function loraList(model) {
  const fold = document.createElement("details");
  fold.className = "loras";
  const summary = Object.assign(document.createElement("summary"), { textContent: "LoRA files" });
  const list = document.createElement("ul");
  const told = Object.assign(document.createElement("p"), { className: "hint" });
  told.setAttribute("role", "status");
  const file = field({ type: "file", accept: ".safetensors", hidden: true, ariaLabel: `LoRA file for ${model.title}` });
  const show = async (sentence = "") => {
    const loras = await ask(`/studio/loras?engine=${encodeURIComponent(model.name)}`);
    const items = Array.isArray(loras) ? loras.map((lora) => loraItem(lora, show)) : [];
    list.replaceChildren(...items);
    told.textContent = sentence || loras.error || (items.length ? "" : "None was added yet.");
    window.dispatchEvent(new Event("kinora:loras-kept"));
  };
  fold.addEventListener("toggle", () => fold.open && show());
  file.addEventListener("change", async () => {
    told.textContent = "Reading…";
    const { error } = await sendLora(model.name, file.files[0]);
    file.value = "";
    show(error);
  });
  fold.append(summary, list, told, button("Add a LoRA file…", "secondary", () => file.click()), file);
  return fold;
}

function loraItem({ name, title }, show) {
  const item = document.createElement("li");
  const label = Object.assign(document.createElement("span"), { textContent: title });
  const remove = button("Remove…", "quiet", async () => {
    if (!item.dataset.asked) {
      item.dataset.asked = "yes";
      remove.textContent = "Delete this file";
      remove.setAttribute("aria-label", `Delete ${title}`);
      return;
    }
    const { error } = await send("POST", `/studio/loras/${name}/remove`, {});
    show(error);
  });
  remove.setAttribute("aria-label", `Remove ${title}`);
  item.append(label, remove);
  return item;
}

function addressOf(model) {
  return `/studio/models/${model.name}`;
}

/** Put `before` back into `input` where the `answer` to come is a refusal. */
async function keep(input, before, answer) {
  if ((await answer).error) input.value = before;
}

function choice(name, choices, chosen, act) {
  const select = document.createElement("select");
  for (const { value, title } of choices) select.append(new Option(title, value, false, value === chosen));
  select.addEventListener("change", () => act(select));
  return labelled(name, select);
}

function field(settings) {
  return Object.assign(document.createElement("input"), { autocomplete: "off", spellcheck: false, ...settings });
}

function labelled(text, input) {
  const label = Object.assign(document.createElement("label"), { textContent: `${text} ` });
  label.append(input);
  return label;
}

function button(label, className, act) {
  const element = Object.assign(document.createElement("button"), { type: "button", className, textContent: label });
  element.addEventListener("click", act);
  return element;
}
