/** Drafts of several seeds, as a sheet of playing clips to choose from. */

import { choose } from "./state.js";

const SAME_MOMENT_SECONDS = 2;

/** Return the takes that were asked for together with `take`, itself included, in the order of their seeds. */
export function draftsWith(take, takes) {
  if (take?.kind !== "clip") return [];
  const asked = askedFor(take);
  return takes
    .filter((other) => other.kind === "clip" && askedFor(other) === asked)
    .filter((other) => Math.abs(other.created_at - take.created_at) < SAME_MOMENT_SECONDS)
    .sort((one, other) => (one.id < other.id ? -1 : 1));
}

/** Fill `sheet` with the finished ones of `drafts`; approve(id) puts one forward for detail, null where none is. */
export function showDrafts(sheet, drafts, approve) {
  const finished = drafts.filter((draft) => draft.status === "done");
  const ids = finished.map((draft) => draft.id).join();
  if (sheet.dataset.ids === ids) return;
  sheet.dataset.ids = ids;
  sheet.replaceChildren(...finished.map((draft) => cell(draft, approve)));
}

function askedFor(take) {
  return JSON.stringify({ ...take.request, seed: null });
}

function cell(draft, approve) {
  const item = document.createElement("li");
  const pick = document.createElement("button");
  Object.assign(pick, { type: "button", className: "pick", title: `Seed ${draft.seed}` });
  pick.setAttribute("aria-label", `Show the draft with seed ${draft.seed}`);
  pick.addEventListener("click", () => choose(draft.id));
  const video = Object.assign(document.createElement("video"), {
    src: draft.clip, poster: draft.poster ?? "", muted: true, loop: true, playsInline: true,
    autoplay: !matchMedia("(prefers-reduced-motion: reduce)").matches,
  });
  video.setAttribute("aria-hidden", "true");
  pick.append(video);
  item.append(pick);
  if (!approve) return item;
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "secondary", textContent: "Approve" });
  button.title = "Put this draft forward for detail (A)";
  button.addEventListener("click", () => approve(draft.id));
  item.append(button);
  return item;
}
