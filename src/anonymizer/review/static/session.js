// @ts-check
// The talk with the program as a whole: whether it is there, and what went wrong. And what a browser may remember, which
// is nothing about anybody's pictures.

import { Gone, Refused } from "./api.js";
import { $ } from "./dom.js";
import { note } from "./notes.js";
import { t } from "./words.js";

let over = false;
export const ended = () => over;

export function end() {
  if (over) return;
  over = true;
  $("help").close();
  $("ended").showModal();
}

/**
 * Say what went wrong; where the program is gone, that.
 * @param {any} error
 * @param {string} key
 */
export function failed(error, key = "failed.try") {
  if (error instanceof Gone) return end();
  if (!(error instanceof Refused)) console.error(error);
  note(t(key, { error: error.message }), { bad: true });
}

/** @param {string} key @param {string} otherwise */
export const remembered = (key, otherwise) => { try { return localStorage.getItem(key) ?? otherwise; } catch { return otherwise; } };
/** @param {string} key @param {string} value */
export const remember = (key, value) => { try { localStorage.setItem(key, value); } catch { /* private windows have no store */ } };
