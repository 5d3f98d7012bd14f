// @ts-check
// What applying would give, shown in place of the result before it is applied: made by the program, a moment after the
// last change.

import { Gone, post } from "./api.js";
import { end } from "./session.js";

const CALM = 250; // ms after the last change
const SIDE = 1600; // pixels: larger is no picture shown here

export class Preview {
  /** "making", "finding" (a part of a face), "shown"; empty: none is wanted. */
  state = "";
  /** What the program says of it: what was not found, or why there is none. @type {string[]} */
  said = [];
  #timer = 0;
  #busy = false;
  /** What was asked for last. */
  #asked = "";

  /** @param {import("./opened.js").Opened} opened */
  constructor(opened) { this.opened = opened; }

  get #wanted() {
    const { medium, edits, film, editable, loaded } = this.opened;
    if (!medium || !edits?.framed || !editable || !loaded || film?.playing) return "";
    return JSON.stringify({ id: medium.id, edits: edits.instructions(), side: SIDE, seconds: film?.moment ?? 0 });
  }

  /** Something changed: another picture may be wanted. */
  update() {
    if (!this.opened.edits?.framed || !this.opened.editable) return this.clear();
    if (!this.#wanted || this.#wanted === this.#asked) return;
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#make(), CALM);
    if (this.state !== "making") this.say("making");
  }

  /** None is wanted. */
  clear() {
    clearTimeout(this.#timer);
    this.#asked = "";
    this.#show(null);
    if (this.state && this.state !== "finding") Object.assign(this, { state: "", said: [] });
  }

  /** @param {string} state @param {string[]} said */
  say(state, said = this.said) {
    Object.assign(this, { state, said });
    this.opened.draw();
  }

  async #make() {
    if (this.#busy) return;
    const wanted = this.#wanted;
    if (!wanted) return;
    this.#asked = wanted;
    this.#busy = true;
    const { id, ...trial } = JSON.parse(wanted);
    try {
      const { picture, rect, said } = await post(`media/${id}/preview`, trial);
      if (this.#asked !== wanted) return;
      const url = URL.createObjectURL(new Blob([Uint8Array.from(atob(picture), (one) => one.charCodeAt(0))], { type: "image/jpeg" }));
      this.#show({ url, rect });
      this.say("shown", said);
    } catch (error) {
      if (error instanceof Gone) return end();
      if (this.#asked !== wanted) return;
      this.#show(null);
      this.say("", [error instanceof Error ? error.message : String(error)]);
    } finally {
      this.#busy = false;
      if (this.#wanted && this.#wanted !== this.#asked) this.update();
    }
  }

  /** @param {{url: string, rect: import("./api.js").Rect} | null} preview */
  #show(preview) {
    const { stage } = this.opened;
    if (stage.preview) URL.revokeObjectURL(stage.preview.url);
    stage.preview = preview;
    stage.render();
  }
}
