/** What a creator can copy when a clip failed, for whoever is asked for help. */

export class ReportPanel {
  #panel;
  #told;
  #take = null;

  constructor(hero) {
    this.#panel = hero.querySelector(".report");
    this.#told = this.#panel.querySelector('[data-field="report-told"]');
    this.#panel.querySelector("button").addEventListener("click", () => this.#copy());
  }

  /** Offer a report of `take` where it failed. */
  show(take) {
    this.#panel.hidden = take?.status !== "failed";
    if (take?.id !== this.#take?.id) this.#told.textContent = "";
    this.#take = take;
  }

  async #copy() {
    const withPrompt = this.#panel.querySelector("input").checked;
    try {
      const response = await fetch(`/studio/report/${this.#take.id}?with_prompt=${withPrompt}`);
      await navigator.clipboard.writeText(await response.text());
      this.#told.textContent = "The report is copied.";
    } catch {
      this.#told.textContent = "This browser lets nothing be copied here; see logs/ in the data folder.";
    }
  }
}
