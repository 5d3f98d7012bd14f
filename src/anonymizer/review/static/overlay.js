// The places of a picture as outlines in screen coordinates: handles and lines keep their size at any zoom.

import { draw as drawIn, el } from "./dom.js";
import { frames, shapeOf } from "./edits.js";
import { cornersOf, holds, line } from "./outline.js";
import { hideable } from "./questions.js";
import { decimal, t } from "./words.js";

const GRIP = 13; // screen pixels about a handle in which it is taken hold of
const APART = 2 * GRIP; // screen pixels between corners that a hand, or a finger, can tell from each other
const HANDLES = [[0, 0, "nwse"], [0.5, 0, "ns"], [1, 0, "nesw"], [1, 0.5, "ew"], [1, 1, "nwse"], [0.5, 1, "ns"], [0, 1, "nesw"], [0, 0.5, "ew"]];

function outline(shape, [x, y, w, h], css, shares = []) {
  if (shape === "outline") return el("path", { class: css, d: line(cornersOf(shares, [x, y, w, h]), true) });
  if (shape === "ellipse") return el("ellipse", { class: css, cx: x + w / 2, cy: y + h / 2, rx: Math.max(1, w / 2), ry: Math.max(1, h / 2) });
  return el("rect", { class: css, x, y, width: Math.max(1, w), height: Math.max(1, h), rx: 2 });
}

const how = (place) => {
  if (place.off) return t("place.off");
  return place.by === "you" ? t("place.you") : t("place.found", { score: decimal(place.score ?? 1) });
};

// One pane is read out and takes the keyboard; in the other the same outlines are there for eyes and mouse alone.
export function draw(svg, { edits, doubts, view, visible, quiet, rectOf, spoken, preview = null, begun = [] }) {
  const shapes = preview ? foreseen(edits, view, preview) : [];
  const crop = edits?.crop;
  if (crop) shapes.push(el("path", { key: "cut", class: "cut", d: around(view.toScreen(crop.rect)) }));
  const chosen = new Set(edits?.chosen.map((place) => place.key));
  let number = 0;
  for (const place of edits?.places ?? []) {
    number += 1;
    if (!visible(place, spoken)) continue;
    const selected = place.key === edits.selected;
    const box = view.toScreen(rectOf(place));
    const css = ["region", frames(place) ? place.kind : place.kind === "keep" ? "kept" : place.off ? "off" : place.by === "you" ? "drawn" : "found"];
    if (chosen.has(place.key)) css.push("selected");
    if (quiet(place)) css.push("quiet");
    const kind = t(`place.${place.kind}`);
    const label = t("place.aria", { kind, number, how: how(place) });
    const spokenAs = spoken
      ? { tabindex: "0", role: "button", "aria-pressed": String(selected), "aria-label": label }
      : { "aria-hidden": "true" };
    shapes.push(el("g", { key: place.key, class: css.join(" "), "data-key": place.key, ...spokenAs },
      outline(place.shape, box, "under", place.shares), outline(place.shape, box, "over", place.shares),
      selected && chosen.size === 1 && !place.off && !edits.holds(place) && place.kind !== "outline" && handles(box, place.shape)));
    if (selected && place.kind === "outline") shapes.push(corners(place, cornersOf(place.shares, box), edits.held, spoken));
  }
  doubts.forEach((doubt, index) => {
    if (doubt.settled) return;
    const box = view.toScreen(doubt.rect);
    const spokenAs = spoken
      ? { tabindex: "0", role: "button", "aria-label": t(hideable(doubt) ? "place.doubt.aria" : "place.asked.aria", { number: doubt.number, what: t(`reason.${doubt.question}`) }) }
      : { "aria-hidden": "true" };
    const shape = shapeOf(doubt.kind);
    shapes.push(el("g", { key: `doubt ${index}`, class: `region doubt${doubt.shown ? " selected" : ""}${hideable(doubt) ? "" : " asked"}`, "data-doubt": String(index), ...spokenAs },
      outline(shape, box, "under"), outline(shape, box, "over"),
      el("text", { x: box[0] + box[2] / 2, y: Math.max(14, box[1] - 6), "text-anchor": "middle", "aria-hidden": "true" }, `${doubt.number} ?`)));
  });
  if (begun.length) shapes.push(el("g", { key: "begun", class: "begun" },
    el("path", { class: "ghost kept", d: line(begun.map(([x, y]) => view.toScreen([x, y, 0, 0]).slice(0, 2)), false) }),
    begun.map(([x, y]) => { const [cx, cy] = view.toScreen([x, y, 0, 0]); return el("circle", { class: "handle", cx, cy, r: 5 }); })));
  drawIn(svg, shapes);
}

// What applying will come to: the original where a place is taken off, a flat fill where one is drawn.
function foreseen(edits, view, { original, size, ghosts }) {
  const shown = (place) => {
    const [x, y, width, height] = view.toScreen(place.rect);
    const picture = el("image", { href: original, x: 0, y: 0, width: size[0], height: size[1] });
    return el("svg", { key: `seen ${place.key}`, x, y, width, height, viewBox: place.rect.join(" "), preserveAspectRatio: "none", overflow: "hidden" }, picture);
  };
  return (edits?.places ?? []).flatMap((place) => {
    if (frames(place)) return [];
    if (place.kind === "keep" || (place.by === "found" && place.off)) return ghosts(place) ? [] : [shown(place)];
    return place.by === "you" ? [el("g", { key: `filled ${place.key}`, "pointer-events": "none" }, outline(place.shape, view.toScreen(place.rect), "foreseen"))] : [];
  });
}

// The corners of an outline, each to be taken hold of by hand and by keyboard. Where they lie too close, zooming in
// brings out the others.
function corners({ key, shares }, points, held, spoken) {
  const of = shares.length;
  return el("g", { key: `corners ${key}`, class: "corners", "data-key": key }, holds(points, APART, held).map((index) => {
    const [cx, cy] = points[index];
    const spokenAs = spoken ? { tabindex: "0", role: "button", "aria-label": t("outline.corner", { number: index + 1, of }) } : { "aria-hidden": "true" };
    return el("g", { key: `corner ${index}`, class: "corner", "data-corner": String(index), ...spokenAs },
      el("circle", { class: "handle", cx, cy, r: 5 }), el("circle", { class: "grip", cx, cy, r: GRIP, cursor: "move" }));
  }));
}

// All but a rectangle.
const around = ([x, y, w, h]) => `M-9999 -9999H99999V99999H-9999ZM${x} ${y}V${y + h}H${x + w}V${y}Z`;

function handles([x, y, w, h], shape) {
  const dots = [];
  if (shape === "ellipse") dots.push(el("rect", { x, y, width: w, height: h, fill: "none", stroke: "rgb(255 255 255 / .6)", "stroke-dasharray": "3 4" }));
  // A finger takes hold of a small place by its middle, and of its handles from without.
  const [outX, outY] = [w, h].map((side) => Math.max(0, GRIP - side / 4));
  HANDLES.forEach(([u, v, way], index) => {
    if ((w < 36 && u === 0.5) || (h < 36 && v === 0.5)) return;
    const cx = x + w * u;
    const cy = y + h * v;
    dots.push(el("circle", { class: "handle", cx, cy, r: 5 }), el("circle", { class: "grip", cx: cx + (2 * u - 1) * outX, cy: cy + (2 * v - 1) * outY, r: GRIP, cursor: `${way}-resize`, "data-handle": String(index) }));
  });
  return dots;
}

// The rectangle that a handle dragged by (dx, dy) makes of the one at the start, never turned inside out.
export function resized([x, y, w, h], handle, dx, dy) {
  const [u, v] = HANDLES[handle];
  const box = [x, y, w, h];
  if (u === 0) { const d = Math.min(dx, w - 4); box[0] += d; box[2] -= d; }
  if (u === 1) box[2] = Math.max(4, w + dx);
  if (v === 0) { const d = Math.min(dy, h - 4); box[1] += d; box[3] -= d; }
  if (v === 1) box[3] = Math.max(4, h + dy);
  return box;
}
