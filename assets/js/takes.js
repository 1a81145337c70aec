/** The right of the page: what was made, and what waits. */

import { ago, duration, fraction, phaseName, wordsOf } from "./format.js";
import { choose, loadOlder, refresh, subscribe } from "./state.js";

/** Fill `element` and keep it true; `page` has cancel, retry, front and edit(id), pause(atOnce), resume(). */
export function mountTakes(element, page) {
  const history = element.querySelector(".history");
  const queue = element.querySelector(".queue");
  const olderButton = history.querySelector('[data-action="older"]');
  olderButton.addEventListener("click", loadOlder);
  const control = (name) => queue.querySelector(`[data-action="${name}"]`);
  control("pause").addEventListener("click", () => page.pause(false));
  control("pause-now").addEventListener("click", () => page.pause(true));
  control("resume").addEventListener("click", () => page.resume());

  subscribe(({ state, takes, hasOlder, hero }) => {
    const finished = takes.filter((take) => take.status !== "queued" && take.status !== "running");
    history.querySelector('[data-field="no-takes"]').hidden = finished.length > 0;
    olderButton.hidden = !hasOlder;
    keep(history.querySelector("ol"), finished, { make: (take) => takeItem(take, page), update: updateTake, hero });
    const isRunning = state.queue.some((job) => job.status === "running");
    queue.hidden = state.queue.length === 0 && !state.is_paused;
    control("pause").hidden = state.is_paused;
    control("pause-now").hidden = state.is_paused && !isRunning;
    control("resume").hidden = !state.is_paused;
    showNote(queue.querySelector('[data-field="queue-note"]'), queueNote(state, isRunning));
    keep(queue.querySelector("ol"), state.queue, { make: (job) => jobItem(job, page), update: updateJob, hero });
  });
}

/** Make the children of `list` stand for `entries`, in their order, remaking only what changed its status. */
function keep(list, entries, { make, update, hero }) {
  const present = new Map([...list.children].map((item) => [item.dataset.key, item]));
  const items = entries.map((entry) => {
    const key = `${entry.id} ${entry.status}`;
    const item = present.get(key) ?? make(entry);
    item.dataset.key = key;
    item.querySelector(".pick").setAttribute("aria-current", entry.id === hero?.id);
    update(item, entry);
    present.delete(key);
    return item;
  });
  for (const gone of present.values()) gone.remove();
  items.forEach((item, place) => list.children[place] === item || list.insertBefore(item, list.children[place] ?? null));
}

function queueNote({ is_paused: isPaused, recovered, queue }, isRunning) {
  if (isPaused) return isRunning ? "Pauses after this clip." : "Paused: nothing begins until you resume.";
  return recovered && queue[0]?.attempt > 1 ? "Recovered: this clip goes on where it was." : "";
}

/** Write only what changed, so that a screen reader is not told the same again. */
function showNote(note, text) {
  note.hidden = text === "";
  if (note.textContent !== text) note.textContent = text;
}

function takeItem(take, page) {
  const item = part("li", "take");
  const button = item.appendChild(pickButton(take));
  button.append(thumbnail(take), words(take));
  if (take.status === "done") return item;
  const retryButton = part("button", "quiet", "Retry");
  retryButton.type = "button";
  retryButton.setAttribute("aria-label", `Retry: ${take.request.prompt.slice(0, 80)}`);
  retryButton.addEventListener("click", () => page.retry(take.id));
  item.append(retryButton);
  return item;
}

function updateTake(item, take) {
  item.querySelector("small").textContent = `${outcome(take)} · ${ago(take.created_at)}`;
}

function outcome(take) {
  if (take.status === "done" && take.kind === "detail") return `${isProbe(take) ? "Probe" : "Detail"} ${take.facts.width} x ${take.facts.height}`;
  if (take.status === "done" && take.kind === "sound") return "Sound";
  if (take.status === "done") return `Seed ${take.seed}`;
  return take.status === "failed" ? "Failed" : "Canceled";
}

function isProbe({ request }) {
  return request.box !== null || request.start_seconds !== null || request.duration_seconds !== null;
}

function jobItem(job, page) {
  const item = part("li", "job");
  const cancelButton = part("button", "quiet glyph", "✕");
  cancelButton.type = "button";
  cancelButton.setAttribute("aria-label", `Cancel: ${job.request.prompt.slice(0, 80)}`);
  cancelButton.addEventListener("click", () => {
    page.cancel(job.id);
    refresh();
  });
  item.appendChild(pickButton(job)).append(words(job));
  if (job.status === "queued" && job.kind === "clip") item.append(editButton(job, page));
  if (job.status === "queued") item.append(frontButton(job, page));
  item.append(cancelButton);
  return item;
}

function editButton(job, page) {
  const button = part("button", "quiet glyph", "✎");
  button.type = "button";
  button.title = "Edit what it shall be";
  button.setAttribute("aria-label", `Edit: ${job.request.prompt.slice(0, 80)}`);
  button.addEventListener("click", () => page.edit(job.id));
  return button;
}

function frontButton(job, page) {
  const button = part("button", "quiet glyph", "↑");
  button.type = "button";
  button.title = "Make it next";
  button.setAttribute("aria-label", `Make it next: ${job.request.prompt.slice(0, 80)}`);
  button.addEventListener("click", () => page.front(job.id));
  return button;
}

function updateJob(item, job) {
  const prompt = item.querySelector(".prompt");
  const words = wordsOf(job).slice(0, 200);
  if (prompt.textContent !== words) prompt.textContent = words; // it was edited
  const left = job.progress?.remaining_seconds;
  item.querySelector("small").textContent = phaseName(job) + (left ? ` · ${duration(left)} left` : "");
  item.style.setProperty("--done", fraction(job.progress));
}

function pickButton(take) {
  const button = part("button", "pick");
  button.type = "button";
  button.title = take.request.prompt.slice(0, 500);
  button.addEventListener("click", () => choose(take.id));
  return button;
}

function words(take) {
  const block = part("span", "words");
  const prompt = part("span", "prompt", wordsOf(take).slice(0, 200));
  prompt.dir = "auto";
  block.append(prompt, part("small", "figures"));
  return block;
}

/** Return the poster of `take`, which plays while the pointer or the focus is on it. */
export function thumbnail(take) {
  const frame = part("span", "thumbnail");
  if (!take.poster) {
    frame.textContent = take.status === "failed" ? "!" : "–";
    return frame;
  }
  const picture = part("img", "");
  Object.assign(picture, { src: take.poster, alt: "", loading: "lazy" });
  frame.append(picture);
  frame.addEventListener("pointerenter", () => playIn(frame, take));
  frame.addEventListener("pointerleave", () => frame.querySelector("video")?.remove());
  return frame;
}

function playIn(frame, take) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const video = part("video", "");
  Object.assign(video, { src: take.clip, muted: true, loop: true, playsInline: true, autoplay: true });
  video.setAttribute("aria-hidden", "true");
  frame.append(video);
}

function part(tag, className, text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}
