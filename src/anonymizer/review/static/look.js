// @ts-check
// Looking through what is ready: one after the other, as large as the window. Each that was seen is marked in the record.

import { post } from "./api.js";
import { $, draw, el } from "./dom.js";
import { note } from "./notes.js";
import { failed } from "./session.js";
import { n, t } from "./words.js";

const MANY = 10; // as many as somebody looks at with care, one after the other

export class Look {
  /** The ids to be looked at, in order; empty: nobody looks through. @type {string[]} */
  ids = [];
  at = 0;
  seen = 0;

  /** @param {import("./opened.js").Opened} opened @param {import("./decisions.js").Decisions} decisions */
  constructor(opened, decisions) {
    this.opened = opened;
    this.list = opened.list;
    this.decisions = decisions;
  }

  get on() { return this.ids.length > 0; }
  get unseen() { return this.list.tab === "ready" ? this.list.items.filter((item) => !item.seen) : []; }

  begin() {
    const unseen = this.unseen.slice(0, MANY);
    this.ids = (unseen.length ? unseen : this.list.items.slice(0, MANY)).map((item) => item.id);
    if (!this.on) return;
    Object.assign(this, { at: 0, seen: 0 });
    this.#show();
  }

  end() {
    if (!this.on) return;
    const { seen } = this;
    this.ids = [];
    document.documentElement.classList.remove("looking");
    this.opened.stage.outlines = true;
    this.opened.stage.setMode(this.before);
    this.draw();
    if (seen) note(n("look.done", seen));
    this.opened.fetch().then(() => { this.list.draw(this.opened.medium?.id ?? null); this.list.drawTabs(); this.draw(); }).catch(failed);
  }

  /** It was seen, and may stay as it is. */
  good() {
    const { medium } = this.opened;
    if (medium) {
      const item = this.list.find(medium.id);
      if (item) item.seen = true;
      this.seen += 1;
      post(`media/${medium.id}/seen`, { initials: this.decisions.form.initials.trim() }).catch(failed);
    }
    this.step(1);
  }

  /** @param {number} by */
  step(by) {
    const to = this.at + by;
    if (to >= this.ids.length) return this.end();
    this.at = Math.max(0, to);
    this.#open();
  }

  /** Back to those that wait, and on to the next. */
  async back() {
    const { medium } = this.opened;
    const initials = this.decisions.form.initials.trim();
    if (!medium) return;
    if (!initials) { this.end(); this.decisions.form.who(); return; }
    this.ids.splice(this.at, 1);
    try {
      await post(`media/${medium.id}/reopen`, { initials });
      note(t("done.reopened", { name: medium.source }));
    } catch (error) {
      failed(error);
    }
    if (this.at < this.ids.length) return this.#open();
    // Nothing is left of the ten.
    this.ids = [medium.id];
    this.end();
  }

  #show() {
    this.before = this.opened.stage.mode;
    document.documentElement.classList.add("looking");
    // As it will be published: without outlines, but for what is chosen.
    this.opened.stage.outlines = false;
    this.opened.stage.setTool("move");
    this.opened.stage.setMode("result");
    this.#open();
  }

  async #open() {
    await this.opened.open(this.ids[this.at]);
    this.opened.stage.fit();
    this.draw();
    $("look-good")?.focus();
  }

  draw() {
    const box = $("look");
    const unseen = this.list.counts.unseen ?? 0;
    const offered = this.list.tab === "ready" && this.list.items.length > 0;
    box.hidden = !this.on && !offered;
    if (!this.on) {
      draw(box, offered && el("p", { key: "words" }, unseen ? n("look.unseen", unseen) : t("look.all")),
        offered && el("button", { key: "begin", type: "button", id: "look-begin", class: unseen ? "primary" : null, onclick: () => this.begin() }, n("look.begin", Math.min(MANY, unseen || this.list.items.length))));
      return;
    }
    const { medium } = this.opened;
    // The page's own heading goes with its bar.
    draw(box,
      el("h1", { key: "title", class: "unseen" }, t("look.label")),
      el("p", { key: "words", "aria-live": "polite" }, el("b", {}, t("look.at", { n: this.at + 1, of: this.ids.length })), " ", t("look.what"), medium && el("span", { class: "soft" }, ` ${medium.source} → ${medium.name}`)),
      el("span", { key: "buttons", class: "ask-buttons" },
        el("button", { type: "button", id: "look-good", class: "approve", onclick: () => this.good() }, t("look.good"), el("kbd", {}, "→")),
        el("button", { type: "button", id: "look-back", onclick: () => this.back() }, t("look.back"), el("kbd", {}, "R")),
        el("button", { type: "button", id: "look-end", class: "quiet", onclick: () => this.end() }, t("look.end"), el("kbd", {}, "Esc"))));
  }

  /** A key while somebody looks through; false where it means something else. @param {string} key */
  press(key) {
    const { edits } = this.opened;
    if (!this.on) return false;
    if (key === "Escape" && !edits?.selected && this.opened.stage.tool === "move") this.end();
    else if (edits?.dirty) return false;
    else if (key === "ArrowRight" || key === "a" || key === "s") this.good();
    else if (key === "ArrowLeft" || key === "b") this.step(-1);
    else if (key === "r") this.back();
    else return false;
    return true;
  }
}
