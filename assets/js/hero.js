/** The middle of the page: the clip being made, or the one that was chosen. */

import { duration, fraction, phaseName, wordsOf } from "./format.js";
import { Compare } from "./compare.js";
import { DetailPanel } from "./detail.js";
import { draftsWith, showDrafts } from "./drafts.js";
import { engineOf } from "./engines.js";
import { ExportPanel } from "./export.js";
import { faithLine, motionLine, showFacts } from "./facts.js";
import { Player } from "./player.js";
import { startWith } from "./prompt.js";
import { ReportPanel } from "./report.js";
import { SpritePlayer } from "./sprite.js";
import { choose, refresh, subscribe } from "./state.js";
import { openSound, tabNamed } from "./tabs.js";

const VIEWS = { queued: "making", running: "making", done: "done", failed: "stopped", canceled: "stopped" };

/** Fill `element` and keep it true; `page` has examples, reuse(id, part), cancel(id) and those of DetailPanel. */
export function mountHero(element, page) {
  const hero = element.querySelector(".hero");
  const field = (name) => hero.querySelector(`[data-field="${name}"]`);
  const button = (name) => hero.querySelector(`[data-action="${name}"]`);
  const sprite = new SpritePlayer(...hero.querySelectorAll("canvas"));
  const compare = new Compare(hero);
  const player = new Player(hero, compare);
  const detail = new DetailPanel(hero, page);
  const exporting = new ExportPanel(hero, page.exportControls);
  const report = new ReportPanel(hero);
  const progress = new ProgressLine(hero);
  let shown = null;

  button("reuse").addEventListener("click", () => page.reuse(shown.id));
  button("remix").addEventListener("click", () => page.reuse(shown.id, "remix"));
  button("cancel").addEventListener("click", () => {
    page.cancel(shown.id);
    choose(null);
    refresh();
  });
  button("copy-seed").addEventListener("click", () => {
    navigator.clipboard.writeText(shown.seed);
    field("announcement").textContent = `Seed ${shown.seed} is copied.`;
  });
  button("sound").addEventListener("click", () => openSound(soundless(shown)));
  button("layers").addEventListener("click", () => {
    const isShown = hero.toggleAttribute("data-layers");
    button("layers").setAttribute("aria-pressed", isShown);
  });
  window.addEventListener("kinora:submitted", () => bringIntoView(hero));
  window.addEventListener("kinora:reuse", ({ detail: { id, part } }) => page.reuse(id, part));
  showExamples(hero.querySelector(".examples"), page.examples);

  const approve = async (id) => {
    await choose(id);
    detail.open(true);
  };
  document.body.toggleAttribute("data-no-sound", !tabNamed("Sound"));

  subscribe(({ state, takes, chosen, hero: take }) => {
    showProblems(hero.querySelector(".problems"), state.problems);
    if (take?.id !== shown?.id) sprite.clear();
    const hasEnded = shown?.id === take?.id && shown?.status !== take?.status;
    if (hasEnded) field("announcement").textContent = announcement(take);
    shown = take;
    const options = engineOf(state, take?.request.engine)?.detail ?? null;
    document.body.toggleAttribute("data-no-detail", state.engines.every((engine) => !engine.detail));
    const drafts = chosen ? [] : draftsWith(take, takes).filter((draft) => draft.status === "done");
    hero.dataset.view = drafts.length > 1 ? "drafts" : take ? VIEWS[take.status] : "empty";
    showDrafts(hero.querySelector(".drafts"), drafts, options && approve);
    detail.show(drafts.length > 1 ? null : take, options);
    report.show(take);
    exporting.show(drafts.length > 1 ? null : take);
    compare.show(take);
    if (!take) return player.unload();
    hero.dataset.kind = take.kind;
    showShape(hero, take);
    showTake(field, take);
    button("sound").hidden = !(take.clip && tabNamed("Sound"));
    button("layers").hidden = !(take.motion || take.progress?.preview?.has_motion);
    button("download").href = take.clip ? `${take.clip}${take.clip.includes("?") ? "&" : "?"}download=true` : "";
    hero.dataset.seed = take.seed ?? "";
    field("seed").textContent = take.seed ?? "not drawn";
    field("moved").textContent = motionLine(take);
    showFaith(field("kept"), take, options?.leastSimilarity);
    progress.show(take);
    showFacts(hero.querySelector(".facts"), take);
    if (take.progress?.preview) sprite.show(take.progress.preview);
    if (take.status === "done" && drafts.length < 2) {
      sprite.pause();
      player.load(take);
    } else {
      player.unload();
      if (VIEWS[take.status] === "stopped") sprite.clear();
    }
  });
}

/** Return the id of the clip that sounds are made for: of a sound, that is the clip it was made for. */
function soundless(take) {
  return take.kind === "sound" ? take.parents[0] ?? take.id : take.id;
}

function showTake(field, take) {
  field("prompt").textContent = wordsOf(take);
  const isWaiting = VIEWS[take.status] === "making" && !take.progress?.preview;
  if (take.status === "failed") field("veil").textContent = take.error;
  else if (take.status === "canceled") field("veil").textContent = "Canceled before it was finished.";
  else field("veil").textContent = isWaiting ? phaseName(take) : "";
}

/** Say how much of its draft a detailed clip keeps, loudly where it is little. */
function showFaith(line, take, least) {
  const { text, isLow } = faithLine(take, least);
  line.textContent = text;
  line.classList.toggle("warning", isLow);
}

/** Give the screen the shape of the clip before its first frame is known. */
function showShape(hero, take) {
  const [across, down] = (take.request.aspect_ratio ?? "1:1").split(":").map(Number);
  const { width = across, height = down } = take.progress?.preview ?? take.facts;
  hero.style.setProperty("--aspect", width / height);
}

function showProblems(list, problems) {
  list.hidden = problems.length === 0;
  if ([...list.children].map((item) => item.textContent).join() === problems.join()) return;
  list.replaceChildren(
    ...problems.map((problem) => Object.assign(document.createElement("li"), { textContent: problem })),
  );
}

function showExamples(list, examples) {
  for (const example of examples) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: example });
    button.addEventListener("click", () => startWith(example));
    list.appendChild(document.createElement("li")).appendChild(button);
  }
}

/** Scroll to the clip where it lies below the inputs, as on a phone. */
function bringIntoView(hero) {
  if (hero.getBoundingClientRect().top > innerHeight / 2) hero.scrollIntoView({ behavior: "smooth" });
}

function announcement(take) {
  if (take.status === "done") return `The clip is ready: ${take.request.prompt}`;
  if (take.status === "failed") return `The clip failed: ${take.error}`;
  return take.status === "running" ? "The clip is being made." : "";
}

function times({ elapsed_seconds: elapsed, remaining_seconds: remaining }) {
  return remaining === null ? duration(elapsed) : `${duration(elapsed)} · ${duration(remaining)} left`;
}

/** Phase, times and bar of the clip being made. */
class ProgressLine {
  #bar;
  #phase;
  #times;
  #announcement;
  #id = "";
  #announcedQuarter = 0;

  constructor(hero) {
    this.#bar = hero.querySelector("progress");
    this.#phase = hero.querySelector('[data-field="phase"]');
    this.#times = hero.querySelector('[data-field="times"]');
    this.#announcement = hero.querySelector('[data-field="announcement"]');
  }

  show(take) {
    if (VIEWS[take.status] !== "making") return;
    if (this.#id !== take.id) this.#restart(take.id);
    this.#phase.textContent = phaseName(take);
    this.#times.textContent = take.progress ? times(take.progress) : "";
    this.#bar.value = Math.max(this.#bar.value, fraction(take.progress));
    this.#announce(take);
  }

  #restart(id) {
    this.#id = id;
    this.#bar.value = 0;
    this.#announcedQuarter = 0;
  }

  #announce(take) {
    const quarter = Math.floor(this.#bar.value * 4);
    if (quarter <= this.#announcedQuarter) return;
    this.#announcedQuarter = quarter;
    this.#announcement.textContent = `${phaseName(take)}, ${quarter * 25} percent done`;
  }
}
