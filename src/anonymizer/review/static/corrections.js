// @ts-check
// What a person does about the open medium's places: look, hide, move, undo, and have it done.

import { post } from "./api.js";
import { current } from "./ask.js";
import { hides } from "./edits.js";
import { asked } from "./film.js";
import { cornersOf } from "./outline.js";
import { hideable, ofWhole, placeOf } from "./questions.js";
import { failed } from "./session.js";

/** @typedef {import("./edits.js").Place} Place */
/** @typedef {import("./api.js").Doubt} Doubt */

/** @type {Record<string, [number, number]>} */
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEP = 2; // screen pixels; with Shift BIG_STEP
const BIG_STEP = 12;
const LEAST = 4; // pixels of the picture, as small as a key makes a place

export class Corrections {
  /**
   * @param {import("./opened.js").Opened} opened
   * @param {(job: import("./api.js").Job) => void} begun  a job was given to the program
   */
  constructor(opened, begun) {
    this.opened = opened;
    this.begun = begun;
  }

  /** @param {Doubt} doubt */
  look(doubt) {
    const { doubts, film, stage } = this.opened;
    for (const other of doubts) other.shown = other === doubt;
    film?.seek(doubt.seconds);
    stage.reveal(doubt.rect);
    this.opened.draw();
  }

  lookAtNext() {
    const { doubts, openDoubts: open } = this.opened;
    const last = doubts.find((doubt) => doubt.shown)?.number ?? 0;
    const next = open.find((doubt) => doubt.number > last) ?? open[0];
    if (next) this.look(next);
  }

  /** @param {Doubt} doubt */
  hide(doubt) {
    const { edits, doubts, film } = this.opened;
    if (!hideable(doubt)) {
      this.look(doubt);
      const place = edits && placeOf(doubt, edits.places);
      if (place) edits.select(place.key);
      return;
    }
    edits?.add(doubt.rect, doubt.kind, { doubt: doubts.indexOf(doubt), ...(film ? { follow: doubt.seconds } : {}) });
  }

  /** Take off what is hidden where the question points. @param {Doubt} doubt */
  leave(doubt) {
    const { edits } = this.opened;
    const place = edits && placeOf(doubt, edits.places);
    if (place) edits.toggle(place.key);
  }

  /**
   * Answer the question that is asked, and go on to the next.
   * @param {"hide" | "show"} how
   */
  answer(how) {
    const { opened } = this;
    const { edits, doubts, editable, medium } = opened;
    const doubt = edits && editable && medium?.state === "review" ? current(opened) : null;
    if (!edits || !doubt || (how === "hide" && ofWhole(doubt))) return;
    const place = placeOf(doubt, edits.places);
    if (how === "hide" && hideable(doubt)) this.hide(doubt);
    else if (how === "show" && place) edits.toggle(place.key);
    else edits.answer(doubts.indexOf(doubt), how);
    doubt.shown = false;
    edits.select(null);
    const open = opened.openDoubts;
    const next = open.find((one) => one.number > doubt.number) ?? open[0];
    if (!next) return opened.draw();
    next.shown = true;
    opened.film?.seek(next.seconds);
    opened.stage.approach(next.rect);
    opened.draw();
  }

  /** @param {number} index  a doubt that was touched on the stage */
  hideAt(index) { if (this.opened.editable) this.hide(this.opened.doubts[index]); }

  /** @param {Place} place */
  pick(place) {
    const { edits, film, stage } = this.opened;
    edits?.select(place.key);
    if (film && !film.has(place)) film.seek(asked(place) ? place.follow : film.span(place)[0]);
    stage.reveal(stage.rectOf(place));
    this.opened.draw();
  }

  /** @param {string} kind  of the selected place, or of what is drawn next */
  kind(kind) {
    const { edits, stage } = this.opened;
    stage.kind = kind;
    const selected = edits?.selected && edits.get(edits.selected);
    if (edits && selected && hides(selected)) edits.kind(selected.key, kind);
    else stage.setTool("hide");
  }

  /** @param {string} tool */
  tool(tool) { if (this.opened.correctable) this.opened.stage.setTool(tool); }

  /** @param {string} kind  all that was found of it */
  showKind(kind) { if (this.opened.editable) this.opened.edits?.toggleKind(kind); }

  /** Frame what is about a part of the largest face, as the program finds it. @param {string} part */
  async cropTo(part) {
    const { opened } = this;
    const { medium, edits } = opened;
    if (!medium || !edits || !opened.editable) return;
    opened.preview.say("finding");
    try {
      const { crop } = await post(`media/${medium.id}/crop`, { part });
      opened.preview.say("");
      const place = opened.edits === edits ? edits.cropTo(crop) : null;
      if (place) opened.stage.reveal(place.rect);
    } catch (error) {
      opened.preview.say("");
      failed(error);
    }
  }

  undo() { if (!this.opened.running) this.opened.edits?.undo(); }
  redo() { if (!this.opened.running) this.opened.edits?.redo(); }
  reset() { this.opened.edits?.reset(); }

  /** Take the selected place off, or put it back; false where there is nothing to take. */
  toggleSelected() {
    const { edits, editable } = this.opened;
    if (!editable || !edits?.selected) return false;
    edits.toggleChosen();
    return true;
  }

  /**
   * A key that was pressed on a place; false where it means nothing there.
   * @param {KeyboardEvent} event
   * @param {string} key  of the place
   */
  press(event, key) {
    const { edits, stage, editable } = this.opened;
    const place = edits?.get(key);
    if (!edits || !place || !editable) return false;
    const move = MOVES[event.key];
    if (move) {
      const size = Math.max(1, Math.round((event.shiftKey ? BIG_STEP : STEP) / stage.view.scale));
      const [x, y, w, h] = stage.rectOf(place);
      const [dx, dy] = [move[0] * size, move[1] * size];
      if (!event.repeat) edits.mark();
      edits.select(key);
      edits.set(key, event.altKey ? [x, y, Math.max(LEAST, w + dx), Math.max(LEAST, h + dy)] : [x + dx, y + dy, w, h], stage.moment);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      if (edits.selected !== key) edits.select(key);
      edits.toggleChosen();
    } else if (event.key === "Enter" || event.key === " ") edits.select(key);
    else return false;
    return true;
  }

  /**
   * A key that was pressed on a corner of an outline; false where it means nothing there.
   * @param {KeyboardEvent} event
   * @param {HTMLElement} node
   */
  pressCorner(event, { dataset, parentElement }) {
    const { edits, stage, editable } = this.opened;
    const [key, index] = [parentElement?.dataset.key ?? "", Number(dataset.corner)];
    const place = edits?.get(key);
    if (!edits || !place?.shares || !editable) return false;
    const move = MOVES[event.key];
    const gone = event.key === "Delete" || event.key === "Backspace";
    if (!move && !gone && event.key !== "Enter") return false;
    if (!event.repeat) edits.mark();
    const size = Math.max(1, Math.round((event.shiftKey ? BIG_STEP : STEP) / stage.view.scale));
    const [x, y] = cornersOf(place.shares, place.rect)[index];
    if (move) edits.corner(key, index, [x + move[0] * size, y + move[1] * size]);
    else edits.corner(key, index, null, !gone);
    stage.focusCorner(key, edits.held);
    return true;
  }

  /**
   * Give the program what was drawn; the number of the job that applies it, 0 if none.
   * @param {{initials: string, note?: string, approve?: boolean}} said  who it is; with `approve`, what comes of it is let through
   */
  async apply(said) {
    const { opened } = this;
    const { medium, edits } = opened;
    if (!medium || !edits || !opened.editable) return 0;
    opened.given();
    opened.running = -1;
    try {
      const job = await post(`media/${medium.id}/apply`, { edits: edits.instructions(), ...said });
      this.begun(job);
      if (opened.medium === medium) opened.setRunning(job.number);
      return job.number;
    } catch (error) {
      if (opened.medium === medium) opened.running = 0;
      failed(error, "failed.apply");
      return 0;
    }
  }
}
