// @ts-check
// What a place is a piece of: found pieces of one kind that lie close together, as the boxes of a logo do.

/** @typedef {import("./edits.js").Place} Place */
/** @typedef {import("./api.js").Rect} Rect */

const TEXTUAL = new Set(["text", "code", "mark"]); // what comes in pieces; two faces side by side are two persons
const NEAR = 0.6; // of the lower piece's height, between two pieces of one thing

/** @param {Place} first @param {Place[]} places @returns {Place[]} */
export function cluster(first, places) {
  if (first.by !== "found" || !TEXTUAL.has(first.kind)) return [first];
  const others = new Set(places.filter((place) => place.by === "found" && place.kind === first.kind && place.off === first.off && place.key !== first.key));
  const group = [first];
  for (const one of group) {
    for (const other of [...others]) {
      if (!near(one.rect, other.rect)) continue;
      others.delete(other);
      group.push(other);
    }
  }
  return group;
}

// Pieces of one thing: as far from each other as letters of one line, or lines of one block, are.
/** @param {Rect} a @param {Rect} b */
function near([x, y, w, h], [u, v, s, t]) {
  const gap = NEAR * Math.min(h, t, Math.max(w, s));
  return Math.max(x, u) - Math.min(x + w, u + s) < gap && Math.max(y, v) - Math.min(y + h, v + t) < gap;
}
