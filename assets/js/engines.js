/** Which models there are, and the one this browser makes clips with: Create follows both. */

import { subscribe } from "./state.js";

const ENGINE_KEY = "kinora-engine";

/** Tell follow(chosen, isChanged) where the models are not `engines` any more, as the page was built with.
 *
 * chosen: the name that this browser chose at an earlier visit, once; else "". isChanged: the chosen model itself
 * has other sizes now. */
export function mountEngines({ engines, follow }) {
  let seen = engines;
  let isFirst = true;
  subscribe(({ state }) => {
    const chosen = isFirst ? (localStorage.getItem(ENGINE_KEY) ?? "") : "";
    const isOther = JSON.stringify(state.engines) !== JSON.stringify(seen);
    const isReturn = chosen !== "" && chosen !== state.engines[0].name;
    if (isOther || isReturn) follow(chosen, sizes(state.engines) !== sizes(seen));
    isFirst = false;
    seen = state.engines;
  });
}

/** Remember the model of that name for the next visit. */
export function rememberEngine(name) {
  localStorage.setItem(ENGINE_KEY, name);
}

/** Return the model of that name, or undefined. */
export function engineOf(state, name) {
  return state.engines.find((engine) => engine.name === name);
}

function sizes(engines) {
  const chosen = localStorage.getItem(ENGINE_KEY) ?? engines[0].name;
  return JSON.stringify(engines.find((engine) => engine.name === chosen)?.sizes);
}
