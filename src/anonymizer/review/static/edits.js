// What a person changes about one picture, with undo. Rectangles are [x, y, w, h] in pixels of the picture, as drawn over.

/** @typedef {{key: string, rect: import("./api.js").Rect, kind: string, by: string, shape: string, off: boolean, start: number, end: number | null, follow: number | null, score?: number, doubt?: number, ghost?: boolean, way?: any, origin?: any}} Place */

const LEAST = 6; // pixels: smaller than this is a slip of the hand

/** How a place of a kind is drawn, unless the report says otherwise. */
export const shapeOf = (/** @type {string} */ kind) => (kind === "face" || kind === "mark" ? "ellipse" : "box");

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
    ];
    this.mouth = edits.keep_mouth;
    this.selected = null;
    this.past = [];
    this.future = [];
    this.first = this.#state();
  }

  #place(place) {
    keys += 1;
    return { key: `p${keys}`, off: false, start: 0, end: null, follow: null, shape: "box", ...place, origin: place.origin && copy(place.origin) };
  }

  #state() { return JSON.stringify({ places: this.places, mouth: this.mouth }); }
  #tell() { this.dispatchEvent(new Event("change")); }

  get dirty() { return this.#state() !== this.first; }

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
  select(key) { if (this.selected !== key) { this.selected = key; this.#tell(); } }

  add(rect, kind, more = {}) {
    const clean = this.#inside(rect);
    if (clean[2] < LEAST || clean[3] < LEAST) return null;
    this.mark();
    const place = this.#place({ rect: clean, kind, by: "you", shape: shapeOf(kind), ...more });
    this.places.push(place);
    this.selected = place.key;
    this.#tell();
    return place;
  }

  // Moving what was found makes it the person's own; the found place itself is taken off.
  /** @param {string} key @param {number[]} rect @param {number | null} moment */
  set(key, rect, moment = null) {
    const place = this.get(key);
    if (!place || place.off || this.holds(place)) return;
    place.rect = this.#inside(rect);
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
    if (!place || place.off || place.kind === "keep" || this.holds(place)) return;
    this.mark();
    place.kind = kind;
    place.shape = shapeOf(kind);
    this.#tell();
  }

  toggle(key) {
    const place = this.get(key);
    if (!place) return;
    this.mark();
    if (place.by === "you") {
      this.places = this.places.filter((other) => other !== place);
      if (this.selected === key) this.selected = null;
    } else {
      place.off = !place.off;
      if (place.off) Object.assign(place, { rect: [...place.origin.rect], kind: place.origin.kind });
    }
    this.#tell();
  }

  setMouth(on) { this.mark(); this.mouth = on; this.#tell(); }

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
      if (place.kind === "keep") continue;
      if (place.by === "you") regions.push(plain(place));
      else if (place.off) dismiss.push(plain(place.origin));
      else if (place.ghost || this.#moved(place)) {
        if (!place.ghost) dismiss.push(plain(place.origin));
        if (this.#moved(place)) regions.push(plain(place));
      }
    }
    const keep = this.places.filter((place) => place.kind === "keep").map((place) => place.rect);
    return { regions, dismiss, keep, keep_mouth: this.mouth };
  }
}
