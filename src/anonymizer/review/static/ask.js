// @ts-check
// The question that is being asked: its words and its two answers, one key each, below the picture. Then the next one.

import { $, draw, el } from "./dom.js";
import { hideable, ofWhole, placeOf } from "./questions.js";
import { n, t } from "./words.js";

/** Which question a key answers now: the one that is shown, else the first that is open. */
export const current = (/** @type {import("./opened.js").Opened} */ { openDoubts: open }) => open.find((doubt) => doubt.shown) ?? open[0] ?? null;

/** @param {import("./opened.js").Opened} opened */
export function drawAsk(opened) {
  const { medium, edits, doubts, editable, act } = opened;
  const box = $("ask");
  const doubt = editable && medium?.state === "review" ? current(opened) : null;
  const over = !doubt && editable && medium?.state === "review" && doubts.length > 0;
  box.hidden = !doubt && !over;
  if (!edits || (!doubt && !over)) return draw(box);
  if (!doubt) return draw(box, el("p", { key: "words", class: "ask-words", "aria-live": "polite" }, el("b", {}, n("ask.over", doubts.length)), " ", t(edits.dirty ? "ask.over.apply" : "ask.over.approve")));
  const button = (/** @type {string} */ id, /** @type {string} */ word, /** @type {string} */ key, /** @type {() => void} */ onclick, more = {}) =>
    el("button", { key: id, type: "button", id: `ask-${id}`, onclick, ...more }, t(word), el("kbd", {}, key));
  const answerable = hideable(doubt) || placeOf(doubt, edits.places);
  draw(box,
    el("p", { key: "words", class: "ask-words", "aria-live": "polite" },
      el("b", {}, t("ask.number", { number: doubt.number, of: doubts.length })), " ", t(`reason.${doubt.question}`)),
    el("span", { key: "buttons", class: "ask-buttons" },
      ofWhole(doubt) ? button("show", "ask.enough", "L", () => act.answer("show"))
        : answerable ? [
          button("hide", doubt.hidden ? "ask.hidden" : "ask.hide", "F", () => act.answer("hide")),
          button("show", "ask.show", "L", () => act.answer("show")),
        ] : button("show", "ask.seen", "L", () => act.answer("show")),
      button("next", "ask.next", "N", () => act.next(), { class: "quiet" })));
}
