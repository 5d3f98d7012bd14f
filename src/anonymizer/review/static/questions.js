// @ts-check
// What a question asks for: a place in view to be hidden, or a place that is hidden to be left visible or not.

import { hides } from "./edits.js";

/** @typedef {import("./api.js").Doubt} Doubt */
/** @typedef {import("./api.js").Rect} Rect */
/** @typedef {import("./edits.js").Place} Place */

const SAME = 0.3; // intersection over union: what is drawn over is larger than the thing itself
const LATE = 0.1; // seconds

/** Whether hiding the place answers it; whether anything of the case is left to see is answered by looking alone. */
export const hideable = (/** @type {Doubt} */ { hidden, question }) => !hidden && question !== "nothing-left";

/** Whether "hide" or "show" answers it at all: of a picture as a whole it is only looked at. */
export const ofWhole = (/** @type {Doubt} */ { question }) => question.startsWith("nothing-left");

/**
 * How a question is settled: by a place that was drawn for it, by what was taken off, or by somebody's word.
 * @param {Doubt} doubt
 * @param {number} index
 * @param {import("./edits.js").Edits} edits
 * @returns {"" | "hide" | "show"}
 */
export function settledBy(doubt, index, edits) {
  if (edits.places.some((place) => place.doubt === index || (!doubt.hidden && place.by === "you" && hides(place) && covers(place.rect, doubt.rect) && during(place, doubt.seconds)))) return "hide";
  if (placeOf(doubt, edits.places)?.off) return "show";
  return edits.answers[index] ?? "";
}

/** @param {Rect} a @param {Rect} b */
const covers = ([x, y, w, h], [u, v, s, t]) => x <= u + 1 && y <= v + 1 && x + w >= u + s - 1 && y + h >= v + t - 1;

/**
 * The found place that a question is about, where what it asks of is hidden.
 * @param {Doubt} doubt
 * @param {Place[]} places
 * @returns {Place | null}
 */
export function placeOf(doubt, places) {
  if (!doubt.hidden || doubt.question.startsWith("nothing-left")) return null;
  let best = null;
  let most = SAME;
  for (const place of places) {
    if (place.by !== "found" || place.origin?.kind !== doubt.kind || !during(place, doubt.seconds)) continue;
    const share = overlap(at(place, doubt.seconds), doubt.rect);
    if (share > most) [best, most] = [place, share];
  }
  return best;
}

/** @param {Place} place @param {number | null} seconds */
const during = (place, seconds) => seconds === null || (place.start - LATE <= seconds && (place.end === null || seconds <= place.end + LATE));

// Where it was found, at that moment of a clip.
/** @param {Place} place @param {number | null} seconds @returns {Rect} */
function at(place, seconds) {
  /** @type {number[][] | null} */
  const path = place.origin.path;
  if (seconds === null || !path?.length) return place.origin.rect;
  const [, left, top, right, bottom] = path.reduce((near, one) => (Math.abs(one[0] - seconds) < Math.abs(near[0] - seconds) ? one : near));
  return [left, top, right - left, bottom - top];
}

/** @param {Rect} a @param {Rect} b  intersection over union */
function overlap([x, y, w, h], [u, v, s, t]) {
  const wide = Math.min(x + w, u + s) - Math.max(x, u);
  const high = Math.min(y + h, v + t) - Math.max(y, v);
  if (wide <= 0 || high <= 0) return 0;
  return (wide * high) / (w * h + s * t - wide * high);
}
