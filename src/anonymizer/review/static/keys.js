// @ts-check
// What the keys do, and the page that says so.

import { $, draw, el, icon } from "./dom.js";
import { ended, remember, remembered } from "./session.js";
import { t } from "./words.js";

/** @type {[what: string, ...caps: string[]][]} */
const ROWS = [
  ["approve", "A"], ["reject", "X"], ["skip", "S", "→"], ["back", "B", "←"], ["doubt", "N"], ["doubt.hide", "F"], ["doubt.show", "L"],
  ["hide", "H"], ["keep", "K"], ["crop", "C"], ["outline", "D"], ["move", "V"], ["grid", "G"], ["views", "1", "2", "3", "4"], ["outlines", "O"], ["zoom", "+", "−", "0"], ["play", "P", "␣"], ["frame", ",", "."],
  ["place", "Tab"], ["arrows", "←↑→↓"], ["resize", "Alt ←↑→↓"], ["delete", ""], ["undo", "Ctrl Z", "Ctrl Y"], ["apply", "Ctrl ↵"], ["help", "?"],
];
const VERDICTS = [["ready", "approve"], ["review", "look"], ["rejected", "reject"]];
const SEEK = [["face", "face"], ["text", "text"], ["body", "marking"], ["room", "grid"], ["rare", "look"], ["case", "keep"]]; // what no program can know
const DECIDING = /^[axs]$/i; // held down, these would decide about one medium after the other

export class Keys {
  #single = true; // keys without Ctrl

  /**
   * @param {import("./opened.js").Opened} opened
   * @param {import("./corrections.js").Corrections} corrections
   * @param {import("./decisions.js").Decisions} decisions
   * @param {import("./look.js").Look} look
   * @param {() => void} grid  show all at once, or one
   */
  constructor(opened, corrections, decisions, look, grid) {
    this.look = look;
    const { stage } = opened;
    this.opened = opened;
    this.corrections = corrections;
    this.decisions = decisions;
    /** @type {Record<string, () => void>} */
    this.single = {
      a: () => decisions.approve(), x: () => decisions.reject(), s: () => opened.step(1),
      ArrowRight: () => opened.step(1), ArrowLeft: () => opened.step(-1), b: () => opened.step(-1),
      v: () => stage.setTool("move"), h: () => corrections.tool("hide"), k: () => corrections.tool("keep"), c: () => corrections.tool("crop"), d: () => corrections.tool("outline"),
      p: () => opened.film?.toggle(), ",": () => opened.film?.step(-1), ".": () => opened.film?.step(1),
      g: grid, n: () => corrections.lookAtNext(), o: () => stage.toggleOutlines(), f: () => corrections.answer("hide"), l: () => corrections.answer("show"),
      1: () => stage.setMode("side"), 2: () => stage.setMode("slider"), 3: () => stage.setMode("original"), 4: () => stage.setMode("result"),
      "+": () => stage.zoom(1.25), "=": () => stage.zoom(1.25), "-": () => stage.zoom(0.8), 0: () => stage.fit(), "?": () => this.help(),
    };
  }

  listen() {
    this.#single = remembered("single-keys", "on") === "on";
    document.addEventListener("keydown", (event) => {
      if (!ended() && !document.querySelector("dialog[open]") && this.#press(event, /** @type {HTMLElement} */ (event.target))) event.preventDefault();
    });
    document.addEventListener("keyup", (event) => { if (event.key === " ") this.opened.stage.space = false; });
  }

  // Whether the key is ours; the browser does with the others what it always does.
  /** @param {KeyboardEvent} event @param {HTMLElement} target */
  #press(event, target) {
    const { corrections, decisions } = this;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey) return this.#pressWithCtrl(key, event.shiftKey, isTyping(target));
    if (isTyping(target)) {
      if (key === "Escape") target.blur();
      if (key !== "Enter" || !target.closest("#decide")) return false;
      decisions.approve();
      return true;
    }
    const corner = /** @type {HTMLElement | null} */ (target.closest?.(".corner"));
    if (corner && corrections.pressCorner(event, corner)) return true;
    const place = /** @type {HTMLElement | null} */ (target.closest?.(".region"));
    if (place?.dataset.key && corrections.press(event, place.dataset.key)) return true;
    if (place?.dataset.doubt && key === "Enter") { corrections.hideAt(Number(place.dataset.doubt)); return true; }
    if (event.altKey) return false;
    if ((this.#single || key === "Escape" || key.startsWith("Arrow")) && !event.repeat && !target.closest("[role=slider]") && this.look.press(key)) return true;
    return this.#pressOnStage(key, target) || this.#pressSingle(key, event.repeat, target);
  }

  /** @param {string} key @param {boolean} shift @param {boolean} typing */
  #pressWithCtrl(key, shift, typing) {
    const { corrections } = this;
    if (key === "Enter") this.decisions.applyOnly();
    else if (typing) return false;
    else if (key === "z" && !shift && this.opened.stage.outlining.takeBack()) return true;
    else if (key === "z") { if (shift) corrections.redo(); else corrections.undo(); }
    else if (key === "y") corrections.redo();
    else return false;
    return true;
  }

  /** @param {string} key @param {HTMLElement} target */
  #pressOnStage(key, target) {
    const { opened, corrections } = this;
    const { stage, edits, film } = opened;
    if (key === "Escape") { stage.setTool("move"); edits?.select(null); return false; }
    if (key === " " && target === document.body) {
      if (film) film.toggle();
      else stage.space = true;
      return true;
    }
    if (key === "Backspace" && stage.outlining.takeBack()) return true;
    if (key === "Enter" && stage.outlining.points.length) { stage.outlining.finish(); return true; }
    if (key === "Delete" || key === "Backspace") return corrections.toggleSelected();
    if (key === "Enter" && stage.tool !== "move" && edits && !target.closest("button, a, summary")) { stage.addInTheMiddle(); return true; }
    return false;
  }

  /** @param {string} key @param {boolean} repeat @param {HTMLElement} target */
  #pressSingle(key, repeat, target) {
    if (!this.#single || (repeat && DECIDING.test(key))) return false;
    if (target.closest("[role=slider], [type=range]") && key.startsWith("Arrow")) return false;
    const action = this.single[key];
    if (!action || !(this.opened.medium || key === "?")) return false;
    action();
    return true;
  }

  help() {
    draw($("help"),
      el("h2", { id: "help-title" }, t("help.title")),
      el("div", { class: "guide" }, VERDICTS.map(([state, sign]) => el("div", { class: `verdict ${state}` }, icon(sign), el("div", {}, t(`verdict.${state}`), el("small", {}, t(`help.${state}`)))))),
      el("h3", {}, t("help.seek")),
      el("ul", { class: "seek" }, SEEK.map(([what, sign]) => el("li", {}, icon(sign), el("span", {}, t(`help.seek.${what}`))))),
      el("h3", {}, t("help.keys")),
      el("dl", { class: "keys" }, ROWS.map(([what, ...caps]) => el("div", {},
        el("dt", {}, caps.map((cap) => el("kbd", {}, cap || t(`cap.${what}`)))), el("dd", {}, t(`key.${what}`))))),
      el("div", { class: "dialog-foot" },
        el("label", { class: "switch" },
          el("input", { type: "checkbox", id: "single", checked: this.#single, onchange: (/** @type {any} */ event) => this.#setSingle(event.target.checked) }), t("help.single")),
        el("button", { type: "button", class: "primary", onclick: () => $("help").close() }, t("help.close"))));
    $("help").showModal();
    $("help").scrollTop = 0;
  }

  /** @param {boolean} on */
  #setSingle(on) {
    this.#single = on;
    remember("single-keys", on ? "on" : "off");
  }
}

const isTyping = (/** @type {HTMLElement} */ target) => Boolean(target.closest("input:not([type=checkbox], [type=range]), textarea, select"));
