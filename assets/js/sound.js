/** The sound page: a clip, the takes of its sound, one of them heard, plotted, mixed and accepted. */

import { phaseName } from "./format.js";
import { drawPlot, syncLine } from "./plot.js";
import { refresh, subscribe } from "./state.js";
import { askedForSound } from "./tabs.js";

const DEFAULTS = ["guidance_scale", "num_inference_steps"];
const ASKED = ["prompt", "negative_prompt", ...DEFAULTS, "video_guidance_scale"];
const MIX = ["offset_milliseconds", "volume", "fade_in_seconds", "fade_out_seconds", "own_volume"];

/** Fill `element` and keep it true; `page` has defaults and sound(), mix(), accept(), takeOff(), cancel(). */
export function mountDesk(element, page) {
  const desk = new Desk(element.querySelector(".desk"), page);
  subscribe((view) => desk.show(view));
}

class Desk {
  #root;
  #page;
  #clip = null;
  #sound = null;
  #chosenClip = "";
  #chosenSound = "";

  constructor(root, page) {
    this.#root = root;
    this.#page = page;
    const asked = root.querySelector(".asked");
    for (const name of DEFAULTS) asked.elements[name].value = page.defaults[name];
    const on = (selector, send) => root.querySelector(selector).addEventListener("submit", (event) => {
      event.preventDefault();
      send(event.target.elements);
    });
    on(".asked", (fields) => this.#ask({}, Number(fields.variations.value)));
    on(".part", (fields) => this.#ask({
      start_seconds: Number(fields.start_seconds.value),
      duration_seconds: Number(fields.duration_seconds.value),
    }, 1));
    on(".mix", (fields) => this.#page.mix(this.#sound.id, this.#mix(fields)));
    const press = (name, act) => root.querySelector(`[data-action="${name}"]`).addEventListener("click", act);
    press("accept", () => this.#page.accept(this.#sound.id));
    press("take-off", () => this.#page.takeOff(this.#clip.id));
    this.#chosenClip = askedForSound();
    window.addEventListener("kinora:sound", () => {
      this.#chosenClip = askedForSound();
      refresh();
    });
  }

  show({ takes, state }) {
    const clips = clipsOf(takes);
    this.#clip = clips.find((clip) => clip.id === this.#chosenClip) ?? clips[0] ?? null;
    const sounds = this.#clip ? takes.filter((take) => take.kind === "sound" && belongs(take, this.#clip)) : [];
    const done = sounds.filter((take) => take.status === "done");
    this.#sound = done.find((take) => take.id === this.#chosenSound) ?? done[0] ?? null;
    this.#root.dataset.view = this.#sound ? "heard" : this.#clip ? "silent" : "empty";
    this.#list(".clips", clips, this.#clip, (clip) => (this.#chosenClip = clip.id), clipButton);
    this.#list(".sounds ol", sounds, this.#sound, (sound) => (this.#chosenSound = sound.id), soundButton);
    this.#field("no-sounds").hidden = sounds.length > 0;
    const making = state.queue.find((job) => job.kind === "sound" && this.#clip && belongs(job, this.#clip));
    setText(this.#field("making"), making ? phaseName(making) : "");
    const words = this.#clip?.request.prompt;
    this.#root.querySelector(".asked [name=prompt]").placeholder = words || "as the picture says";
    this.#play();
    if (this.#sound) this.#describe();
  }

  /** Ask for takes; with a part, for that part of the take that is heard. */
  #ask(part, variations) {
    const about = "start_seconds" in part ? this.#sound : this.#clip;
    if (!about) return;
    const fields = this.#root.querySelector(".asked").elements;
    const settings = { ...part, sees_video: fields.sees_video.checked };
    for (const name of ASKED) settings[name] = fields[name].value;
    this.#chosenClip = this.#clip.id;
    this.#chosenSound = "";
    this.#page.sound(about.id, settings, variations);
  }

  #mix(fields) {
    const settings = Object.fromEntries(MIX.map((name) => [name, Number(fields[name].value)]));
    const track = document.querySelector("#own-track [data-track]")?.dataset.track;
    if (track) settings.own_track = track;
    if (fields.target_lufs.value) settings.target_lufs = Number(fields.target_lufs.value);
    return settings;
  }

  #play() {
    const video = this.#root.querySelector("video");
    const url = (this.#sound ?? this.#clip)?.clip ?? "";
    if (video.dataset.url === url) return;
    video.dataset.url = url;
    if (url) video.src = url;
    else video.removeAttribute("src");
  }

  #describe() {
    const { facts, clip, sound } = this.#sound;
    drawPlot(this.#field("plot"), facts);
    setText(this.#field("sync"), syncLine(facts));
    const link = (name, url) => (this.#root.querySelector(`[data-action="${name}"]`).href = withDownload(url));
    link("clip-download", clip);
    link("sound-download", sound);
    const isAccepted = this.#clip.facts.sound === this.#sound.id;
    setText(this.#field("accepted"), isAccepted ? "This take is a part of the clip." : "");
    this.#root.querySelector('[data-action="take-off"]').hidden = !isAccepted;
  }

  #list(selector, entries, current, choose, make) {
    const list = this.#root.querySelector(selector);
    const stamp = entries.map((entry) => `${entry.id}${entry.status}${entry.clip}`).join() + current?.id;
    if (list.dataset.stamp === stamp) return;
    list.dataset.stamp = stamp;
    list.replaceChildren(...entries.map((entry, place) => {
      const button = make(entry, entries.length - place);
      button.type = "button";
      button.setAttribute("aria-current", entry.id === current?.id);
      button.addEventListener("click", () => {
        choose(entry);
        refresh();
      });
      const item = document.createElement("li");
      item.append(button);
      return item;
    }));
  }

  #field(name) {
    return this.#root.querySelector(`[data-field="${name}"]`);
  }
}

/** Return finished clips, and for clips that were brought along the newest take of each. */
function clipsOf(takes) {
  const sources = new Set();
  return takes.filter((take) => {
    if (take.status !== "done" || !take.clip) return false;
    if (take.kind !== "sound") return true;
    if (take.parents.length || sources.has(take.request.source)) return false;
    return sources.add(take.request.source);
  });
}

function belongs(sound, clip) {
  return clip.kind === "sound" ? sound.request.source === clip.request.source : sound.parents[0] === clip.id;
}

function clipButton(clip) {
  const button = Object.assign(document.createElement("button"), { className: "pick" });
  const words = clip.request.prompt || "A clip of yours";
  button.title = words;
  button.setAttribute("aria-label", words.slice(0, 80));
  button.append(Object.assign(document.createElement("img"), { src: clip.poster ?? "", alt: "" }));
  return button;
}

function soundButton(sound, number) {
  const button = Object.assign(document.createElement("button"), { className: "pick" });
  const words = sound.request.prompt || "From the picture";
  const state = sound.status === "done" ? syncLine(sound.facts) || `Seed ${sound.seed}` : sound.error ?? sound.status;
  const title = Object.assign(document.createElement("b"), { textContent: `Take ${number}` });
  const line = Object.assign(document.createElement("small"), { textContent: `${words.slice(0, 60)} · ${state}` });
  button.append(title, waveformOf(sound.facts.waveform ?? []), line);
  return button;
}

/** Return a small drawing of a waveform. */
function waveformOf(heights) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  drawPlot(svg, { waveform: heights });
  svg.setAttribute("viewBox", "0 0 1000 160");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  return svg;
}

function withDownload(url) {
  return url ? `${url}${url.includes("?") ? "&" : "?"}download=true` : "";
}

/** Write only what changed, so that a screen reader is not told the same again. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
