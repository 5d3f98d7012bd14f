// @ts-check
// The right column: why it waits, what is hidden, what a person changes, and the form of the decision.

import { $, draw, el, icon } from "./dom.js";
import { reason } from "./list.js";
import { asked, clock } from "./film.js";
import { hides } from "./edits.js";
import { framing } from "./framing.js";
import { hideable, ofWhole, placeOf } from "./questions.js";
import { remember, remembered } from "./session.js";
import { decimal, t, time } from "./words.js";

/** @typedef {import("./api.js").Medium} Medium */
/** @typedef {import("./edits.js").Edits} Edits */

/** @type {Record<string, string>} */
const KIND_ICONS = { face: "face", text: "text", code: "code", mark: "marking", drawn: "drawn", keep: "keep", crop: "crop", outline: "outline" };
export const KINDS = ["face", "text", "code", "mark", "drawn"];

/**
 * @param {import("./opened.js").Opened} opened
 * @param {Record<string, (...given: any[]) => any>} act  what the buttons do
 */
export function showFacts(opened, act) {
  const { medium, edits, doubts, running } = opened;
  if (!medium || !edits) return;
  const waits = medium.state === "review";
  const changes = (waits || medium.state === "ready") && !running;
  const said = medium.reasons.length ? reasons(medium, edits, doubts, changes, act)
    : medium.decision?.reasons.length ? el("ul", { key: "reasons", class: "reasons" }, medium.decision.reasons.map((/** @type {string} */ one) => el("li", {}, el("span", {}, one))))
      : null;
  const hidden = edits.places.filter((place) => !place.off && hides(place)).length;
  draw($("facts"),
    verdict(medium),
    said && el("h3", { key: "why" }, t(waits && medium.reasons.length ? "reasons" : "reasons.asked")),
    said,
    medium.reasons.some((one) => one.failed) && el("p", { key: "failed", class: "soft" }, t("reason.failed")),
    el("h3", { key: "where" }, el("span", {}, t("places")), el("span", {}, hidden)),
    edits.places.length ? places(medium, edits, changes, act) : el("p", { key: "nowhere", class: "soft" }, t("places.none")),
    changes && kinds(edits, act),
    changes && framing(opened, edits, act),
    medium.history.length > 0 && history(medium),
    checks(medium),
    medium.traces.length > 0 && el("details", { key: "traces" }, el("summary", {}, t("traces")), el("p", { class: "soft" }, t("traces.text", { list: medium.traces.join(", ") }))),
    el("div", { key: "links", class: "links" },
      el("a", { href: `api/media/${medium.id}/report`, target: "_blank", rel: "noopener" }, t("report")),
      waits && changes && !edits.dirty && el("button", { key: "again", type: "button", class: "small", onclick: act.apply }, t("again")),
      medium.state === "ready" && el("button", { key: "save", type: "button", class: "small", onclick: () => act.save(medium) }, t("save")),
      medium.state === "ready" && medium.type === "photo" && el("button", { key: "copy", type: "button", class: "small", onclick: () => act.copy(medium) }, t("copy")),
      medium.state === "ready" && el("button", { key: "folder", type: "button", class: "small", onclick: act.folder }, t("folder.open")),
      medium.uploaded && !waits && el("button", { key: "discard", type: "button", class: "small", title: t("discard.hint"), onclick: () => act.discard(medium) }, t("discard"))));
  showChanges(running ? "running" : changes && (edits.dirty || opened.preview.state) ? "dirty" : "", opened.preview, act);
}

// Always in sight while there is something to apply.
/** @param {string} state @param {import("./preview.js").Preview} preview @param {Record<string, (...given: any[]) => any>} act */
function showChanges(state, preview, act) {
  const box = $("changes");
  box.hidden = !state;
  if (state === "running") draw(box, el("b", {}, t("apply.running")), el("progress", { "aria-label": t("apply.running") }));
  else if (state === "dirty") {
    const said = [preview.state && t(`preview.${preview.state}`), ...preview.said].filter(Boolean).join(" ");
    draw(box, el("b", {}, t("apply.title")), el("p", { id: "preview-said", role: "status", tabindex: "0", hidden: !said }, said), el("div", { class: "row" },
      el("button", { type: "button", class: "primary", id: "apply", title: "Ctrl ↵", onclick: act.apply }, t("apply"), el("kbd", {}, "Ctrl ↵")),
      el("button", { type: "button", id: "discard-changes", onclick: act.reset }, t("apply.discard"))));
  } else draw(box);
}

/** @param {Medium} medium */
function verdict(medium) {
  /** @type {Record<string, string>} */
  const signs = { review: "look", ready: "approve", rejected: "reject" };
  let sub = t(`verdict.${medium.state}.sub`);
  if (medium.decision) {
    const values = { who: medium.decision.initials, when: time(medium.decision.decided) };
    sub = t(medium.state === "ready" ? "verdict.approved.sub" : "verdict.rejected.sub", values);
  }
  return el("div", { key: "verdict", class: `verdict ${medium.state}` }, icon(signs[medium.state]), el("div", {}, t(`verdict.${medium.state}`), el("small", {}, sub)));
}

/**
 * @param {Medium} medium
 * @param {Edits} edits
 * @param {import("./api.js").Doubt[]} doubts
 * @param {boolean} changes
 * @param {Record<string, (...given: any[]) => any>} act
 */
function reasons(medium, edits, doubts, changes, act) {
  const waits = medium.state === "review";
  return el("ul", { key: "reasons", class: "reasons" }, medium.reasons.map((said) => {
    const doubt = doubts.find((one) => one.text === said.text);
    const words = doubt ? `${doubt.number}. ${reason(said)}` : reason(said);
    if (doubt?.settled && waits) return el("li", {}, el("span", {}, words), el("span", { class: "settled" }, t(settled(doubt))));
    const button = (/** @type {string} */ word, /** @type {() => void} */ onclick) =>
      el("button", { type: "button", class: "small", "aria-label": `${t(word)}: ${reason(said)}`, onclick }, t(word));
    return el("li", {}, el("span", { class: said.failed ? "fail" : null }, words),
      doubt && el("span", { class: "acts" },
        el("button", { type: "button", class: "small icon", title: t("reason.look"), "aria-label": `${t("reason.look")}: ${reason(said)}`, onclick: () => act.look(doubt) }, icon("look")),
        changes && hideable(doubt) && button("reason.hide", () => act.hide(doubt)),
        changes && placeOf(doubt, edits.places) && button("reason.leave", () => act.leave(doubt))));
  }));
}

const settled = (/** @type {import("./api.js").Doubt} */ { answer, hidden, question }) => (ofWhole(/** @type {any} */ ({ question })) ? "reason.enough"
  : answer === "hide" ? (hidden ? "reason.stays-hidden" : "reason.settled") : hidden ? "place.off" : "reason.stays-visible");

/** Leave all of one kind visible, where there is more than one of it. @param {Edits} edits @param {Record<string, (...given: any[]) => any>} act */
function kinds(edits, act) {
  const found = edits.places.filter((place) => place.by === "found" && !place.off);
  const many = KINDS.map((kind) => ({ kind, count: found.filter((place) => place.origin.kind === kind).length })).filter(({ count }) => count > 1);
  return many.length > 0 && el("div", { key: "kinds", class: "links" }, many.map(({ kind, count }) =>
    el("button", { key: kind, type: "button", class: "small", onclick: () => act.showKind(kind) }, t(`place.all.${kind}`, { n: count }))));
}

/**
 * @param {Medium} medium
 * @param {Edits} edits
 * @param {boolean} changes
 * @param {Record<string, (...given: any[]) => any>} act
 */
function places(medium, edits, changes, act) {
  const chosen = new Set(edits.chosen.map((place) => place.key));
  return el("ul", { key: "places", class: "places" }, edits.places.map((place, index) => {
    const kind = t(`place.${place.kind}`);
    const said = !hides(place) ? "" : place.off ? t("place.off") : place.by === "you" ? t("place.you") : t("place.found", { score: decimal(place.score ?? 1) });
    const { start, end } = place.way ?? place;
    const during = medium.type !== "clip" || !hides(place) ? "" : asked(place) ? t("place.follows") : `${clock(start ?? 0)} – ${clock(end ?? medium.duration)}`;
    const verb = place.off ? "place.restore" : place.by === "you" ? "place.delete" : "place.remove";
    const css = [place.off && "off", chosen.has(place.key) && "selected"].filter(Boolean).join(" ");
    return el("li", { key: place.key, class: css || null },
      icon(KIND_ICONS[place.kind]),
      el("button", { type: "button", class: "pick", onclick: () => act.pick(place) },
        el("span", {}, `${kind} ${index + 1}`), (said || during) && el("small", {}, [said, during].filter(Boolean).join(" · "))),
      changes && el("button", { type: "button", class: "icon quiet small", title: t(verb), "aria-label": `${t(verb)}: ${kind} ${index + 1}`, onclick: () => edits.toggle(place.key) },
        icon(place.off ? "hide" : place.by === "you" ? "delete" : "original")));
  }));
}

/** Who did what, and when. @param {Medium} medium */
const history = (medium) => el("details", { key: "history" }, el("summary", {}, t("history")), el("ul", { class: "history" },
  medium.history.map((one) => el("li", {}, el("b", {}, t(`history.${one.action}`)), ` ${[one.who, time(one.at)].filter(Boolean).join(", ")}`, one.note && el("span", { class: "soft" }, ` ${one.note}`)))));

/** @param {Medium} medium */
function checks(medium) {
  /** @type {Record<string, string>} */
  const signs = { pass: "approve", review: "look", fail: "reject", skipped: "minus" };
  return el("details", { key: "checks" }, el("summary", {}, t("checks")), el("ul", { class: "checks" },
    medium.checks.map((check) => el("li", {}, icon(signs[check.result], { class: check.result }), el("span", {}, check.text)))));
}

/** The decision's form: who decides, a note, and what is missing. */
export class DecisionForm {
  initials = remembered("initials", "");
  /** @type {Medium | null} */
  medium = null;
  complaint = "";
  invalid = false;

  /** @param {Record<string, (...given: any[]) => any>} act */
  constructor(act) { this.act = act; }

  get note() { return $("note")?.value ?? ""; }
  get failed() { return Boolean(this.medium?.reasons.some((said) => said.failed)); }

  /** @param {Medium} medium */
  show(medium) {
    Object.assign(this, { medium, complaint: "", invalid: false });
    this.draw();
  }

  /** @param {string} complaint  @param {boolean} invalid  the initials are at fault */
  complain(complaint, invalid = false) {
    Object.assign(this, { complaint, invalid });
    this.draw();
    if (invalid) $("initials").focus();
  }

  /** In this browser alone. @param {string} initials */
  sign(initials) {
    this.initials = initials;
    remember("initials", initials.trim());
  }

  /** Who decides; asks for it where nobody has said. */
  who() {
    const who = this.initials.trim();
    if (!who) this.complain(t("decide.initials.missing"), true);
    return who;
  }

  draw() {
    const { medium, act } = this;
    if (!medium) return;
    const button = (/** @type {string} */ id, /** @type {string} */ word, /** @type {string} */ key, more = {}) =>
      el("button", { type: "button", id, ...more }, t(word), key && el("kbd", {}, key));
    // Of another medium everything is new: what was typed for the last one is not meant for it.
    const key = `${medium.id} ${medium.version} ${medium.state}`;
    const error = el("p", { key: "error", class: "error", id: "decide-error", role: "alert", hidden: !this.complaint }, this.complaint);
    if (medium.state !== "review") {
      draw($("decide"),
        medium.uploaded && el("p", { key: "uploaded", class: "hint" }, t("discard.hint")),
        el("p", { key: "hint", class: "hint" }, t("decide.reopen.hint")),
        this.#initials({ key: `initials ${key}` }),
        error,
        el("div", { key: "buttons two", class: "buttons two" },
          button("reopen", "decide.reopen", "", { onclick: () => act.reopen(medium) }),
          button("skip", "decide.next", "S", { onclick: act.skip })));
      return;
    }
    draw($("decide"),
      el("div", { key: `fields ${key}`, class: "fields" },
        this.#initials(),
        el("label", {}, t("decide.note"), el("input", { type: "text", id: "note", maxlength: "1000", "aria-describedby": "note-hint" }))),
      el("p", { key: "note", class: "hint", id: "note-hint" }, t("decide.note.hint")),
      error,
      el("div", { key: "buttons", class: "buttons" },
        button("approve", "decide.approve", "A", { class: "approve", disabled: this.failed, onclick: act.approve }),
        button("reject", "decide.reject", "X", { class: "reject", onclick: act.reject }),
        button("skip", "decide.skip", "S", { onclick: act.skip })));
  }

  #initials(more = {}) {
    return el("label", more, t("decide.initials"), el("input", {
      type: "text", id: "initials", maxlength: "12", autocapitalize: "characters", spellcheck: false, "aria-describedby": "decide-error",
      "aria-invalid": this.invalid ? "true" : null, value: this.initials,
      oninput: (/** @type {any} */ event) => this.sign(event.target.value),
    }));
  }
}
