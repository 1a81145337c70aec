/** The tabs of the page, which Gradio makes. */

/** Return the button that opens the page of that name, or undefined where the page is not offered. */
export function tabNamed(name) {
  return [...document.querySelectorAll('#pages [role="tab"]')].find((tab) => tab.textContent.trim() === name);
}

let soundFor = "";

/** Open the page for sound with the clip of that id chosen; the page may be made only then. */
export function openSound(id) {
  soundFor = id;
  window.dispatchEvent(new Event("kinora:sound"));
  tabNamed("Sound").click();
}

/** Return the id of the clip that sound was last asked for, or an empty text. */
export function askedForSound() {
  return soundFor;
}
