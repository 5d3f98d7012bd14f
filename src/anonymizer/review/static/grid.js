// @ts-check
// All of a tab at once: original names with their outputs, several chosen, and done with together.

import { Gone, get, post } from "./api.js";
import { $, draw, el, icon } from "./dom.js";
import { bare, reason } from "./list.js";
import { note } from "./notes.js";
import { save } from "./saving.js";
import { end, failed } from "./session.js";
import { n, t } from "./words.js";

/** @typedef {import("./api.js").Item} Item */

const READABLE = 300; // screen pixels: the least width at which a picture counts as looked at
const MOMENT = 600; // ms in sight

/** The one reason for which something waits; empty where there are several. @param {Item} item */
function sole(item) {
  const said = new Set(item.reasons.map(reason));
  return said.size === 1 ? [...said][0] : "";
}

export class Grid {
  on = false;
  /** @type {Set<string>} */
  chosen = new Set();
  /** Seen at a readable size. @type {Set<string>} */
  shown = new Set();
  because = "";
  busy = false;
  /** @type {Map<Element, any>} */
  #timers = new Map();
  #sight = new IntersectionObserver((entries) => { for (const entry of entries) this.#met(entry); }, { threshold: 0.75 });

  /**
   * @param {import("./opened.js").Opened} opened
   * @param {import("./decisions.js").Decisions} decisions
   * @param {(ids: string[]) => void} release
   * @param {() => Promise<void>} poll
   */
  constructor(opened, decisions, release, poll) {
    this.opened = opened;
    this.list = opened.list;
    this.decisions = decisions;
    this.release = release;
    this.poll = poll;
  }

  get items() { return this.list.items.filter((item) => !bare(item) && (!this.because || sole(item) === this.because)); }
  get picked() { return this.items.filter((item) => this.chosen.has(item.id)); }

  toggle(on = !this.on) {
    this.on = on;
    Object.assign(this, { chosen: new Set(), because: "" });
    $("main").classList.toggle("gridded", on);
    $("grid").hidden = !on;
    this.draw();
    if (!on) this.opened.stage.layout();
  }

  /** What a picture is told about its being in sight. @param {IntersectionObserverEntry} entry */
  #met({ target, isIntersecting }) {
    clearTimeout(this.#timers.get(target));
    const id = /** @type {HTMLElement} */ (target).dataset.id ?? "";
    if (!isIntersecting || this.shown.has(id)) return;
    this.#timers.set(target, setTimeout(() => {
      const picture = /** @type {HTMLImageElement} */ (target);
      if (!picture.complete || !picture.naturalWidth || picture.getBoundingClientRect().width < READABLE) return this.#met(/** @type {any} */ ({ target, isIntersecting }));
      this.shown.add(id);
      this.draw();
    }, MOMENT));
  }

  /** @param {string} id */
  pick(id) {
    if (!this.chosen.delete(id)) this.chosen.add(id);
    this.draw();
  }

  all() {
    const { items } = this;
    this.chosen = this.picked.length === items.length ? new Set() : new Set(items.map((item) => item.id));
    this.draw();
  }

  /** @param {string} because */
  narrow(because) {
    this.because = because;
    this.chosen = new Set(because ? this.items.map((item) => item.id) : []);
    this.draw();
  }

  /**
   * One after the other; what the program refuses stays, with its reason.
   * @param {(item: Item) => Promise<any>} what @param {string} said
   */
  async #each(what, said) {
    const { picked } = this;
    this.busy = true;
    this.draw();
    let done = 0;
    for (const item of picked) {
      try {
        await what(item);
        done += 1;
      } catch (error) {
        if (error instanceof Gone) return end();
        failed(new Error(`${item.source}: ${error instanceof Error ? error.message : error}`), "failed.decision");
      }
    }
    this.busy = false;
    // What was chosen meanwhile stays so.
    for (const item of picked) this.chosen.delete(item.id);
    if (done) note(n(said, done));
    await this.poll();
    this.draw();
  }

  /** @param {string} action @param {string} said */
  #decide(action, said) {
    const initials = this.decisions.form.initials.trim();
    if (!initials) { note(t("decide.initials.missing"), { bad: true }); $("grid-initials")?.focus(); return; }
    this.#each((item) => post(`media/${item.id}/${action}`, { initials, note: "" }), said);
  }

  // Of one patient: hidden in one way, framed alike, with names that belong together.
  async #onePatient() {
    const initials = this.decisions.form.initials.trim();
    if (!initials) { note(t("decide.initials.missing"), { bad: true }); $("grid-initials")?.focus(); return; }
    this.busy = true;
    this.draw();
    try {
      const jobs = await post("one-patient", { ids: this.picked.map((item) => item.id), initials });
      this.chosen = new Set();
      note(n("grid.queued", jobs.length));
    } catch (error) {
      failed(error);
    }
    this.busy = false;
    await this.poll();
    this.draw();
  }

  draw() {
    const box = $("grid");
    $("grid-toggle").setAttribute("aria-pressed", String(this.on));
    if (!this.on) return draw(box);
    const { items, picked, list } = this;
    draw(box, this.#bar(picked), items.length ? el("ul", { key: "cards", class: `cards ${list.tab}` }, items.map((item) => this.#card(item))) : el("p", { key: "none", class: "none" }, t("queue.none")));
    for (const picture of box.querySelectorAll("img[data-large]")) this.#sight.observe(picture);
  }

  /** @param {Item[]} picked */
  #bar(picked) {
    const { list } = this;
    const off = !picked.length || this.busy;
    const act = (/** @type {string} */ word, /** @type {() => void} */ onclick, more = {}) => el("button", { key: word, type: "button", disabled: off, onclick, ...more }, t(word));
    const unseen = picked.filter((item) => !this.shown.has(item.id)).length;
    const reasons = list.tab === "review" ? [...new Set(list.items.map(sole).filter(Boolean))] : [];
    return el("div", { key: "bar", class: "grid-bar", role: "toolbar", "aria-label": t("grid.label") },
      el("button", { key: "all", type: "button", onclick: () => this.all() }, t("grid.all")),
      el("span", { key: "count", "aria-live": "polite" }, n("grid.chosen", picked.length)),
      reasons.length > 0 && el("select", { key: "because", "aria-label": t("grid.because"), onchange: (/** @type {any} */ event) => this.narrow(event.target.value) },
        el("option", { value: "", selected: !this.because }, t("grid.any")), reasons.map((one) => el("option", { value: one, selected: one === this.because }, one))),
      el("label", { key: "who", class: "grid-who" }, t("decide.initials"), el("input", { type: "text", id: "grid-initials", maxlength: "12", spellcheck: false, value: this.decisions.form.initials, oninput: (/** @type {any} */ event) => this.decisions.form.sign(event.target.value) })),
      el("span", { key: "acts", class: "ask-buttons" },
        list.tab === "review" && [
          act("grid.approve", () => this.#decide("approve", "grid.approved"), { class: "approve", disabled: off || unseen > 0, title: unseen ? t("grid.approve.hint") : "" }),
          act("grid.reject", () => this.#decide("reject", "grid.rejected"), { class: "reject" }),
          act("grid.again", () => this.#each(async (item) => post(`media/${item.id}/apply`, { edits: (await get(`media/${item.id}`)).edits }), "grid.queued")),
        ],
        list.tab === "ready" && [
          act("save", () => save(picked)),
          act("release.open", () => this.release(picked.map((item) => item.id)), { class: "primary" }),
        ],
        list.tab !== "rejected" && act("grid.patient", () => this.#onePatient(), { id: "one-patient", disabled: off || picked.length < 2, title: t("grid.patient.hint") }),
        list.tab === "rejected" && act("decide.reopen", () => this.#decide("reopen", "grid.reopened"))),
      list.tab === "review" && unseen > 0 && el("small", { key: "hint", class: "soft" }, n("grid.unseen", unseen)));
  }

  /** @param {Item} item */
  #card(item) {
    const large = item.state === "review" && item.type !== "clip";
    const address = `api/media/${item.id}/${large ? "result" : "small"}?${item.version}`;
    const css = ["card", this.chosen.has(item.id) && "chosen", this.shown.has(item.id) && "seen"].filter(Boolean).join(" ");
    return el("li", { key: item.id, class: css },
      el("label", {},
        el("img", { loading: "lazy", alt: "", src: address, "data-id": item.id, "data-large": large ? "" : null }),
        el("span", { class: "card-words" },
          el("input", { type: "checkbox", checked: this.chosen.has(item.id), onchange: () => this.pick(item.id) }),
          el("span", {}, el("strong", { title: item.source }, item.source), el("span", { class: "out", title: item.name }, `→ ${item.name}`),
            item.state === "review" && el("span", { class: "why" }, item.reasons.map(reason).join(" "))),
          el("img", { class: "was", loading: "lazy", alt: t("view.original"), title: t("view.original"), src: `api/media/${item.id}/small-original?${item.version}` }))),
      el("button", { type: "button", class: "icon small", title: t("grid.open"), "aria-label": `${t("grid.open")}: ${item.source}`, onclick: () => { this.toggle(false); this.opened.open(item.id); } }, icon("look")));
  }
}
