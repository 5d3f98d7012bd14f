// What a person changes about one picture, with undo. Rectangles are [x, y, w, h] in pixels of the picture, as drawn over.

import { cluster } from "./cluster.js";
import { about, cornersOf, sharesOf } from "./outline.js";

/** @typedef {{key: string, rect: import("./api.js").Rect, kind: string, by: string, shape: string, off: boolean, start: number, end: number | null, follow: number | null, score?: number, doubt?: number, ghost?: boolean, way?: any, origin?: any, shares?: import("./outline.js").Point[], alone?: boolean}} Place  an outline's corners as shares of its rectangle; whether the background is replaced for it alone */

/** @typedef {{crop: import("./api.js").Rect | null, keep_part: string[], cover: string, background: string, background_outline: import("./outline.js").Point[][], style: string, fill: string, purpose: string, max_side: number}} Shown  what is handed out, and how it is hidden: settings by their names */

const LEAST = 6; // pixels: smaller than this is a slip of the hand
const LEAST_CROP = 16; // as much as the program takes
const LEAST_CORNERS = 3;
const MOST_OUTLINES = 50; // as many as the program takes

/** How a place of a kind is drawn, unless the report says otherwise. */
export const shapeOf = (/** @type {string} */ kind) => (kind === "face" || kind === "mark" ? "ellipse" : "box");

/** Whether it hides what lies there; else it keeps it clear, or frames what is handed out. @param {{kind: string}} place */
export const hides = ({ kind }) => kind !== "keep" && !frames({ kind });
/** Whether it is about the whole medium: the crop, or an outline of what stays of it. @param {{kind: string}} place */
export const frames = ({ kind }) => kind === "crop" || kind === "outline";

let keys = 0;
const copy = (value) => JSON.parse(JSON.stringify(value));

export class Edits extends EventTarget {
  constructor(detail) {
    super();
    this.width = detail.width;
    this.height = detail.height;
    // A track goes where its thing goes: a person takes it off as a whole, or hides more.
    this.fixed = detail.type === "clip";
    const { edits } = detail;
    this.places = [
      ...detail.found.map((place) => this.#place({ ...place, by: "found", origin: place })),
      ...edits.dismiss.map((place) => this.#place({ ...place, by: "found", origin: place, off: true, ghost: true })),
      ...edits.regions.map((place, index) => this.#place({ ...place, by: "you", shape: shapeOf(place.kind), way: detail.ways?.[index] ?? null })),
      ...edits.keep.map((rect) => this.#place({ rect, kind: "keep", by: "you" })),
      ...edits.look.background_outline.map((points) => this.#outline(points)),
    ];
    this.mouth = edits.keep_mouth;
    /** What the output was made with; outlines, and a crop that is drawn now, are places. @type {Shown} */
    this.shown = { ...copy(edits.look), background_outline: [] };
    // Where the picture lies in its source: its corner, and how many of its pixels are one of the source's, both ways.
    /** @type {[number, number, number, number] | null} */
    this.placing = detail.placing;
    // Questions by their index to which somebody said that it may stay as it is: "hide" (it stays hidden) or "show".
    /** @type {Record<number, "hide" | "show">} */
    this.answers = {};
    this.selected = null;
    // The selected place alone, not what it is a piece of; of an outline, the corner that was moved last.
    Object.assign(this, { alone: false, held: 0 });
    this.past = [];
    this.future = [];
    this.first = this.#state();
    this.begun = JSON.stringify(this.instructions());
    this.begunLook = this.#look();
    if (detail.draft) this.#restore(detail.draft);
  }

  // What was drawn here before and not applied yet.
  #restore({ edits, answers }) {
    const same = (one, other) => one.kind === other.kind && one.rect.every((value, i) => Math.abs(value - other.rect[i]) < 0.01);
    const found = this.places.filter((place) => place.by === "found");
    for (const place of found) place.off = edits.dismiss.some((one) => same(one, place.origin));
    const ways = new Map(this.places.filter((place) => place.way).map((place) => [JSON.stringify([place.rect, place.kind, place.follow]), place.way]));
    this.places = [
      ...found,
      ...edits.regions.map((place) => this.#place({ ...place, by: "you", shape: shapeOf(place.kind), way: ways.get(JSON.stringify([place.rect, place.kind, place.follow])) ?? null })),
      ...edits.keep.map((rect) => this.#place({ rect, kind: "keep", by: "you" })),
      ...(edits.look?.background_outline ?? []).map((points) => this.#outline(points)),
    ];
    this.mouth = edits.keep_mouth;
    if (edits.look) {
      const { crop } = edits.look;
      const drawn = crop && this.placing && JSON.stringify(crop) !== JSON.stringify(this.shown.crop);
      if (drawn) this.places.push(this.#place({ rect: this.#fromSource(crop), kind: "crop", by: "you" }));
      this.shown = { ...edits.look, background_outline: [], crop: drawn ? this.shown.crop : crop };
    }
    this.answers = answers;
    this.past = [this.first];
  }

  #place(place) {
    keys += 1;
    return { key: `p${keys}`, off: false, start: 0, end: null, follow: null, shape: "box", ...place, origin: place.origin && copy(place.origin) };
  }

  #outline(points) {
    const rect = about(points);
    return this.#place({ rect, shares: sharesOf(points, rect), kind: "outline", by: "you", shape: "outline" });
  }

  #state() { return JSON.stringify({ places: this.places, mouth: this.mouth, shown: this.shown, answers: this.answers }); }
  #tell() { this.dispatchEvent(new Event("change")); }

  /** Whether there is something to apply: an answer that leaves all as it is, is nothing. */
  get dirty() { return this.#state() !== this.first && JSON.stringify(this.instructions()) !== this.begun; }

  /** Whether more or less is handed out, or it is hidden in another way: that is seen in a preview. */
  get framed() { return this.#look() !== this.begunLook; }
  #look() {
    const { look, keep_mouth } = this.instructions();
    return JSON.stringify([look, keep_mouth]);
  }

  // Call before a change that undo should take back as one.
  mark() {
    const state = this.#state();
    if (this.past.at(-1) !== state) this.past.push(state);
    this.future = [];
  }

  #jump(from, to) {
    while (from.length) {
      const state = from.pop();
      if (state === this.#state()) continue;
      to.push(this.#state());
      Object.assign(this, JSON.parse(state));
      if (!this.places.some((place) => place.key === this.selected)) this.selected = null;
      return this.#tell();
    }
  }
  undo() { this.#jump(this.past, this.future); }
  redo() { this.#jump(this.future, this.past); }
  get canUndo() { return this.past.some((state) => state !== this.#state()); }
  get canRedo() { return this.future.length > 0; }
  reset() { this.mark(); Object.assign(this, JSON.parse(this.first)); this.selected = null; this.#tell(); }

  get(key) { return this.places.find((place) => place.key === key); }
  select(key, { alone = false } = {}) {
    if (this.selected === key && this.alone === alone) return;
    Object.assign(this, { selected: key, alone });
    this.#tell();
  }

  /** The selected place with all that goes with it. */
  get chosen() {
    if (!this.selected) return [];
    const place = this.get(this.selected);
    if (!place) return [];
    return this.alone ? [place] : cluster(place, this.places);
  }

  /** @param {number} doubt @param {"hide" | "show"} answer  that it may stay as it is */
  answer(doubt, answer) {
    this.mark();
    this.answers = { ...this.answers, [doubt]: answer };
    this.#tell();
  }

  add(rect, kind, more = {}) {
    const clean = kind === "crop" ? this.#whole(rect) : this.#inside(rect);
    const least = kind === "crop" ? LEAST_CROP : LEAST;
    if (clean[2] < least || clean[3] < least) return null;
    this.mark();
    if (kind === "crop") this.places = this.places.filter((place) => place.kind !== "crop");
    const place = this.#place({ rect: clean, kind, by: "you", shape: shapeOf(kind), ...more });
    this.places.push(place);
    this.selected = place.key;
    this.#tell();
    return place;
  }

  /**
   * An outline of what stays; the background is replaced from then on.
   * @param {import("./outline.js").Point[]} points
   */
  outline(points) {
    const outlines = this.places.filter((place) => place.kind === "outline").length;
    if (points.length < LEAST_CORNERS || outlines >= MOST_OUTLINES) return null;
    const place = this.#outline(points.map((point) => this.#within(point)));
    if (place.rect[2] < LEAST || place.rect[3] < LEAST) return null;
    this.mark();
    if (this.shown.background === "keep") {
      this.shown = { ...this.shown, background: "plain" };
      place.alone = true;
    }
    this.places.push(place);
    this.selected = place.key;
    this.#tell();
    return place;
  }

  /** Put a corner elsewhere; null takes it off, and `more` puts another one half way to the next. */
  corner(key, index, point, more = false) {
    const place = this.get(key);
    const points = cornersOf(place.shares, place.rect);
    this.held = more ? index + 1 : point ? index : Math.max(0, index - 1);
    if (more) points.splice(index + 1, 0, points[index].map((value, side) => (value + points[(index + 1) % points.length][side]) / 2));
    else if (point) points[index] = this.#within(point);
    else if (points.length > LEAST_CORNERS) points.splice(index, 1);
    const rect = about(points);
    if (rect[2] < LEAST || rect[3] < LEAST) return;
    Object.assign(place, { rect, shares: sharesOf(points, rect) });
    this.#tell();
  }
  #within([x, y]) { return [Math.min(Math.max(x, 0), this.width), Math.min(Math.max(y, 0), this.height)]; }

  /** @param {string} background  with the room as it is, an outline would say nothing */
  room(background) {
    this.mark();
    this.shown = { ...this.shown, background };
    if (background === "keep") this.places = this.places.filter((place) => place.kind !== "outline");
    this.#tell();
  }

  // Moving what was found makes it the person's own; the found place itself is taken off.
  /** @param {string} key @param {number[]} rect @param {number | null} moment */
  set(key, rect, moment = null) {
    const place = this.get(key);
    if (!place || place.off || this.holds(place)) return;
    const resized = rect[2] !== place.rect[2] || rect[3] !== place.rect[3];
    place.rect = place.kind === "crop" ? this.#whole(rect, resized) : this.#inside(rect);
    // What is followed is followed from here; where it went before says nothing any more.
    if (place.follow !== null && moment !== null) place.follow = moment;
    place.way = null;
    this.#tell();
  }

  holds(place) { return this.fixed && place.by === "found"; }

  // When a place of a clip is hidden: seconds, to the end where that is null.
  during(key, start, end) {
    const place = this.get(key);
    if (!place || place.by !== "you") return;
    this.mark();
    const round = (value) => Math.round(value * 1e6) / 1e6;
    Object.assign(place, { start: round(start), end: end === null ? null : round(end), way: null });
    this.#tell();
  }

  // The moment from which a place of a clip is followed; null holds it where it is.
  follow(key, seconds) {
    const place = this.get(key);
    if (!place || place.by !== "you") return;
    this.mark();
    Object.assign(place, { follow: seconds, way: null });
    this.#tell();
  }

  kind(key, kind) {
    const place = this.get(key);
    if (!place || place.off || !hides(place) || this.holds(place)) return;
    this.mark();
    place.kind = kind;
    place.shape = shapeOf(kind);
    this.#tell();
  }

  toggle(key) {
    const place = this.get(key);
    if (place) this.#toggle([place], !place.off);
  }

  /** Take the selected place off with all that goes with it, or put it back. */
  toggleChosen() {
    const { chosen } = this;
    if (chosen.length) this.#toggle(chosen, !chosen[0].off);
  }

  /** @param {string} kind  all that was found of it is left visible, or hidden again */
  toggleKind(kind, off = true) { this.#toggle(this.places.filter((place) => place.by === "found" && place.origin.kind === kind && place.off !== off), off); }

  #toggle(places, off) {
    if (!places.length) return;
    this.mark();
    for (const place of places) {
      if (place.by === "you") {
        this.places = this.places.filter((other) => other !== place);
        // What replaced the background goes, and nobody had asked for that besides.
        if (place.alone && !this.places.some(({ kind }) => kind === "outline")) this.shown = { ...this.shown, background: "keep" };
        if (this.selected === place.key) this.selected = null;
      } else {
        place.off = off;
        if (off) Object.assign(place, { rect: [...place.origin.rect], kind: place.origin.kind });
      }
    }
    this.#tell();
  }

  get crop() { return this.places.find((place) => place.kind === "crop") ?? null; }
  /** Whether less than the whole source is handed out. */
  get cropped() { return Boolean(this.crop || this.shown.crop); }
  uncrop() {
    this.mark();
    this.places = this.places.filter((place) => place.kind !== "crop");
    this.shown = { ...this.shown, crop: null };
    this.#tell();
  }
  /** @param {import("./api.js").Rect} crop  of the source */
  cropTo(crop) { return this.placing ? this.add(this.#fromSource(crop), "crop") : null; }

  /** @param {Partial<Shown>} changes */
  show(changes) { this.mark(); this.shown = { ...this.shown, ...changes }; this.#tell(); }

  /** The faces of which a part can be kept. */
  get faces() { return this.places.filter((place) => place.kind === "face" && !place.off); }
  /** Whether a part stays in view: of this face, or of every one. @param {string} part @param {Place | null} face */
  keeps(part, face) {
    return (part === "mouth" && this.mouth && !face) || this.shown.keep_part.some((one) => (face ? this.#of(one, part, face) : one === part));
  }
  /** @param {string} part @param {boolean} on @param {Place | null} face  null: every one */
  keepPart(part, on, face) {
    const others = this.shown.keep_part.filter((one) => (face ? !this.#of(one, part, face) : one !== part));
    this.mark();
    if (part === "mouth" && !face) this.mouth = on;
    const [x, y] = face ? middle(face) : [0, 0];
    const one = face ? `${part}@${x},${y}` : part;
    this.shown = { ...this.shown, keep_part: on && (face || part !== "mouth") ? [...others, one] : others };
    this.#tell();
  }
  #of(one, part, face) {
    const [name, at] = one.split("@");
    if (name !== part || !at) return false;
    const [px, py] = at.split(",").map(Number);
    const [x, y, w, h] = where(face);
    return px >= x && px <= x + w && py >= y && py <= y + h;
  }

  #fromSource([x, y, w, h]) {
    const [left, top, across, down] = this.placing;
    return [(x - left) * across, (y - top) * down, w * across, h * down];
  }
  // In whole pixels, as it is cut.
  #toSource([x, y, w, h]) {
    const [left, top, across, down] = this.placing;
    const [a, b] = [Math.round(left + x / across), Math.round(top + y / down)];
    return [a, b, Math.max(1, Math.round(left + (x + w) / across) - a), Math.max(1, Math.round(top + (y + h) / down) - b)];
  }
  // A frame lies in the picture: what reaches beyond is cut off, or moved back with the rest.
  #whole([x, y, w, h], cut = true) {
    const round = (value) => Math.round(value * 10) / 10;
    const side = (at, length, most) => {
      const begin = Math.min(Math.max(at, 0), cut ? most - 1 : Math.max(0, most - length));
      return [round(begin), round(Math.min(cut ? at + length - begin : length, most - begin))];
    };
    const [[left, wide], [top, high]] = [side(x, w, this.width), side(y, h, this.height)];
    return [left, top, wide, high];
  }

  #inside([x, y, w, h]) {
    // A place may reach past the picture's edge, but some of it must lie in the picture.
    const side = [Math.max(1, w), Math.max(1, h)];
    return [
      Math.min(Math.max(x, 1 - side[0]), this.width - 1),
      Math.min(Math.max(y, 1 - side[1]), this.height - 1),
      ...side,
    ].map((value) => Math.round(value * 10) / 10);
  }

  #moved(place) { return place.kind !== place.origin.kind || place.rect.some((value, i) => Math.abs(value - place.origin.rect[i]) > 0.5); }

  // For the program: what to hide, what to leave, what to keep clear.
  instructions() {
    const plain = ({ rect, kind, start, end, follow }) => ({ rect, kind, start: start ?? 0, end: end ?? null, follow: follow ?? null });
    const regions = [];
    const dismiss = [];
    for (const place of this.places) {
      if (!hides(place)) continue;
      if (place.by === "you") regions.push(plain(place));
      else if (place.off) dismiss.push(plain(place.origin));
      else if (place.ghost || this.#moved(place)) {
        if (!place.ghost) dismiss.push(plain(place.origin));
        if (this.#moved(place)) regions.push(plain(place));
      }
    }
    const keep = this.places.filter((place) => place.kind === "keep").map((place) => place.rect);
    const { crop } = this;
    const tenths = (value) => Math.round(value * 10) / 10;
    const outlines = this.places.filter((place) => place.kind === "outline").map((place) => cornersOf(place.shares, place.rect).map((point) => point.map(tenths)));
    const look = { ...this.shown, background_outline: outlines, crop: crop && this.placing ? this.#toSource(crop.rect) : this.shown.crop };
    return { regions, dismiss, keep, keep_mouth: this.mouth, look };
  }
}

/** Where a face was found, in a clip where it is first. @param {Place} face @returns {import("./api.js").Rect} */
function where(face) {
  const first = face.origin?.path?.[0];
  return first ? [first[1], first[2], first[3] - first[1], first[4] - first[2]] : face.rect;
}
const middle = (/** @type {Place} */ face) => { const [x, y, w, h] = where(face); return [Math.round(x + w / 2), Math.round(y + h / 2)]; };
