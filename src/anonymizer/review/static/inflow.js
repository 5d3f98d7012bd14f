// @ts-check
// What comes in: under which names from now on, and what the watcher beside the page is doing with its inbox.

import { get, post } from "./api.js";
import { $, draw, el, icon } from "./dom.js";
import { note } from "./notes.js";
import { failed } from "./session.js";
import { n, t, time } from "./words.js";

const TEMPLATES = ["", "{number:03}", "{date}-{number:03}", "{case}-{number:03}", "{date}-{case}-{number:03}"];
const PAUSE = 250; // ms after the last letter

export class Inflow {
  /** @type {import("./api.js").Names} */
  names = { name: "", date: "", case: "", example: "" };
  /** @type {import("./api.js").Watcher | null} */
  watcher = null;
  #timer = 0;

  /** @param {(state: string) => Promise<void>} choose  open a tab */
  constructor(choose) {
    this.choose = choose;
  }

  /** The two buttons that say how it stands, wherever they are shown. @param {string} where */
  buttons(where) {
    const { watcher } = this;
    return [
      el("button", { key: `names-${where}`, type: "button", class: "quiet small", onclick: () => this.askNames() }, icon("text"),
        el("span", {}, this.names.example ? t("names.now", { example: this.names.example }) : t("names.now.random"))),
      watcher && el("button", { key: `watcher-${where}`, type: "button", class: `quiet small watcher ${watcher.doing}`, title: t(`watcher.${watcher.doing}`), onclick: () => this.showWatcher() }, icon("look"),
        el("span", {}, t(`watcher.${watcher.doing}`)), watcher.waiting > 0 && el("b", {}, watcher.waiting)),
    ];
  }

  draw() {
    draw($("below"), this.buttons("below"));
  }

  /** @param {import("./api.js").Watcher | null} watcher  what the program said last */
  hear(watcher) {
    const same = JSON.stringify(watcher) === JSON.stringify(this.watcher);
    this.watcher = watcher;
    if (!same) this.draw();
    return !same;
  }

  // The names of what is added from now on.
  askNames() {
    const box = $("names");
    const all = TEMPLATES.includes(this.names.name) ? TEMPLATES : [...TEMPLATES, this.names.name];
    /** @type {{name: string, date: string, case: string, example: string, error: string}} */
    const now = { ...this.names, error: "" };
    const given = () => ({ name: now.name, date: now.name.includes("{date}") ? now.date.trim() : "", case: now.name.includes("{case}") ? now.case.trim() : "" });
    const missing = () => Object.entries(given()).some(([key, value]) => now.name.includes(`{${key}}`) && !value);
    const rehearse = async () => {
      if (missing()) { Object.assign(now, { example: "", error: "" }); return paint(); }
      try {
        const { example, error } = await post("names/try", given());
        Object.assign(now, { example, error });
      } catch (error) {
        return failed(error);
      }
      paint();
    };
    const change = (/** @type {Partial<typeof now>} */ what, wait = PAUSE) => {
      Object.assign(now, what);
      clearTimeout(this.#timer);
      this.#timer = setTimeout(rehearse, wait);
      paint();
    };
    const field = (/** @type {"date" | "case"} */ key) => now.name.includes(`{${key}}`) && el("label", { key, class: "field" }, t(`names.${key}`),
      el("input", { type: "text", id: `names-${key}`, maxlength: "60", value: now[key], autocomplete: "off", spellcheck: false, placeholder: t(`names.${key}.hint`), "aria-describedby": "names-said", oninput: (/** @type {any} */ event) => change({ [key]: event.target.value }) }));
    const paint = () => draw(box, el("form", {
      novalidate: true,
      onsubmit: async (/** @type {Event} */ event) => {
        event.preventDefault();
        clearTimeout(this.#timer);
        if (missing()) return;
        try {
          this.names = await post("names", given());
          box.close();
          this.draw();
          note(this.names.example ? t("names.done", { example: this.names.example }) : t("names.done.random"));
        } catch (error) {
          Object.assign(now, { example: "", error: error instanceof Error ? error.message : String(error) });
          paint();
        }
      },
    },
      el("h2", { id: "names-title" }, t("names.title")),
      el("p", { class: "soft" }, t("names.text")),
      el("label", { class: "field wide" }, t("names.which"), el("select", { id: "names-template", onchange: (/** @type {any} */ event) => change({ name: event.target.value }, 0) },
        all.map((one) => el("option", { value: one, selected: one === now.name }, worded(one))))),
      field("date"), field("case"),
      el("p", { id: "names-said", role: "status", class: now.error ? "error" : "path" }, now.error || (now.example ? t("names.example", { example: now.example }) : now.name ? t("names.missing") : t("names.example.random"))),
      el("p", { class: "soft" }, t(now.name.includes("{case}") ? "names.public" : "names.keep")),
      el("div", { class: "dialog-foot end" },
        el("button", { type: "button", onclick: () => box.close() }, t("release.cancel")),
        el("button", { type: "submit", class: "primary", id: "names-go", disabled: missing() || Boolean(now.error) }, t("names.go")))));
    paint();
    box.showModal();
  }

  async showWatcher() {
    const box = $("watcher");
    /** @type {any} */
    let found;
    try {
      found = await get("watcher");
    } catch (error) {
      return failed(error);
    }
    if (!found) return;
    draw(box,
      el("h2", { id: "watcher-title" }, t("watcher.title")),
      el("p", { key: "state" }, t(`watcher.${found.doing}.text`, { when: time(found.since) })),
      found.said && el("p", { key: "said", class: "error" }, found.said),
      found.inboxes.map((/** @type {string} */ path) => el("p", { key: path, class: "path" }, path)),
      found.files.length > 0 && el("h3", { key: "head" }, n("watcher.waiting", found.files.length)),
      found.files.length > 0 && el("ul", { key: "files", class: "history" }, found.files.map((/** @type {{name: string, reason: string, since: string}} */ one) =>
        el("li", { key: one.name }, el("strong", {}, one.name), el("div", { class: "soft" }, `${one.reason} (${time(one.since)})`)))),
      !found.files.length && found.doing !== "stopped" && el("p", { key: "none", class: "soft" }, t("watcher.none")),
      el("div", { key: "foot", class: "dialog-foot end" },
        this.untaken > 0 && el("button", { key: "untaken", type: "button", onclick: () => { box.close(); this.choose("not-taken"); } }, n("watcher.untaken", this.untaken)),
        el("button", { key: "close", type: "button", class: "primary", onclick: () => box.close() }, t("help.close"))));
    box.showModal();
  }

  untaken = 0;
}

/** A template in words. @param {string} template */
const worded = (template) => {
  const key = TEMPLATES.indexOf(template);
  return key < 0 ? template : t(`names.form.${key}`);
};
