// @ts-check
// What is under way: files on their way in, media that are being processed, and what has come of them.

import { Gone, Refused, get, upload } from "./api.js";
import { $, draw, el } from "./dom.js";
import { note } from "./notes.js";
import { end, ended, failed } from "./session.js";
import { n, t } from "./words.js";

/** @typedef {import("./api.js").Job} Job */

const SHOWN = 4; // the first of them; the rest are counted
const MISSES = 3; // answers in a row that may fail to come
const SOON = 400; // ms, all of these
const AFTER_A_MISS = 300;
const BUSY = 600;
const CALM = 3000;
const HIDDEN = 15000;

export class Jobs {
  /** @type {Job[]} */
  #jobs = [];
  /** @type {{source: string, what: string, stage: string, done: number, total: number, dropped: import("./api.js").Dropped}[]} */
  #uploads = [];
  // Jobs whose end was told already; null until the program was asked once, for what ended before is no news.
  /** @type {Set<number> | null} */
  #told = null;
  /** @type {Record<string, number>} */
  #fresh = { ready: 0, review: 0 };
  #active = false;
  /** @type {Set<any>} */
  #batch = new Set();
  #missed = 0;
  // One at a time: two answers at once would open two pictures.
  /** @type {Promise<void> | null} */
  #polling = null;

  /**
   * @param {import("./opened.js").Opened} opened
   * @param {(state: string) => Promise<void>} choose  open a tab
   * @param {import("./inflow.js").Inflow} inflow
   */
  attach(opened, choose, inflow) {
    this.choose = choose;
    this.inflow = inflow;
    this.opened = opened;
    this.list = opened.list;
  }

  get busy() { return Boolean(this.#jobs.length || this.#uploads.length); }
  /** @param {string} id */
  runningFor(id) { return this.#jobs.find((job) => job.replaces === id)?.number ?? 0; }
  /** Somebody does something on the page: who draws and looks says nothing else to the program, and must not find it gone. */
  touch() { this.#active = true; }

  /** @param {Job} job */
  begun(job) {
    this.#jobs.push(job);
    setTimeout(() => this.poll(), SOON);
  }

  /** Ask again and again, the more often the more there is to come. */
  async beat() {
    await this.poll();
    if (!ended()) setTimeout(() => this.beat(), this.#missed ? AFTER_A_MISS : this.busy ? BUSY : document.hidden ? HIDDEN : CALM);
  }

  poll() {
    this.#polling ??= this.#poll().finally(() => { this.#polling = null; });
    return this.#polling;
  }

  async #poll() {
    const { opened, list } = this;
    if (ended() || !opened || !list) return;
    try {
      const active = this.#active || opened.film?.playing;
      this.#active = false;
      const now = await get(active ? "poll?active" : "poll");
      this.#missed = 0;
      list.counts = now.counts;
      if (this.inflow) this.inflow.untaken = now.counts["not-taken"] ?? 0;
      if (this.inflow?.hear(now.watcher) && !opened.medium) opened.clear();
      list.drawTabs();
      await this.#hear(now.jobs);
      if (now.revision !== list.revision) {
        list.revision = now.revision;
        await opened.refresh();
      }
      list.drawTabs();
    } catch (error) {
      this.#missed += 1;
      if (error instanceof Gone && (error.message === "closed" || this.#missed > MISSES)) end();
    }
  }

  // What jobs have come to since the last time.
  /** @param {Job[]} jobs */
  async #hear(jobs) {
    const over = jobs.filter((job) => job.stage === "done" || job.stage === "failed");
    this.#jobs = jobs.filter((job) => job.stage === "queued" || job.stage === "working");
    const told = this.#told;
    this.#told = new Set([...(told ?? []), ...over.map((job) => job.number)]);
    for (const job of over) {
      if (!told || told.has(job.number)) continue;
      if (job.replaces) await this.#applied(job);
      else if (job.stage === "failed") this.#refused(t("failed.added", { name: job.source, error: job.error }), job.verdict);
      else this.#fresh[job.verdict] += 1;
    }
    if (!this.busy) {
      for (const verdict of ["ready", "review"]) {
        if (this.#fresh[verdict]) note(n(`done.added.${verdict}`, this.#fresh[verdict]));
        this.#fresh[verdict] = 0;
      }
    }
    this.#show();
  }

  /** @param {Job} job  that applied what a person changed */
  async #applied(job) {
    const { opened, list } = this;
    if (!opened || !list) return;
    const current = opened.medium?.id === job.replaces;
    const show = { action: current ? null : t("untaken.show"), onAction: () => opened.act.show(job.stage === "failed" ? job.replaces : job.id, "review") };
    if (job.stage === "failed") {
      note(t("failed.apply", { error: job.error }), { bad: true, ...show });
      if (current) opened.setRunning(0);
      return;
    }
    if (job.approved) note(t("done.approved", { name: job.source }));
    else if (job.why) note(t("done.look", { name: job.source, why: job.why }), { bad: true, ...show });
    else note(t(job.verdict === "ready" ? "done.ready" : "done.review"), job.verdict === "ready" ? {} : show);
    if (!current) return;
    list.spot(opened.medium?.id);
    const { place } = list;
    if (!await opened.fetch()) return;
    opened.running = 0;
    if (list.find(job.id)) return opened.open(job.id, { keepView: true });
    opened.medium = null;
    return opened.openAt(place);
  }

  #show() {
    this.draw();
    if (this.opened && !this.opened.medium) this.opened.clear();
  }

  draw() {
    const all = [...this.#uploads, ...this.#jobs];
    $("jobs").hidden = !all.length;
    // Of what came in since nothing was to be done.
    for (const job of all) this.#batch.add(/** @type {any} */ (job).number ?? job);
    if (!all.length) this.#batch.clear();
    const [done, total] = [this.#batch.size - all.length, this.#batch.size];
    draw($("jobs"),
      total > 1 && el("b", { key: "batch", "aria-live": "polite" }, t("jobs.batch", { done, total })),
      all.slice(0, SHOWN).map((job) => line(/** @type {any} */ (job))),
      all.length > SHOWN && el("span", { key: "more", class: "soft" }, `+ ${all.length - SHOWN}`));
  }

  /** @param {import("./api.js").Dropped[]} files */
  async add(files) {
    const queue = files.map((dropped) => ({ source: dropped.file.name, what: "upload", stage: "working", done: 0, total: dropped.file.size || 1, dropped }));
    const refused = [];
    this.#uploads.push(...queue);
    this.#show();
    // One after the other: the disk and the program take them so anyway.
    for (const item of queue) {
      try {
        const job = await upload(item.dropped, (done, total) => { Object.assign(item, { done, total }); this.draw(); });
        // The program may have told of it first, or be done with it.
        this.#batch.add(job.number);
        if (!this.#told?.has(job.number) && !this.#jobs.some(({ number }) => number === job.number)) this.#jobs.push(job);
      } catch (error) {
        if (error instanceof Gone) return end();
        const said = t("failed.added", { name: item.source, error: error instanceof Error ? error.message : String(error) });
        const how = error instanceof Refused ? error.how : "";
        if (how === "not-taken") refused.push(said);
        else if (how !== "skipped") note(said, { bad: true });
      } finally {
        this.#uploads.splice(this.#uploads.indexOf(item), 1);
        this.#batch.delete(item);
        this.draw();
      }
    }
    await this.poll();
    if (refused.length) {
      const said = refused.length === 1 ? refused[0] : n("untaken", refused.length);
      this.#refused(said, "not-taken");
    }
  }

  // Where the list of it can be looked at.
  /** @param {string} said @param {string} state */
  #refused(said, state) {
    note(said, { bad: true, action: t("untaken.show"), onAction: () => this.choose?.(state) });
  }

  /** Files and folders that are dropped on the page. */
  listen() {
    let inside = 0;
    const over = (/** @type {number} */ by) => {
      inside = Math.max(0, by ? inside + by : 0);
      $("drop").hidden = inside === 0;
    };
    addEventListener("dragenter", (event) => {
      if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
      event.preventDefault();
      over(1);
    });
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("dragleave", () => over(-1));
    addEventListener("drop", (event) => {
      event.preventDefault();
      over(0);
      if (event.dataTransfer) dropped(event.dataTransfer).then((files) => this.add(files)).catch(failed);
    });
  }
}

/** @param {Job} job */
function line(job) {
  const what = job.replaces ? "apply" : job.stage === "queued" ? "queued" : job.what || "loading";
  const value = job.total ? job.done : job.stage === "queued" ? 0 : null;
  const bar = el("progress", { key: value === null ? "unknown" : "known", max: job.total || 1, value, "aria-label": `${job.source}: ${t(`jobs.${what}`)}` });
  return el("div", {}, el("span", { key: "words", class: "line" }, el("span", {}, job.source), el("span", { class: "soft" }, t(`jobs.${what}`))), bar);
}

// Folders too: what is dropped is walked, one level after the other.
// What of it is skipped by rule is for the program to say, which has the rules.
/** @param {DataTransfer} transfer @returns {Promise<import("./api.js").Dropped[]>} */
async function dropped(transfer) {
  /** @type {any[]} */
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, within: "" }));
  /** @type {import("./api.js").Dropped[]} */
  const files = [];
  const walk = async (/** @type {any} */ entry) => {
    if (entry.isFile) files.push({ file: await new Promise((resolve, reject) => { entry.file(resolve, reject); }), within: entry.fullPath.slice(1, -entry.name.length) });
    else {
      const reader = entry.createReader();
      for (;;) {
        /** @type {any[]} */
        const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
        if (!some.length) break;
        for (const one of some) await walk(one);
      }
    }
  };
  for (const entry of entries) await walk(entry);
  return files;
}
