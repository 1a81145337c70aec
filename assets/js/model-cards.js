/** One model as a card, and one on its way as a line. */

import { bytes, duration } from "./format.js";
import { settingsOf } from "./model-settings.js";

const PHASES = {
  downloading: "Downloading",
  checking: "Reading every file for its checksum",
  stopped: "Stopped",
  failed: "Not added",
};

/** Return the card of `model`; `page` has change(), check(), found() and remove(). */
export function modelItem(model, page) {
  const item = document.createElement("li");
  item.className = "model";
  item.dataset.name = model.name;
  item.append(...factsOf(model));
  if (model.is_added) item.append(...settingsOf(model, page));
  for (const problem of model.problems) item.append(line("p", problem, "warning"));
  const row = line("p", "", "row");
  if (model.size_bytes) row.append(button("Check files", (self) => page.check(model, self)));
  if (model.is_added) row.append(button("Remove…", () => page.remove(model), "secondary danger"));
  const found = line("p", page.found(model.name), "hint");
  found.dataset.field = "found";
  found.setAttribute("role", "status");
  item.append(row, found);
  return item;
}

/** Return what there is to know of `model`; of a new one, also whether the disk has room. */
export function factsOf(model, { isNew = false } = {}) {
  const heading = line("h3", model.title);
  if (model.name !== model.title) heading.append(" ", line("small", model.name));
  const list = document.createElement("ul");
  list.className = "abilities";
  list.append(...model.abilities.map((ability) => line("li", ability)));
  const facts = document.createElement("dl");
  const whole = model.memory.find(({ plan }) => plan === "whole");
  const least = model.memory.at(-1);
  const memory = whole && (least === whole ? bytes(whole.bytes) : `${bytes(whole.bytes)}; down to ${bytes(least.bytes)} by plan`);
  const rows = [
    ["Clips", model.lengths],
    ["Sizes", model.sizes],
    [isNew && model.source ? "Download" : "On the disk", model.size_bytes ? sizeLine(model, isNew) : ""],
    ["Memory", memory && `${isNew && model.source ? "up to " : ""}${memory}`],
    ["Licence", model.licence],
    ["From", model.source || (model.is_added || isNew ? "a folder of yours" : "Kinora itself")],
    ["Revision", model.revision],
    ["Folder", model.folder],
  ];
  for (const [name, value] of rows.filter(([, text]) => text)) facts.append(line("dt", name), line("dd", value));
  return [heading, list, facts];
}

/** Return the line of a model on its way; `page` has change(). */
export function arrivalItem(arrival, page) {
  const item = document.createElement("li");
  item.dataset.phase = arrival.phase;
  item.append(line("b", arrival.name), line("span", arrivalLine(arrival), "figures"));
  if (arrival.phase === "downloading") {
    const bar = Object.assign(document.createElement("progress"), { max: arrival.total_bytes, value: arrival.done_bytes });
    bar.setAttribute("aria-label", `Download of ${arrival.name}`);
    item.append(bar);
  }
  if (arrival.problem) item.append(line("p", arrival.problem, "warning"));
  const row = line("p", "", "row");
  const act = (label, verb) => button(label, () => page.change("POST", `/studio/arrivals/${arrival.name}/${verb}`));
  if (arrival.phase === "downloading") row.append(act("Stop", "stop"));
  if (arrival.phase === "stopped" || arrival.phase === "failed") {
    row.append(act(arrival.is_download ? "Go on" : "Try again", "resume"));
    row.append(act(arrival.is_download ? "Delete what arrived" : "Dismiss", "give-up"));
  }
  item.append(row);
  return item;
}

/** Return a name for the folder or id `place`: its first word in small letters. */
export function suggestedName(place) {
  const last = place.trim().replace(/\/+$/, "").split(/[/\\]/).at(-1).toLowerCase();
  return last.replace(/[-_.]?diffusers$/, "").replace(/[^a-z0-9.-]+/g, "-").replace(/^[^a-z0-9]+/, "").slice(0, 40);
}

function sizeLine(model, isNew) {
  const files = bytes(model.size_bytes);
  return isNew && model.source ? `${files}; the disk has ${bytes(model.room_bytes)} free` : files;
}

function arrivalLine({ phase, done_bytes: done, total_bytes: total, remaining_seconds: left, is_download: isDownload }) {
  const share = isDownload && phase !== "checking" ? ` · ${bytes(done)} of ${bytes(total)}` : "";
  const time = phase === "downloading" && left !== null ? ` · about ${duration(left)} left` : "";
  return `${PHASES[phase] ?? phase}${share}${time}`;
}

function button(label, act, className = "secondary") {
  const element = Object.assign(document.createElement("button"), { type: "button", className, textContent: label });
  element.addEventListener("click", () => act(element));
  return element;
}

function line(tag, text, className = "") {
  return Object.assign(document.createElement(tag), { textContent: text, className });
}
