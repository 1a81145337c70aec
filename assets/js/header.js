/** The bar at the top: the project, what the studio is doing, colours and shortcuts. */

import { deviceName, fraction } from "./format.js";
import { listenForShortcuts } from "./shortcuts.js";
import { chooseProject, subscribe } from "./state.js";

const SILENT = "The studio does not answer; is it still running?";
const LOCKED = "The studio was started again; open the address that the launcher printed.";

/** Fill `element` and keep it true. */
export function mountHeader(element) {
  const field = (name) => element.querySelector(`[data-field="${name}"]`);
  element.querySelector('[data-action="theme"]').addEventListener("click", switchColours);
  listenForShortcuts(element);
  field("project").addEventListener("change", (event) => chooseProject(event.target.value));
  subscribe(({ state, isConnected, isKnown }) => {
    const running = state.queue.find((job) => job.status === "running");
    element.querySelector(".bar").dataset.worker = isConnected ? activity(state) : "away";
    showProjects(field("project"), state);
    setText(field("status"), isConnected ? statusLine(state) : isKnown ? SILENT : LOCKED);
    const percent = running ? `${Math.round(100 * fraction(running.progress))} % · ` : "";
    document.title = `${percent}Kinora`;
  });
}

/** Offer the projects; a list that is open is left alone until something in it changes. */
function showProjects(select, { projects, project_id: chosen }) {
  const names = JSON.stringify(projects);
  if (select.dataset.names !== names) {
    select.dataset.names = names;
    select.replaceChildren(...projects.map(({ id, name }) => new Option(name, id)));
  }
  if (select.value !== chosen) select.value = chosen;
}

function activity(state) {
  return state.queue.length && state.worker === "idle" ? "busy" : state.worker;
}

function statusLine(state) {
  const waiting = state.queue.filter((job) => job.status === "queued").length;
  const device = state.device === "auto" ? "" : deviceName(state.device);
  return [activity(state), device, waiting ? `${waiting} queued` : ""].filter(Boolean).join(" · ");
}

/** Write only what changed, so that a screen reader is not told the same again. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function switchColours() {
  const root = document.documentElement;
  const isDark = getComputedStyle(root).colorScheme === "dark";
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("kinora-theme", root.dataset.theme);
}
