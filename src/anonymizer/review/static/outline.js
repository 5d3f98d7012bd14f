// @ts-check
// Outlines that are drawn by hand about what stays of a picture, and the hand that draws them: in one line, or corner by
// corner. Corners are kept as shares of the rectangle about them, so that no moving and resizing wears them off.

import { make } from "./dom.js";

/** @typedef {[number, number]} Point */
/** @typedef {import("./api.js").Rect} Rect */

const SMOOTH = 1.5; // screen pixels that a corner may lie beside the line that the hand drew
const STEP = 3; // screen pixels from one point of that line to the next
const CLICK = 5; // screen pixels that a hand trembles in a click
const CLOSES = 14; // screen pixels from the first corner
const OVAL = 12; // corners of one that is put into the middle

/** @param {Point[]} points @returns {Rect} */
export function about(points) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return [x, y, Math.max(...xs) - x, Math.max(...ys) - y];
}

/** @param {Point[]} points @param {Rect} rect @returns {Point[]} */
export const sharesOf = (points, [x, y, w, h]) => points.map(([a, b]) => [(a - x) / w, (b - y) / h]);
/** @param {Point[]} shares @param {Rect} rect @returns {Point[]} */
export const cornersOf = (shares, [x, y, w, h]) => shares.map(([a, b]) => [x + a * w, y + b * h]);

/** @param {Point[]} points @param {boolean} closed */
export const line = (points, closed) => `M${points.map((point) => point.join(" ")).join("L")}${closed ? "Z" : ""}`;

// Douglas and Peucker: the corners from which no point of the line is farther than that.
/** @param {Point[]} points @param {number} far @returns {Point[]} */
function fewer(points, far) {
  const [first, last] = [points[0], points[points.length - 1]];
  let [most, at] = [0, 0];
  points.forEach((point, index) => {
    const off = beside(point, first, last);
    if (off > most) [most, at] = [off, index];
  });
  if (most <= far) return [first, last];
  return [...fewer(points.slice(0, at + 1), far).slice(0, -1), ...fewer(points.slice(at), far)];
}

/** @param {Point} point @param {Point} a @param {Point} b  how far it is from the line between the two */
function beside([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const share = length ? Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length)) : 0;
  return Math.hypot(x - ax - share * dx, y - ay - share * dy);
}

/** The corners of an outline that are far enough from each other to be taken hold of, the one that was held last among them.
 * @param {Point[]} points @param {number} apart @param {number} last */
export function holds(points, apart, last) {
  const kept = last < points.length ? [last] : [];
  points.forEach((point, index) => {
    if (kept.every((other) => Math.hypot(point[0] - points[other][0], point[1] - points[other][1]) >= apart)) kept.push(index);
  });
  return kept.sort((a, b) => a - b);
}

/** The hand: corners that are set so far, in pixels of the picture. */
export class Outlining {
  /** @type {Point[]} */
  points = [];

  /** @param {any} stage */
  constructor(stage) { this.stage = stage; }

  /** A pointer was put down: a line if it moves, else a corner. @param {any} pane @param {Point} start */
  begin(pane, start) {
    const { view } = this.stage;
    /** @type {Point[]} */
    const stroke = [start];
    const far = (/** @type {Point} */ a, /** @type {Point} */ b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
    const trace = make("path", { class: "ghost kept" });
    pane.overlay.append(trace);
    return {
      move: (/** @type {Point} */ point) => {
        const last = stroke[stroke.length - 1];
        if (far(point, last) < (stroke.length > 1 ? STEP : CLICK)) return;
        stroke.push(point);
        trace.setAttribute("d", line(stroke, false));
      },
      end: (/** @type {Point} */ point) => {
        trace.remove();
        if (stroke.length > 1) return this.#drawn(stroke);
        const set = this.points.map(([x, y]) => view.toScreen([x, y, 0, 0]).slice(0, 2));
        if (set.length > 2 && (far(point, set[0]) < CLOSES || far(point, set[set.length - 1]) < CLICK)) return this.finish();
        this.points.push(view.toPicture(...point));
        this.stage.outlined();
      },
      cancel: () => trace.remove(),
    };
  }

  // One line is a whole outline; after corners it goes on from the last of them.
  /** @param {Point[]} stroke */
  #drawn(stroke) {
    const { view } = this.stage;
    const alone = !this.points.length;
    this.points.push(...fewer(stroke, SMOOTH).map((point) => view.toPicture(...point)));
    if (alone) this.finish();
    else this.stage.outlined();
  }

  /** A corner of one that is there is moved. @param {string} key @param {number} index */
  hold(key, index) {
    const { edits, view } = this.stage;
    let marked = false;
    return {
      move: (/** @type {Point} */ point) => {
        if (this.stage.locked) return;
        if (!marked) edits.mark();
        marked = true;
        edits.corner(key, index, view.toPicture(...point));
      },
      cancel: () => { if (marked) edits.undo(); },
    };
  }

  /** One for those who draw by keyboard. @param {Rect} rect */
  oval([x, y, w, h]) {
    this.points = Array.from({ length: OVAL }, (_, k) => {
      const turn = (2 * Math.PI * k) / OVAL;
      return [x + (w / 2) * (1 + Math.cos(turn)), y + (h / 2) * (1 + Math.sin(turn))];
    });
    this.finish();
  }

  /** Close it. */
  finish() {
    const { points } = this;
    this.points = [];
    this.stage.outlined(points);
  }

  /** The last corner is taken back; false where there is none. */
  takeBack() {
    if (!this.points.pop()) return false;
    this.stage.outlined();
    return true;
  }
}
