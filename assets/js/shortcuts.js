/** Keys. Each presses the button that does the same, so that a key can do nothing a button cannot. */

const KEYS = {
  e: ".hero [data-action=reuse]",
  r: ".hero [data-action=remix]",
  m: ".hero [data-action=layers]",
  a: ".hero .drafts li:is(:hover, :focus-within) .secondary, .hero [data-action=detail][aria-expanded=false]",
  d: ".hero [data-action=detail]",
  c: ".hero [data-action=compare]",
  s: ".hero [data-action=sound]",
  " ": ".hero [data-action=play]",
};

/** Listen for keys; `header` holds the sheet that lists them. */
export function listenForShortcuts(header) {
  const sheet = header.querySelector(".sheet");
  header.querySelector('[data-action="shortcuts"]').addEventListener("click", () => sheet.showModal());
  sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || sheet.open) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) generate(event);
    else if (event.key === "Escape") press(".hero [data-action=cancel]", event) || pressFirstCancel(event);
    else if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    else if (event.key === "?") sheet.showModal();
    else if (event.key !== " " || !isControl(event.target)) press(KEYS[event.key.toLowerCase()], event);
  });
}

function generate(event) {
  event.preventDefault();
  const field = document.activeElement;
  field?.blur(); // a number being typed is checked against its limits when its field is left
  field?.focus({ preventScroll: true });
  document.querySelector("#generate").click();
}

/** Press the button at `selector` if it can be seen; return whether it was. */
function press(selector, event) {
  const button = selector && document.querySelector(selector);
  if (!button?.checkVisibility()) return false;
  event.preventDefault();
  button.click();
  return true;
}

/** Cancel the clip being made while another one is looked at. */
function pressFirstCancel(event) {
  return press(".queue .job button.glyph:last-child", event);
}

function isTyping(target) {
  return target.closest("textarea, input, select, [contenteditable]") !== null;
}

function isControl(target) {
  return target.closest("button, a, summary") !== null;
}
