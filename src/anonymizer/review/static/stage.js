// The picture: panes that show original and result, and the hand that moves, draws and resizes on them.

import { fill, make } from "./dom.js";
import { Outlining } from "./outline.js";
import { draw, resized } from "./overlay.js";
import { View } from "./view.js";
import { t } from "./words.js";

const READABLE = 60; // screen pixels of a place's longer side, to tell what it is
export const MODES = ["side", "slider", "original", "result"];

export class Stage extends EventTarget {
  constructor(root) {
    super();
    this.root = root;
    this.view = new View();
    this.mode = "side";
    this.tool = "move";
    this.kind = "face";
    this.split = 0.5;
    this.panes = [];
    this.edits = null;
    this.doubts = [];
    this.images = {};
    this.outlines = true;
    this.locked = false; // places may be chosen, not moved
    /** @type {any} */
    this.note = null;
    /** What applying would give, and where in the picture that lies. @type {{url: string, rect: import("./api.js").Rect} | null} */
    this.preview = null;
    this.shown = "side";
    this.space = false; // the key is down: the hand moves the picture
    this.outlining = new Outlining(this);
    /** @type {import("./film.js").Film | null} */
    this.film = null;
    new ResizeObserver(() => this.layout()).observe(root);
  }

  clear() {
    this.outlining.points = [];
    this.edits = null;
    this.doubts = [];
    this.images = {};
    this.film = null;
    this.preview = null;
    this.#panes();
  }

  /** @param {{width: number, height: number, images: any, edits: any, doubts: any[], keepView: boolean, film?: import("./film.js").Film | null}} shown */
  show({ width, height, images, edits, doubts, keepView, film = null }) {
    this.size = [width, height];
    this.images = images;
    this.edits = edits;
    this.doubts = doubts;
    this.film = film;
    if (!keepView) this.outlining.points = [];
    if (!keepView) this.view.fitted = true;
    this.#panes();
  }

  setMode(mode) { this.mode = mode; this.#panes(); this.#tell("mode"); }
  setTool(tool) {
    this.tool = tool;
    this.outlining.points = [];
    for (const pane of this.panes) pane.node.classList.toggle("drawing", tool !== "move");
    this.#tell("tool");
  }
  #tell(what) { this.dispatchEvent(new Event(what)); }

  message(node) { this.note = node; this.#message(); }
  #message() {
    this.root.querySelector(".message")?.remove();
    if (this.note) this.root.append(make("div", { class: "message" }, make("div", {}, this.note)));
  }

  #panes() {
    const has = (what) => Boolean(this.images[what]);
    let mode = this.mode;
    if (mode !== "result" && !has("original")) mode = "result";
    this.shown = mode;
    this.root.className = `stage ${mode}`;
    const wanted = { side: [["original"], ["result"]], slider: [["original", "result"]], original: [["original"]], result: [["result"]] }[mode];
    this.panes = this.images.result || this.images.original ? wanted.map((layers, index) => this.#pane(layers, index)) : [];
    fill(this.root, this.panes.map((pane) => pane.node));
    this.#message();
    this.layout();
  }

  #pane(layers, index) {
    const overlay = make("svg", { class: "overlay" });
    const picture = (what) => {
      const source = this.images[what];
      const node = source instanceof Element ? source : make("img", { src: source, draggable: "false" });
      if (node.tagName === "IMG") node.alt = t(`view.${what}`);
      else node.setAttribute("aria-label", t(`view.${what}`));
      node.setAttribute("class", "picture");
      return node;
    };
    const node = make("div", { class: `pane${this.tool === "move" ? "" : " drawing"}` });
    const pictures = layers.map(picture);
    const tag = this.#tag(layers.at(-1), layers.length === 2 ? "right" : "");
    const foreseen = layers.at(-1) === "result" ? make("img", { class: "picture foreseen", draggable: "false", alt: t("view.preview") }) : null;
    const pane = { node, overlay, pictures, index, layers, tag, foreseen };
    if (layers.length === 2) {
      // The original lies below; the result is cut off left of the border.
      pane.cut = make("div", { class: "clip" }, pictures[1]);
      pane.bar = make("div", { class: "split", role: "slider", tabindex: "0", "aria-label": t("split.label"), "aria-valuemin": "0", "aria-valuemax": "100" });
      pane.bar.addEventListener("keydown", (event) => this.#splitKey(event));
      node.append(pictures[0], pane.cut, overlay, pane.bar, this.#tag("original"), tag);
      this.#dragBar(pane);
    } else {
      node.append(pictures[0], overlay, tag);
    }
    this.#hand(pane);
    return pane;
  }

  #tag(what, css = "") { return make("span", { class: `tag ${css}` }, t(`view.${what}`)); }

  layout() {
    if (!this.panes.length) return;
    if (this.shown === "side") {
      // One above the other where that shows wide pictures larger.
      const { width, height } = this.root.getBoundingClientRect();
      const [w, h] = this.size;
      this.root.classList.toggle("stacked", Math.min(width / w, height / 2 / h) > Math.min(width / 2 / w, height / h));
    }
    const box = this.panes[0].node.getBoundingClientRect();
    if (!box.width || !box.height) return;
    this.view.size([box.width, box.height], this.size);
    this.render();
  }

  render() {
    const { scale, x, y } = this.view;
    for (const pane of this.panes) {
      for (const picture of pane.pictures) {
        // A picture that is shown before its size is right would jump: width and height come from the report.
        picture.style.width = `${this.size[0]}px`;
        picture.style.height = `${this.size[1]}px`;
        picture.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
        picture.classList.toggle("crisp", scale >= 4);
      }
      if (pane.foreseen) this.#foresee(pane);
      if (pane.bar) {
        const at = this.split * this.view.pane[0];
        pane.cut.style.clipPath = `inset(0 0 0 ${at}px)`;
        pane.bar.style.left = `${at}px`;
        pane.bar.setAttribute("aria-valuenow", String(Math.round(this.split * 100)));
      }
      draw(pane.overlay, {
        edits: this.edits, doubts: this.outlines ? this.#now() : [], view: this.view,
        begun: this.outlining.points, visible: (place) => this.#visible(place, pane.index), quiet: (place) => this.#quiet(place, pane.index), rectOf: (place) => this.rectOf(place), spoken: pane.index === 0,
        preview: pane.pictures.length === 1 && pane.layers[0] === "result" && this.images.original && this.edits?.dirty && !this.film && !this.preview
          ? { original: this.images.original, size: this.size, ghosts: (place) => place.ghost && place.off } : null,
      });
    }
    this.#tell("view");
  }

  // In place of the result, as long as there is one: beyond its edge there would be nothing.
  #foresee({ foreseen, pictures, tag }) {
    const { preview } = this;
    pictures.at(-1).style.visibility = preview ? "hidden" : "";
    tag.textContent = t(preview ? "view.preview" : "view.result");
    if (!preview) return foreseen.remove();
    if (!foreseen.isConnected) pictures.at(-1).after(foreseen);
    const [left, top, width, height] = preview.rect;
    const { scale, x, y } = this.view;
    if (foreseen.src !== preview.url) foreseen.src = preview.url;
    Object.assign(foreseen.style, { width: `${width}px`, height: `${height}px`, transform: `translate(${x + left * scale}px, ${y + top * scale}px) scale(${scale})` });
  }

  // Doubts of this moment, at their own numbers: a clip's show for a second around theirs.
  #now() {
    return this.doubts.map((doubt) => (this.film && Math.abs(doubt.seconds - this.film.seconds) > 0.5 ? { ...doubt, settled: true } : doubt));
  }

  // Where a place is now: in a clip it may move.
  rectOf(place) { return this.film ? this.film.rect(place) : place.rect; }
  get moment() { return this.film ? this.film.moment : null; }
  // What is drawn on a clip's frame goes with what it lies on, until somebody says that it stays.
  #more() { return this.film && this.tool === "hide" ? { follow: this.moment } : {}; }

  // Beside the original, the result is shown as it will be published; only what is chosen or new is outlined there.
  #visible(place, index) {
    if (this.film && !this.film.has(place)) return false;
    return !this.#quiet(place, index) || (place.by === "found" && !place.off);
  }

  // There to be chosen where it is seen, without an outline until the hand is over it.
  #quiet(place, index) {
    if (this.edits.chosen.some((one) => one.key === place.key)) return false;
    return !this.outlines || (index > 0 && place.by !== "you" && !place.off);
  }

  toggleOutlines() { this.outlines = !this.outlines; this.render(); this.#tell("tool"); }

  focusPlace(key) { this.panes[0]?.overlay.querySelector(`[data-key="${key}"]`)?.focus({ preventScroll: true }); }
  focusCorner(key, index) { this.panes[0]?.overlay.querySelector(`.corners[data-key="${key}"] [data-corner="${index}"]`)?.focus({ preventScroll: true }); }
  zoom(factor) { this.view.zoom(factor); this.render(); }
  fit() { this.view.fit(); this.render(); }
  /** Bring a place to where it can be judged; where it can already, all stays as it is. */
  approach(rect) {
    const [x, y, w, h] = this.view.toScreen(rect);
    const [wide, high] = this.view.pane;
    const inside = x >= 0 && y >= 0 && x + w <= wide && y + h <= high;
    if (inside && Math.max(w, h) >= READABLE) this.render();
    else this.reveal(rect);
  }
  reveal(rect) {
    this.view.show(rect);
    this.render();
    // On a narrow screen the reasons stand below the picture.
    this.root.scrollIntoView({ block: "nearest" });
  }

  // A place in the middle of what is in sight, for those who draw by keyboard.
  addInTheMiddle() {
    const [w, h] = this.view.pane;
    const [x, y] = this.view.toPicture(w / 2, h / 2);
    const side = Math.min(w, h) / (this.tool === "crop" || this.tool === "outline" ? 2 : 4) / this.view.scale;
    if (this.tool === "outline") return this.outlining.oval([x - side / 2, y - side / 2, side, side]);
    const place = this.edits.add([x - side / 2, y - side / 2, side, side], this.drawnKind, this.#more());
    this.#framed();
    if (place) this.focusPlace(place.key);
    return place;
  }
  get drawnKind() { return this.tool === "hide" || this.tool === "move" ? this.kind : this.tool; }
  /** A corner was set, or taken back; with points, the outline is whole. */
  outlined(points = null) {
    const place = points && this.edits.outline(points);
    if (points) this.setTool("move");
    this.render();
    if (place) this.focusPlace(place.key);
  }
  // There is one frame: once it is drawn, it is moved.
  #framed() { if (this.tool === "crop") this.setTool("move"); }

  #splitKey(event) {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.split = Math.min(1, Math.max(0, this.split + step));
    this.render();
  }

  #dragBar(pane) {
    pane.bar.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      pane.bar.setPointerCapture(event.pointerId);
      const box = pane.node.getBoundingClientRect();
      const move = (moved) => {
        this.split = Math.min(1, Math.max(0, (moved.clientX - box.left) / box.width));
        this.render();
      };
      pane.bar.addEventListener("pointermove", move);
      pane.bar.addEventListener("pointerup", () => pane.bar.removeEventListener("pointermove", move), { once: true });
    });
  }

  // Mouse, pen and fingers alike: one pointer draws, moves or pans, two zoom.
  #hand(pane) {
    const pointers = new Map();
    let act = null;
    const at = (event) => {
      const box = pane.node.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    pane.node.addEventListener("wheel", (event) => {
      event.preventDefault();
      const [x, y] = at(event);
      if (event.shiftKey) this.view.pan(-event.deltaY, 0);
      else this.view.zoom(Math.exp(-Math.max(-60, Math.min(60, event.deltaY)) * (event.ctrlKey ? 0.02 : 0.004)), x, y);
      this.render();
    }, { passive: false });

    pane.node.addEventListener("pointerdown", (event) => {
      if (event.target.closest(".split")) return;
      pointers.set(event.pointerId, at(event));
      pane.node.setPointerCapture(event.pointerId);
      if (pointers.size === 2) { act?.cancel?.(); act = this.#pinch(pointers); return; }
      if (pointers.size > 2) return;
      act = this.#begin(pane, event, at(event));
    });
    pane.node.addEventListener("pointermove", (event) => {
      if (!pointers.has(event.pointerId)) return;
      pointers.set(event.pointerId, at(event));
      act?.move?.(at(event));
    });
    const end = (event) => {
      if (!pointers.delete(event.pointerId)) return;
      if (event.type === "pointercancel") act?.cancel?.();
      else {
        // A quick finger is lifted at a place that no move has told of.
        act?.move?.(at(event));
        act?.end?.(at(event));
      }
      act = null;
      pane.node.classList.remove("panning");
    };
    pane.node.addEventListener("pointerup", end);
    pane.node.addEventListener("pointercancel", end);
    pane.node.addEventListener("auxclick", (event) => event.preventDefault());
  }

  #begin(pane, event, start) {
    const group = event.target.closest("[data-key]");
    const doubt = event.target.closest("[data-doubt]");
    const handle = event.target.dataset?.handle;
    if (event.button === 1 || this.space || !this.edits) return this.#panning(pane, start);
    if (event.button !== 0) return null;
    // What is drawn belongs to the frame that was seen.
    if (this.film && (this.tool !== "move" || group)) this.film.pause();
    // With Shift, a place is drawn without a tool.
    if (!this.locked && this.tool === "outline") return this.outlining.begin(pane, start);
    if (!this.locked && (this.tool !== "move" || event.shiftKey)) return this.#drawing(pane, start);
    if (doubt && !this.locked) { this.dispatchEvent(new CustomEvent("doubt", { detail: Number(doubt.dataset.doubt) })); return null; }
    if (!group) return this.#panning(pane, start, true);
    const place = this.edits.get(group.dataset.key);
    const corner = event.target.closest("[data-corner]")?.dataset.corner;
    if (corner !== undefined) return this.outlining.hold(place.key, Number(corner));
    const first = [...this.rectOf(place)];
    let marked = false;
    // Once more on what is chosen: this piece alone.
    const again = this.edits.selected === place.key && this.edits.chosen.length > 1;
    this.edits.select(place.key, { alone: again });
    return {
      move: ([x, y]) => {
        if (this.locked || place.off || this.edits.holds(place)) return;
        const [dx, dy] = [(x - start[0]) / this.view.scale, (y - start[1]) / this.view.scale];
        if (!marked && Math.hypot(x - start[0], y - start[1]) < 3) return;
        if (!marked) { this.edits.mark(); marked = true; }
        this.edits.set(place.key, handle === undefined ? [first[0] + dx, first[1] + dy, first[2], first[3]] : resized(first, Number(handle), dx, dy), this.moment);
      },
      cancel: () => { if (marked) this.edits.set(place.key, first, this.moment); },
    };
  }

  #panning(pane, start, click = false) {
    let last = start;
    let far = false;
    pane.node.classList.add("panning");
    return {
      move: ([x, y]) => {
        far ||= Math.hypot(x - start[0], y - start[1]) > 3;
        this.view.pan(x - last[0], y - last[1]);
        last = [x, y];
        this.render();
      },
      end: () => { if (click && !far) this.edits?.select(null); },
    };
  }

  #drawing(pane, start) {
    const kept = this.tool === "keep" || this.tool === "crop";
    const ghost = make("rect", { class: `ghost${kept ? " kept" : ""}`, x: start[0], y: start[1], width: 0, height: 0 });
    pane.overlay.append(ghost);
    const box = ([x, y]) => [Math.min(x, start[0]), Math.min(y, start[1]), Math.abs(x - start[0]), Math.abs(y - start[1])];
    return {
      move: (point) => {
        const [x, y, w, h] = box(point);
        Object.entries({ x, y, width: w, height: h }).forEach(([key, value]) => ghost.setAttribute(key, value));
      },
      end: (point) => {
        ghost.remove();
        const [x, y, w, h] = box(point);
        const [px, py] = this.view.toPicture(x, y);
        if (w >= 5 && h >= 5) this.edits.add([px, py, w / this.view.scale, h / this.view.scale], this.drawnKind, this.#more());
        this.#framed();
      },
      cancel: () => ghost.remove(),
    };
  }

  #pinch(pointers) {
    const centre = () => {
      const [a, b] = [...pointers.values()];
      return { x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, d: Math.hypot(a[0] - b[0], a[1] - b[1]) };
    };
    let last = centre();
    return {
      move: () => {
        if (pointers.size < 2) return;
        const now = centre();
        this.view.pan(now.x - last.x, now.y - last.y);
        this.view.zoom(now.d / Math.max(1, last.d), now.x, now.y);
        last = now;
        this.render();
      },
    };
  }
}
