/** How a clip was made, as a line and as a list. */

import { duration } from "./format.js";

const STAGES = { load: "loading", text: "reading", sampling: "making", decode: "developing", export: "saving" };

/** Fill `details` for `take`: its size in the summary, everything else in its list. */
export function showFacts(details, take) {
  const stamp = `${take.id} ${take.status}`;
  if (details.dataset.shown === stamp) return;
  details.dataset.shown = stamp;
  details.querySelector('[data-field="summary"]').textContent = summary(take);
  details.querySelector("dl").replaceChildren(
    ...rows(take).flatMap(([name, value]) => [item("dt", name), item("dd", value)]),
  );
}

/** Say how much of the draft a detailed clip keeps, and whether that is less than `least`: {text, isLow}. */
export function faithLine({ facts: { similarity, draft_motion: before, detail_motion: after } }, least) {
  if (similarity == null) return { text: "", isLow: false };
  const isLow = similarity < least;
  const advice = isLow ? " It left the draft: lower Fidelity's slider to keep more of it." : "";
  const text = `Keeps ${Math.round(100 * similarity)} % of the draft · motion ${before.toFixed(1)}, now ${after.toFixed(1)}.`;
  return { text: text + advice, isLow };
}

/** Say how much the clip moves, beside what was asked for. */
export function motionLine({ facts: { motion_asked: asked, motion_measured: measured } }) {
  if (measured === undefined) return "";
  return asked == null ? `motion ${measured.toFixed(1)}` : `motion asked ${asked.toFixed(1)}, got ${measured.toFixed(1)}`;
}

function summary(take) {
  const { width, height, num_frames: numFrames, frame_rate: frameRate } = take.facts;
  return width ? `${width} × ${height} · ${duration(numFrames / frameRate)}` : "Settings";
}

function rows({ request, facts, started_at: startedAt, finished_at: finishedAt }) {
  const stages = Object.entries(facts.stage_seconds ?? {})
    .map(([stage, seconds]) => `${STAGES[stage] ?? stage} ${duration(seconds)}`)
    .join(", ");
  return [
    ["Without", request.negative_prompt],
    ["Fidelity", request.degradation_step],
    ["Shift", request.timestep_shift],
    ["Length", facts.num_frames && `${facts.num_frames} frames at ${facts.frame_rate} per second`],
    ["Quality", request.preset],
    ["Steps", request.num_inference_steps],
    ["Text guidance", request.guidance_scale],
    ["Image guidance", request.image_guidance_scale],
    ["Motion guidance", request.motion_guidance_scale],
    ["Negative motion", request.negative_motion_score],
    ["Renormalisation", request.renormalisation === "off" ? null : request.renormalisation],
    ["Made in", startedAt && finishedAt && duration(finishedAt - startedAt)],
    ["Of which", stages],
    ["Passes", facts.network_passes],
    ["Model", [facts.engine ?? request.engine, facts.weights_sha256?.slice(0, 12)].filter(Boolean).join(" ")],
    ["Made with", facts.version && `Kinora ${facts.version} on ${facts.device}`],
  ].filter(([, value]) => value);
}

function item(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}
