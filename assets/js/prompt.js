/** The inputs: chips that insert words, examples, the words of the Generate button, clips dropped on the page. */

import { subscribe } from "./state.js";

/** Make the chips in `element` insert their word, and set up the rest of the inputs. */
export function mountWords(element) {
  element.addEventListener("click", (event) => {
    const chip = event.target.closest("[data-word]");
    if (chip) insertWord(chip.dataset.word);
  });
  subscribe(({ state }) => nameGenerate(state.queue.length > 0));
  acceptDroppedClips();
  joinChoices();
}

/** Write `prompt` into the prompt field and generate. */
export function startWith(prompt) {
  setPrompt(prompt);
  setTimeout(() => document.querySelector("#generate").click(), 50);
}

function promptField() {
  return document.querySelector("#prompt textarea");
}

function setPrompt(text) {
  promptField().value = text;
  promptField().dispatchEvent(new Event("input", { bubbles: true }));
}

function insertWord(word) {
  const field = promptField();
  const before = field.value.slice(0, field.selectionStart).trimEnd();
  const after = field.value.slice(field.selectionEnd).trimStart();
  setPrompt([before, word, after].filter(Boolean).join(" "));
  const caret = (before ? before.length + 1 : 0) + word.length;
  field.focus();
  field.setSelectionRange(caret, caret);
}

function nameGenerate(isBusy) {
  const button = document.querySelector("#generate");
  const label = [...button.childNodes].find((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const name = isBusy ? "Add to queue" : "Generate";
  if (label && label.data.trim() !== name) label.data = name;
}

/** Make the choices of a group one stop for Tab, moved by arrows; Gradio gives each a name of its own. */
function joinChoices() {
  for (const group of document.querySelectorAll(".segments")) {
    const join = () => {
      for (const choice of group.querySelectorAll("input[type=radio]")) {
        if (choice.name !== group.id) choice.name = group.id;
      }
    };
    new MutationObserver(join).observe(group, { subtree: true, childList: true, attributeFilter: ["name"] });
    join();
  }
}

function acceptDroppedClips() {
  const isFile = (event) => event.dataTransfer?.types.includes("Files");
  window.addEventListener("dragover", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    document.body.dataset.dropping = "";
  });
  window.addEventListener("dragleave", (event) => event.relatedTarget ?? delete document.body.dataset.dropping);
  window.addEventListener("drop", (event) => {
    delete document.body.dataset.dropping;
    if (!isFile(event) || event.target.closest("#given, #given-frames, #loras")) return; // taken in there
    event.preventDefault();
    const isPicture = event.dataTransfer.files[0]?.type.startsWith("image/");
    const slot = isPicture && document.querySelector("#image input[type=file]");
    const input = slot || document.querySelector("#load-settings input[type=file]");
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}
