// A clip: original and result on one clock, the bar below them with every track, and the time that a place is hidden.

import { blob, get } from "./api.js";
import { $, draw, el, fill, make, makeIcon } from "./dom.js";
import { frames, hides } from "./edits.js";
import { language, name, t } from "./words.js";

export function clock(seconds) {
  const tenths = Math.max(0, Math.round(seconds * 10));
  const mark = new Intl.NumberFormat(language).format(1.5).charAt(1);
  return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}${mark}${tenths % 10}`;
}

// Seconds: reports round times to the millisecond.
const CLOSE = 0.0006;

export const asked = (place) => place.follow !== null && place.follow !== undefined && !place.way;

export class Film extends EventTarget {
  constructor(medium) {
    super();
    this.medium = medium;
    this.frames = Math.max(1, medium.frames);
    this.length = Math.max(0.001, medium.duration || 0.001);
    // When each frame is shown; evenly, until the program has said.
    this.times = Float64Array.from({ length: this.frames }, (_, frame) => (frame * this.length) / this.frames);
    this.frame = 0;
    this.playing = false;
    const video = (what) => {
      const node = make("video", { src: `api/media/${medium.id}/${what}?${medium.version}`, preload: "auto", playsinline: true });
      node.muted = true;
      return node;
    };
    this.result = video("result");
    this.original = video("film");
  }

  get seconds() { return this.times[this.frame]; }
  // Well within the frame that is shown: its borders are rounded differently by each reader.
  get moment() { return Math.round(this.#within(0.4) * 1e6) / 1e6; }
  #within(share) {
    const next = this.times[this.frame + 1] ?? this.length;
    return this.seconds + share * (next - this.seconds);
  }
  // The frame that is shown at this moment.
  at(seconds) {
    let [low, high] = [0, this.frames - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.times[middle] <= seconds + CLOSE) low = middle;
      else high = middle - 1;
    }
    return low;
  }
  has(place) {
    // What is to be followed and was not yet: nobody knows where it is at other moments.
    if (asked(place)) return Math.abs(place.follow - this.moment) < 0.25;
    const [start, end] = this.span(place);
    return start <= this.seconds + CLOSE && end >= this.seconds - CLOSE;
  }
  span(place) {
    const { start, end } = place.way ?? place;
    return [start ?? 0, Math.min(end ?? this.length, this.length)];
  }
  // Where a place is at this moment, on the straight line between the two known ones around it.
  rect(place) {
    const path = place.way?.path ?? (place.by === "found" ? place.path : null);
    if (!path?.length) return place.rect;
    const after = path.findIndex(([seconds]) => seconds >= this.seconds);
    const next = path[after < 0 ? path.length - 1 : after];
    const last = path[Math.max(0, (after < 0 ? path.length : after) - 1)];
    const share = next[0] > last[0] ? Math.min(1, Math.max(0, (this.seconds - last[0]) / (next[0] - last[0]))) : 0;
    const [x, y, right, bottom] = [1, 2, 3, 4].map((i) => last[i] + share * (next[i] - last[i]));
    return [x, y, right - x, bottom - y];
  }

  // Both can be shown. Where the browser does not know the original's codec, its frames come from the program.
  async load() {
    const loaded = (node) => new Promise((resolve, reject) => {
      if (node.readyState >= 2) resolve();
      node.addEventListener("loadeddata", resolve, { once: true });
      node.addEventListener("error", () => reject(new Error(node.error?.message || "video")), { once: true });
    });
    const [result, original] = await Promise.allSettled([loaded(this.result), loaded(this.original), this.#times()]);
    if (result.status === "rejected") throw result.reason;
    if (original.status === "rejected" || !this.original.videoWidth) await this.#byFrames();
    this.result.addEventListener("ended", () => this.pause());
  }

  // Steps between frames as count, step, count, step …; a file that does not tell them failed its check, and is shown.
  async #times() {
    let told;
    try {
      told = await get(`media/${this.medium.id}/times`);
    } catch (error) {
      return console.error(error);
    }
    const times = [0];
    for (let i = 0; i < told.runs.length; i += 2) for (let n = 0; n < told.runs[i]; n += 1) times.push(times.at(-1) + told.runs[i + 1]);
    if (times.length === this.frames) this.times = Float64Array.from(times, (ticks) => ticks / told.ticks);
  }

  async #byFrames() {
    this.original.removeAttribute("src");
    const image = make("img", { draggable: "false" });
    const shown = this.#image(image);
    this.original = image;
    await shown;
  }

  // The frame wanted last wins; in between as many are shown as there is time for.
  async #image(image) {
    if (this.fetching) { this.again = true; return; }
    this.fetching = true;
    try {
      do {
        this.again = false;
        const url = URL.createObjectURL(await blob(`media/${this.medium.id}/frame/${Math.round(this.moment * 1000)}`));
        const old = image.src;
        image.src = url;
        await image.decode().catch(() => {});
        if (old) URL.revokeObjectURL(old);
      } while (this.again);
    } finally {
      this.fetching = false;
    }
  }

  close() {
    this.pause();
    for (const node of [this.result, this.original]) {
      if (node.tagName === "VIDEO") { node.removeAttribute("src"); node.load(); }
      else if (node.src) URL.revokeObjectURL(node.src);
    }
    this.closed = true;
  }

  #tell() { this.dispatchEvent(new Event("time")); }

  // The middle of a frame: its borders are rounded differently by each player.
  #show(node) {
    if (node.tagName === "VIDEO") node.currentTime = this.#within(0.5);
    else this.#image(node).catch((error) => this.dispatchEvent(new CustomEvent("lost", { detail: error })));
  }

  seek(seconds) { this.goto(this.at(seconds)); }
  goto(frame) {
    this.pause();
    this.frame = Math.min(this.frames - 1, Math.max(0, frame));
    this.#show(this.result);
    this.#show(this.original);
    this.#tell();
  }
  step(by) { this.goto(this.frame + by); }

  toggle() { return this.playing ? this.pause() : this.play(); }
  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.result.pause();
    if (this.original.tagName === "VIDEO") this.original.pause();
    this.goto(this.frame);
  }
  play() {
    if (this.frame >= this.frames - 1) this.goto(0);
    this.playing = true;
    const begun = [this.result, this.original].filter((node) => node.tagName === "VIDEO").map((node) => node.play());
    Promise.all(begun).catch(() => this.pause());
    const tick = () => {
      if (!this.playing || this.closed) return;
      this.frame = this.at(this.result.currentTime);
      if (this.original.tagName !== "VIDEO") this.#show(this.original);
      else if (Math.abs(this.original.currentTime - this.result.currentTime) > 0.15) this.original.currentTime = this.result.currentTime;
      this.#tell();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    this.#tell();
  }
}

// The bar: made once per clip, so that what is held by mouse or keyboard stays.
export class FilmBar {
  /**
   * @param {Film} film
   * @param {import("./edits.js").Edits} edits
   * @param {{pick: (place: any) => void, editable: () => boolean}} act
   */
  constructor(film, edits, { pick, editable }) {
    this.film = film;
    this.edits = edits;
    this.pick = pick;
    this.editable = editable;
    const button = (id, label, onclick, key) => {
      const node = make("button", { type: "button", class: "icon", id: `film-${id}`, onclick }, makeIcon(id));
      name(node, `${t(label)} (${key})`);
      return node;
    };
    this.toggle = button("play", "clip.play", () => film.toggle(), "P");
    this.scrub = make("input", { type: "range", id: "scrub", min: "0", max: String(film.frames - 1), step: "1", value: "0", "aria-label": t("clip.time"), oninput: () => film.goto(Number(this.scrub.value)) });
    this.time = make("span", { class: "clock" });
    this.rows = make("div", { class: "tracks", role: "group", "aria-label": t("clip.tracks") });
    this.range = make("div", { class: "range", hidden: true });
    fill($("film"), make("div", { class: "transport" },
      button("back", "clip.back", () => film.step(-1), ","), this.toggle, button("forward", "clip.forward", () => film.step(1), "."), this.time, this.scrub), this.rows, this.range);
    $("film").hidden = false;
    film.addEventListener("time", () => this.tick());
    this.draw();
    this.tick();
  }

  tick() {
    const { film } = this;
    this.scrub.value = String(film.frame);
    this.scrub.setAttribute("aria-valuetext", `${clock(film.seconds)}`);
    this.time.textContent = `${clock(film.seconds)} / ${clock(film.length)}`;
    const label = t(film.playing ? "clip.pause" : "clip.play");
    if (!this.toggle.title.startsWith(label)) {
      fill(this.toggle, makeIcon(film.playing ? "pause" : "play"));
      name(this.toggle, `${label} (P)`);
    }
  }

  // One row for each place; by frames, as the slider above goes.
  draw() {
    const { film, edits } = this;
    draw(this.rows, edits.places.map((place, index) => {
      if (frames(place)) return null;
      const [start, end] = film.span(place);
      const css = place.kind === "keep" ? "kept" : place.off ? "off" : place.by === "you" ? `drawn${asked(place) ? " asked" : ""}` : "found";
      const first = film.at(start);
      const width = Math.max(0.6, (100 * (film.at(end) + 1 - first)) / film.frames);
      const said = `${t(`place.${place.kind}`)} ${index + 1}`;
      const when = asked(place) ? t("place.follows") : t("clip.range", { start: clock(start), end: clock(end) });
      return el("button", { key: place.key, type: "button", class: "track", "aria-pressed": String(place.key === edits.selected), "aria-label": `${said}: ${when}`, onclick: () => this.pick(place) },
        el("span", {}, said), el("span", { class: "lane" }, el("i", { class: css, style: `left: ${(100 * first) / film.frames}%; width: ${width}%` })));
    }));
    this.rows.querySelector("[aria-pressed=true]")?.scrollIntoView({ block: "nearest" });
    this.#range();
  }

  #range() {
    const { film, edits } = this;
    const place = edits.selected && edits.get(edits.selected);
    const shown = Boolean(place && place.by === "you" && hides(place) && this.editable());
    this.range.hidden = !shown;
    if (!shown) return;
    const way = (id, on) => el("button", { type: "button", class: "small", id: `way-${id}`, "aria-pressed": String(on), title: t(`clip.${id}.hint`), onclick: () => edits.follow(place.key, id === "follow" ? film.moment : null) }, t(`clip.${id}`));
    const follows = place.follow !== null;
    const [start, end] = film.span(place);
    const limit = (which) => {
      const value = which === "start" ? start : end;
      return el("span", { class: "limit" }, el("label", {}, t(`clip.${which}`), " ",
        el("input", { type: "number", id: `place-${which}`, min: "0", max: film.length.toFixed(2), step: "0.1", value: value.toFixed(2), onchange: (event) => this.#set(place.key, which, Number(event.target.value)) }), " s"),
      el("button", { type: "button", class: "small", id: `here-${which}`, "aria-label": `${t(`clip.${which}`)}: ${t("clip.here")}`, title: t("clip.here"), onclick: () => this.#set(place.key, which, film.seconds) }, t("clip.now")));
    };
    draw(this.range, el("span", { class: "group", role: "group", "aria-label": t("clip.way") }, way("follow", follows), way("hold", !follows)), limit("start"), limit("end"));
  }

  #set(key, which, seconds) {
    const place = this.edits.get(key);
    if (!place || !Number.isFinite(seconds)) return;
    // The program hides the frames whose times lie between the two: they are those of the frames that are meant.
    const own = (moment) => this.film.times[this.film.at(moment)];
    const at = own(seconds);
    const [first, last] = this.film.span(place);
    const other = own(which === "start" ? last : first);
    // The two ends may meet but never cross.
    const start = which === "start" ? Math.min(at, other) : other;
    const end = which === "end" ? Math.max(at, other) : other;
    // The end that nobody touched stays as open as it was.
    const open = which === "start" ? place.end === null : this.film.at(end) === this.film.frames - 1;
    this.edits.during(key, which === "end" && !place.start ? 0 : start, open ? null : end);
  }
}

export function hideBar() { fill($("film")); $("film").hidden = true; }
