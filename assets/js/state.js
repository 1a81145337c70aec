/** What the studio is doing, polled from the server and handed to every part of the page.
 *
 * The page keeps nothing of its own but which take is shown; so a reload, or a second browser, shows the same. */

const BUSY_MS = 250;
const IDLE_MS = 1000;
const HIDDEN_MS = 3000;

const listeners = new Set();
const snapshot = { state: null, takes: [], hasOlder: false, chosen: null, isConnected: true, isKnown: true };
const PROJECT_KEY = "kinora-project"; // what Generate reads too
let stamp = "";
let timer = 0;
let isPolling = false;
let isStale = false;

/** Call `listener` with {state, takes, hasOlder, hero, chosen, isConnected, isKnown} now and at every change.
 *
 * isKnown is false where the studio was started again since, and this browser has not yet opened its new address. */
export function subscribe(listener) {
  listeners.add(listener);
  if (snapshot.state) listener(view());
  else if (!isPolling) poll();
}

/** Show the take of that id in the middle, or with null whatever is newest. */
export async function choose(id) {
  const url = new URL(location.href);
  url.hash = id ? `take=${id}` : "";
  history.replaceState(null, "", url);
  snapshot.chosen = id && (found(id) ?? (await json(`/studio/takes/${encodeURIComponent(id)}`)));
  publish();
}

/** Go to the project of that id: its takes are shown, and new ones go there. */
export function chooseProject(id) {
  localStorage.setItem(PROJECT_KEY, id);
  choose(null);
  refresh();
}

/** Ask the server at once instead of at the next turn. */
export function refresh() {
  isStale = true;
  if (!isPolling) poll();
}

/** Add the next page of older takes. */
export async function loadOlder() {
  const page = await json(`${takesAddress()}&before=${snapshot.takes.at(-1).id}`);
  if (!page) return;
  snapshot.takes.push(...page.takes);
  snapshot.hasOlder = page.has_older;
  publish();
}

async function poll() {
  clearTimeout(timer);
  isPolling = true;
  isStale = false;
  const project = localStorage.getItem(PROJECT_KEY) ?? "";
  const state = await json(`/studio/state?project=${encodeURIComponent(project)}`);
  snapshot.isConnected = state !== null;
  if (state) {
    if (state.project_id !== snapshot.state?.project_id) snapshot.takes = [];
    if ((localStorage.getItem(PROJECT_KEY) ?? "") === project) localStorage.setItem(PROJECT_KEY, state.project_id);
    snapshot.state = state;
    await followTakes(state);
  }
  isPolling = false;
  publish();
  const wait = document.hidden ? HIDDEN_MS : state?.queue.length ? BUSY_MS : IDLE_MS;
  timer = setTimeout(poll, isStale ? 0 : wait);
}

/** Read the takes again when one came, went or changed. */
async function followTakes(state) {
  const now = [state.project_id, state.newest, ...state.queue.map((job) => `${job.id} ${job.status}`)].join();
  if (now === stamp) return;
  const page = await json(takesAddress());
  if (!page) return;
  const older = snapshot.takes.filter((take) => page.takes.length && take.id < page.takes.at(-1).id);
  if (!older.length) snapshot.hasOlder = page.has_older;
  snapshot.takes = [...page.takes, ...older];
  if (stamp === "") await chooseFromAddress();
  stamp = now;
}

function takesAddress() {
  return `/studio/takes?project=${snapshot.state.project_id}`;
}

async function chooseFromAddress() {
  const id = /^#take=(\w+)$/.exec(location.hash)?.[1];
  if (id) snapshot.chosen = found(id) ?? (await json(`/studio/takes/${id}`));
}

function found(id) {
  return snapshot.state?.queue.find((job) => job.id === id) ?? snapshot.takes.find((take) => take.id === id);
}

function view() {
  const chosen = snapshot.chosen && (found(snapshot.chosen.id) ?? snapshot.chosen);
  const newest = snapshot.takes.find((take) => take.status === "done" || take.status === "failed");
  return { ...snapshot, chosen, hero: chosen ?? snapshot.state.queue[0] ?? newest ?? null };
}

function publish() {
  if (!snapshot.state) return;
  const current = view();
  for (const listener of listeners) listener(current);
}

/** Return the JSON at `url`, or null where the server does not give any. */
async function json(url) {
  try {
    const response = await fetch(url);
    snapshot.isKnown = response.status !== 401;
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

document.addEventListener("visibilitychange", () => document.hidden || refresh());
window.addEventListener("kinora:changed", () => {
  stamp = "";
  refresh();
});
window.addEventListener("kinora:submitted", () => {
  choose(null);
  refresh();
});
