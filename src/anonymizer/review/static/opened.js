// @ts-check
// What is on the stage: one medium with its pictures, what was changed about it, and where its doubts are.

import { Gone, Refused, get } from "./api.js";
import { drawAsk } from "./ask.js";
import { $, draw, el, icon, make } from "./dom.js";
import * as drafts from "./drafts.js";
import { Edits } from "./edits.js";
import { Film, FilmBar, hideBar } from "./film.js";
import { bare } from "./list.js";
import { note } from "./notes.js";
import { KINDS, showFacts } from "./panel.js";
import { picture } from "./pictures.js";
import { Preview } from "./preview.js";
import { settledBy } from "./questions.js";
import { end, failed } from "./session.js";
import { MODES } from "./stage.js";
import { named, percent, t } from "./words.js";

const AHEAD = 2; // media whose pictures are fetched while another one is looked at

const spinner = (/** @type {string} */ key) => [make("div", { class: "spin" }), t(key)];

/** Events: "open" (another medium is on the stage) and "empty" (none is; detail: an item that failed, or null). */
export class Opened extends EventTarget {
  /** @type {import("./api.js").Medium | null} */
  medium = null;
  /** @type {Edits | null} */
  edits = null;
  /** @type {import("./api.js").Doubt[]} */
  doubts = [];
  /** @type {Film | null} */
  film = null;
  /** @type {FilmBar | null} */
  bar = null;
  /** The job that applies its changes; 0: none, -1: about to be one. */
  running = 0;
  loaded = false;
  /** What the buttons beside it do. @type {Record<string, (...given: any[]) => any>} */
  act = {};
  // Changes that were not applied yet, by medium, with their undo: they are there again when somebody comes back.
  /** @type {Map<string, Edits>} */
  #kept = new Map();
  /** @type {string | null} */
  #wanted = null;
  #opening = 0; // that are on their way: what they replace is not missed
  #changed = () => {
    if (this.medium && this.edits && this.editable) drafts.later(this.medium.id, this.edits);
    this.preview.update();
    this.stage.render();
    this.draw();
  };

  /**
   * @param {import("./list.js").List} list
   * @param {import("./stage.js").Stage} stage
   * @param {(id: string) => number} runningFor  the job that replaces a medium
   */
  constructor(list, stage, runningFor) {
    super();
    this.list = list;
    this.stage = stage;
    this.runningFor = runningFor;
    this.preview = new Preview(this);
  }

  get correctable() { return this.medium?.state === "review" || this.medium?.state === "ready"; }
  get editable() { return this.correctable && !this.running; }
  // A doubt is settled while the place that was drawn for it is there, or what was hidden there is taken off: undo
  // brings it back.
  get openDoubts() { return this.doubts.filter((doubt) => !doubt.settled); }

  /** @param {string} id */
  async open(id, { keepView = false } = {}) {
    this.#wanted = id;
    try {
      // It may have come after the list was fetched last.
      if (!this.list.find(id) && (!await this.fetch() || this.#wanted !== id)) return;
      const item = this.list.find(id);
      // Gone between the list and the click: made anew, or decided on elsewhere.
      if (!item) return this.openAt(this.list.place);
      if (bare(item)) {
        this.medium = null;
        this.list.mark(id);
        return this.clear();
      }
      this.#opening += 1;
      const medium = await get(`media/${id}`).finally(() => { this.#opening -= 1; });
      if (this.#wanted !== id) return;
      this.leave();
      const edits = this.#kept.get(id) || new Edits(medium);
      this.#kept.delete(id);
      drafts.known(id, medium.draft);
      Object.assign(this, { medium, edits, doubts: medium.doubts, loaded: false, running: this.runningFor(id) });
      // Never the last picture under the next one's name.
      if (!keepView) this.stage.clear();
      if (!keepView) $("facts").scrollTop = 0;
      this.preview.clear();
      this.#closeFilm();
      edits.addEventListener("change", this.#changed);
      this.#show(true);
      $("medium-title").textContent = medium.source;
      $("medium-title").title = medium.source;
      $("medium-output").textContent = `→ ${medium.name}`;
      this.dispatchEvent(new Event("open"));
      this.draw();
      this.list.mark(id);
      await this.#pictures(medium, keepView);
      this.#ahead(id);
    } catch (error) {
      if (error instanceof Gone) return end();
      failed(error);
      // What was drawn on it outlives a picture that cannot be shown.
      this.leave();
      this.medium = null;
      this.clear();
    }
  }

  /** @param {number} index */
  openAt(index) {
    const item = this.list.near(index);
    if (item) return this.open(item.id);
    this.medium = null;
    return this.clear();
  }

  /** @param {number} by */
  step(by) {
    if (this.list.items.length) this.openAt(this.list.index(this.list.beside(this.medium?.id ?? "", by).id));
  }

  /** Nothing is to be open until somebody chooses. */
  drop() {
    this.medium = null;
    this.#wanted = null;
  }

  /** Fetch the list, and keep what is open in step with it. */
  async refresh() {
    if (!await this.fetch()) return;
    const { list, medium } = this;
    list.draw(medium?.id ?? this.#told?.id ?? null);
    if (this.#opening) return;
    if (medium && !list.find(medium.id) && !this.running) {
      await this.#lost(medium);
      await this.openAt(list.place);
    }
    else if (!medium && list.items.length && !this.#told) await this.openAt(0);
    else if (!medium) this.clear();
  }

  // Somebody has decided on it, or made it anew, in another window or with another program.
  /** @param {import("./api.js").Medium} medium */
  async #lost(medium) {
    const drawn = this.edits?.dirty;
    /** @type {import("./api.js").Medium | null} */
    const now = await get(`media/${medium.id}`).catch(() => null);
    const who = now?.decision?.initials ?? now?.history.at(-1)?.who ?? "";
    const said = t(now ? `lost.${now.state}` : "lost.replaced", { name: medium.source, who });
    this.leave();
    note(now && drawn ? `${said} ${t("lost.kept")}` : said, {
      bad: true, action: now && now.state !== this.list.tab ? t("lost.show") : null, onAction: () => this.act.show(medium.id, now?.state),
    });
    this.medium = null;
  }

  async fetch() {
    if (!await this.list.fetch(this.medium?.id)) return false;
    return true;
  }

  // What was drawn and not applied is there again when somebody comes back to it.
  leave() {
    const { medium, edits } = this;
    edits?.removeEventListener("change", this.#changed);
    if (!medium || !edits || this.running) return;
    drafts.now(medium.id);
    if (this.correctable && edits.dirty) this.#kept.set(medium.id, edits);
  }

  /** What was drawn is being applied: it stays on the disk until that is done. */
  given() {
    if (!this.medium) return;
    drafts.now(this.medium.id);
    this.#kept.delete(this.medium.id);
  }

  /** One that was not processed, and has nothing to be shown but why. */
  get #told() {
    const item = this.list.find(this.list.current ?? "");
    return item && bare(item) ? item : null;
  }

  clear() {
    this.leave();
    this.edits = null;
    this.preview.clear();
    this.#closeFilm();
    this.stage.clear();
    this.#show(false);
    this.dispatchEvent(new CustomEvent("empty", { detail: this.#told }));
  }

  draw() {
    const { medium, edits, stage } = this;
    if (!medium || !edits) return;
    this.doubts.forEach((doubt, index) => Object.assign(doubt, { number: index + 1, answer: settledBy(doubt, index, edits) }));
    for (const doubt of this.doubts) doubt.settled = Boolean(doubt.answer);
    stage.doubts = medium.state === "review" ? this.doubts : [];
    stage.locked = !this.editable;
    drawAsk(this);
    showFacts(this, this.act);
    $("undo").disabled = !edits.canUndo || Boolean(this.running);
    $("redo").disabled = !edits.canRedo || Boolean(this.running);
    this.bar?.draw();
    stage.render();
  }

  drawTools() {
    const { stage } = this;
    const fixed = !this.correctable;
    const view = (/** @type {string} */ mode) => el("button", {
      type: "button", class: "icon", "aria-pressed": String(stage.shown === mode), "data-focus": mode, ...named(`${t(`view.${mode}`)} (${MODES.indexOf(mode) + 1})`),
      onclick: () => stage.setMode(mode),
    }, icon(mode));
    const tool = (/** @type {string} */ id, /** @type {string} */ key) => el("button", {
      type: "button", class: "icon", "aria-pressed": String(stage.tool === id), "data-focus": id, disabled: fixed, ...named(`${t(`tool.${id}`)} (${key})`),
      onclick: () => stage.setTool(id),
    }, icon(id), el("span", { class: "word" }, id === "hide" ? t("tool.hide.short") : ""));
    draw($("views"), MODES.map(view));
    draw($("toolset"), tool("move", "V"), tool("hide", "H"),
      el("select", { id: "kind", "aria-label": t("tool.kind"), title: t("tool.kind"), disabled: fixed, onchange: (/** @type {any} */ event) => this.act.kind(event.target.value) },
        KINDS.map((kind) => el("option", { value: kind, selected: kind === stage.kind }, t(`place.${kind}`)))),
      tool("keep", "K"), tool("crop", "C"), tool("outline", "D"));
  }

  drawZoom() { $("zoom-fit").textContent = percent(this.stage.view.scale); }

  /** Everything once more, in the language that was just chosen. */
  reword() {
    const { medium, edits, stage, film } = this;
    this.drawTools();
    this.drawZoom();
    if (!medium || !edits) return this.clear();
    if (this.loaded) stage.show({ width: medium.width, height: medium.height, edits, doubts: this.doubts, images: stage.images, film, keepView: true });
    if (film && this.bar) this.bar = new FilmBar(film, edits, this.bar);
    this.draw();
  }

  /** @param {number} running */
  setRunning(running) {
    this.running = running;
    this.preview.update();
    this.stage.message(running ? spinner("stage.applying") : null);
    this.draw();
  }

  /** @param {boolean} on */
  #show(on) {
    $("work").hidden = !on;
    $("panel").hidden = !on;
    $("empty").hidden = on;
    $("main").classList.toggle("lonely", !on);
    $("main").classList.toggle("blank", !on && this.list.blank);
  }

  #closeFilm() {
    this.film?.close();
    this.film = null;
    this.bar = null;
    hideBar();
  }

  // What the stage shows of a clip: two of them on one clock.
  /** @param {import("./api.js").Medium} medium */
  async #films(medium) {
    const film = new Film(medium);
    this.film = film;
    try {
      await film.load();
    } catch (error) {
      if (this.film !== film) return null;
      throw new Refused(t("clip.lost", { error: error instanceof Error ? error.message : String(error) }));
    }
    if (this.film !== film || !this.edits) return null;
    film.addEventListener("time", () => { this.preview.update(); this.stage.render(); });
    film.addEventListener("lost", (/** @type {any} */ event) => note(t("stage.original.gone", { error: event.detail.message }), { bad: true }));
    this.bar = new FilmBar(film, this.edits, { pick: (/** @type {any} */ place) => this.act.pick(place), editable: () => this.editable });
    return film;
  }

  /** @param {import("./api.js").Medium} medium @param {boolean} keepView */
  async #pictures(medium, keepView) {
    const waiting = setTimeout(() => { if (this.medium === medium && !this.loaded) this.stage.message(spinner("stage.loading")); }, 150);
    const film = medium.type === "clip" ? await this.#films(medium).finally(() => clearTimeout(waiting)) : null;
    /** @type {any[]} */
    const [original, result] = film ? [{ value: film.original }, { value: film.result }]
      : await Promise.allSettled([picture(medium.id, "original", medium.version), picture(medium.id, "result", medium.version)]);
    clearTimeout(waiting);
    if (this.medium !== medium) return;
    if (result.status === "rejected") throw result.reason;
    if (original.status === "rejected") {
      if (original.reason instanceof Gone) return end();
      note(t("stage.original.gone", { error: original.reason.message }), { bad: true });
    }
    this.stage.show({
      width: medium.width, height: medium.height, edits: this.edits, doubts: this.doubts, keepView,
      images: { original: original.value, result: result.value }, film,
    });
    this.stage.message(this.running ? spinner("stage.applying") : null);
    this.loaded = true;
    this.preview.update();
    this.drawTools();
    this.draw();
  }

  /** @param {string} id */
  #ahead(id) {
    const at = this.list.index(id);
    for (const item of this.list.items.slice(at + 1, at + 1 + AHEAD)) {
      if (item.type === "clip") continue;
      picture(item.id, "result", item.version).catch(() => {});
      picture(item.id, "original", item.version).catch(() => {});
    }
  }
}
