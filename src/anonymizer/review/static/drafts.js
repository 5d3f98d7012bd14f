// @ts-check
// What is drawn and not applied is kept by the program a moment later: a reload, a crash or a closed tab loses nothing.

import { keep } from "./api.js";

const CALM = 600; // ms after the last change
/** @type {Map<string, {edits: import("./edits.js").Edits, timer: any}>} */
const waiting = new Map();
/** What the program has, by medium. @type {Map<string, string>} */
const held = new Map();

/** @param {import("./edits.js").Edits} edits */
const said = (edits) => (edits.dirty || Object.keys(edits.answers).length ? JSON.stringify({ edits: edits.instructions(), answers: edits.answers }) : "null");

/** How many of its drawings are on their way, by medium. @type {Map<string, number>} */
const sending = new Map();

/** The program told of this one, unless it is being told. @param {string} id @param {object | null} draft */
export const known = (id, draft) => { if (!sending.get(id)) held.set(id, draft ? "kept" : "null"); };

/** @param {string} id @param {import("./edits.js").Edits} edits */
export function later(id, edits) {
  clearTimeout(waiting.get(id)?.timer);
  waiting.set(id, { edits, timer: setTimeout(() => now(id), CALM) });
}

/** @param {string} id */
export function now(id) {
  const one = waiting.get(id);
  if (!one) return;
  clearTimeout(one.timer);
  waiting.delete(id);
  const draft = said(one.edits);
  if (held.get(id) === draft) return;
  held.set(id, draft);
  sending.set(id, (sending.get(id) || 0) + 1);
  // It may be gone by then: decided, or made anew.
  keep(id, `{"draft": ${draft}, "at": ${performance.timeOrigin + performance.now()}}`)
    .catch(() => held.delete(id))
    .finally(() => sending.set(id, (sending.get(id) || 1) - 1));
}

/** It is being applied: nothing of it is to be kept. @param {string} id */
export function forget(id) {
  clearTimeout(waiting.get(id)?.timer);
  waiting.delete(id);
}

/** The window goes. */
export const all = () => { for (const id of [...waiting.keys()]) now(id); };
