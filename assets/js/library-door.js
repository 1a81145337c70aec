/** Asking the studio, such that every answer is an object, with `error` where it is a refusal. */

const SILENT = "The studio does not answer; is it still running?";

/** Return the JSON at `url`, or {error: one sentence}. */
export async function ask(url, options = {}) {
  try {
    const response = await fetch(url, options);
    const answer = await response.json().catch(() => ({}));
    if (response.ok || answer.error) return answer;
    return { error: response.status === 413 ? "This file is too large to be taken in here." : SILENT };
  } catch {
    return { error: SILENT };
  }
}

/** Send `body` as JSON. */
export function send(method, url, body) {
  return ask(url, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
}

/** Send a whole file. */
export function sendFile(url, file) {
  return ask(url, { method: "POST", headers: { "content-type": "application/octet-stream" }, body: file });
}
