// @ts-check
// The left column: the tabs, what waits with its first reason, and which of it is open.

import { get } from "./api.js";
import { $, draw, el, icon } from "./dom.js";
import { language, n, t, time } from "./words.js";

export const STATES = ["review", "ready", "rejected", "failed", "not-taken"];

const level = (/** @type {number} */ weight) => (weight >= 30 ? "high" : weight >= 4 ? "middle" : "low");

/** What was not processed has no picture, but a reason: whatever is listed of these is shown without a stage. */
export const bare = (/** @type {{state: string}} */ { state }) => state === "failed" || state === "not-taken";

/**
 * A reason in the page's language where the page knows it, else in the program's own words.
 * @param {import("./api.js").Reason} said
 */
export const reason = (said) => (said.question ? t(`reason.${said.question}`) : said.text);

/** What the program holds, tab by tab. Events: "pick" (the id of a row) and "tab" (a state that was chosen). */
export class List extends EventTarget {
  tab = "review";
  /** Those of the open tab that are shown: all, or what was searched for. @type {import("./api.js").Item[]} */
  items = [];
  /** @type {import("./api.js").Item[]} */
  all = [];
  wanted = "";
  /** @type {Record<string, number>} */
  counts = {};
  /** @type {string | null} */
  revision = null;
  /** @type {string | null} */
  current = null;
  // Where what is open stands, or stood last: while its successor is put in its place it may be in none.
  place = 0;
  /** @type {Set<string>} */
  deciding = new Set();
  /** Every id that the program told of last. @type {Set<string>} */
  held = new Set();

  get begun() { return STATES.some((state) => this.counts[state]); }
  get blank() { return !this.items.length && !this.begun; }

  /** @param {string} id */
  find(id) { return this.items.find((item) => item.id === id); }
  /** @param {string | undefined} id */
  index(id) { return this.items.findIndex((item) => item.id === id); }
  /** @param {number} index */
  near(index) { return this.items[Math.min(Math.max(0, index), this.items.length - 1)]; }
  /** @param {string} id @param {number} by */
  beside(id, by) { return this.items[(this.index(id) + by + this.items.length) % this.items.length]; }

  /** @param {string | undefined} id */
  spot(id) {
    const at = this.index(id);
    if (at >= 0) this.place = at;
  }

  /**
   * Ask for the open tab's list; false where another tab was opened meanwhile.
   * @param {string | undefined} open  what is on the stage
   */
  async fetch(open) {
    const { tab } = this;
    const items = await get(`list/${tab}`);
    if (tab !== this.tab) return false;
    this.spot(open);
    this.held = new Set(items.map((/** @type {import("./api.js").Item} */ item) => item.id));
    // What is being decided waits no more, whatever the program has got round to.
    this.all = items.filter((/** @type {import("./api.js").Item} */ item) => !this.deciding.has(item.id));
    this.#sift();
    return true;
  }

  #sift() {
    const words = this.wanted.toLocaleLowerCase(language).split(/\s+/).filter(Boolean);
    this.items = words.length ? this.all.filter((item) => words.every((word) => said(item).includes(word))) : this.all;
  }

  /** Show what has all of these words in its name, its output's, its date, its reasons or its kinds. @param {string} wanted */
  search(wanted) {
    this.wanted = wanted;
    this.#sift();
    this.draw();
  }

  /** It is decided: take it from the list at once, and keep it away until the program says so too. */
  drop(/** @type {string} */ id) {
    this.all = this.all.filter((item) => item.id !== id);
    this.#sift();
    this.deciding.add(id);
  }

  /** @param {string | null} [current]  the row to mark */
  draw(current = this.current) {
    this.current = current;
    $("queue-title").textContent = t(`queue.${this.tab}`);
    $("queue-note").textContent = this.items.length && this.tab !== "not-taken" ? t(this.tab === "review" ? "queue.order" : "queue.newest") : "";
    $("search-box").hidden = this.all.length < 2 && !this.wanted;
    draw($("items"), this.items.length ? this.items.map((item) => this.#row(item)) : el("li", { class: "none" }, t(this.wanted ? "queue.unfound" : "queue.none")));
    this.dispatchEvent(new Event("drawn"));
  }

  /** @param {string | null} current */
  mark(current) {
    this.draw(current);
    $("items").querySelector(".item[aria-current]")?.scrollIntoView({ block: "nearest" });
  }

  drawTabs() {
    $("handover").hidden = this.tab !== "ready" || !this.counts.ready;
    // Most folders never have anything of the last kind.
    const shown = STATES.filter((state) => state !== "not-taken" || this.counts[state] || state === this.tab);
    draw($("tabs"), shown.map((state) => el("button", {
      type: "button", class: state === "review" ? "waiting" : null, "aria-current": state === this.tab ? "true" : null, "data-tab": state,
      onclick: () => this.dispatchEvent(new CustomEvent("tab", { detail: state })),
    }, t(`tab.${state}`), el("b", {}, this.counts[state] ?? 0))));
  }

  /** @param {import("./api.js").Item} item */
  #row(item) {
    const small = bare(item)
      ? el("span", { class: "thumb" }, icon("failed"))
      : el("img", { class: "thumb", loading: "lazy", alt: "", src: `api/media/${item.id}/small?${item.version}` });
    const picture = item.type === "clip" ? el("span", { class: "moving" }, small, icon("play")) : small;
    const rank = item.state === "review" ? level(item.weight) : null;
    return el("li", { key: item.id },
      el("button", {
        type: "button", class: "item", "data-id": item.id, "aria-current": item.id === this.current ? "true" : null,
        onclick: () => this.dispatchEvent(new CustomEvent("pick", { detail: item.id })),
      },
        picture,
        el("span", {},
          el("strong", { title: item.source }, item.source),
          item.name && el("span", { class: "out", title: item.name }, `→ ${item.name}`),
          el("span", { class: "why" }, why(item)),
          rank && el("span", { class: `level ${rank}` }, el("i", {}), t(`level.${rank}`)),
          item.seen === false && el("span", { class: "level low" }, el("i", {}), t("item.unseen")),
          item.released && el("span", { class: "level low" }, el("i", {}), t("item.released")))));
  }
}

/** What of an item can be searched for. @param {import("./api.js").Item} item */
const said = (item) => [
  item.source, item.name, item.added?.slice(0, 10), item.added && time(item.added), item.type === "clip" ? t("kind.clip") : t("kind.photo"),
  ...item.reasons.map((one) => `${reason(one)} ${one.kind ? t(`place.${one.kind}`) : ""}`),
].join(" ").toLocaleLowerCase(language);

/** @param {import("./api.js").Item} item */
function why(item) {
  if (item.state === "review" || bare(item)) {
    const doubts = item.reasons.filter((said) => said.kind).length;
    return doubts > 1 ? n("doubts", doubts) : item.reasons.length ? reason(item.reasons[0]) : "";
  }
  return item.regions ? n("hidden", item.regions) : t("hidden.zero");
}
