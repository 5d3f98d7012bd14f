// The right column: why it waits, what is hidden, what a person changes, and the decision.

import { $, el, fill, icon } from "./dom.js";
import { reason } from "./list.js";
import { asked, clock } from "./film.js";
import { decimal, t, time } from "./words.js";

const KIND_ICONS = { face: "face", text: "text", code: "code", mark: "marking", drawn: "drawn", keep: "keep" };
export const KINDS = ["face", "text", "code", "mark", "drawn"];

export function showFacts(medium, edits, doubts, act) {
  const parts = [verdict(medium)];
  if (medium.reasons.length) {
    parts.push(el("h3", {}, t(medium.state === "review" ? "reasons" : "reasons.asked")), reasons(medium, doubts, act));
  } else if (medium.decision?.reasons.length) {
    parts.push(el("h3", {}, t("reasons.asked")), el("ul", { class: "reasons" }, medium.decision.reasons.map((text) => el("li", {}, text))));
  }
  if (medium.reasons.some((said) => said.failed)) parts.push(el("p", { class: "soft" }, t("reason.failed")));
  parts.push(el("h3", {}, el("span", {}, t("places")), el("span", {}, String(edits.places.filter((place) => !place.off && place.kind !== "keep").length))));
  parts.push(edits.places.length ? places(medium, edits, act) : el("p", { class: "soft" }, t("places.none")));
  if (medium.state === "review") {
    const box = el("input", { type: "checkbox", id: "mouth", "data-on": String(edits.mouth), onchange: () => edits.setMouth(box.checked) });
    box.checked = edits.mouth;
    parts.push(el("label", { class: "switch" }, box, el("span", {}, t("mouth"), " ", el("span", { class: "soft" }, `(${t("mouth.hint")})`))));
  }
  showChanges(medium, edits, act);
  parts.push(checks(medium));
  if (medium.traces.length) parts.push(el("details", {}, el("summary", {}, t("traces")), el("p", { class: "soft" }, t("traces.text", { list: medium.traces.join(", ") }))));
  parts.push(el("div", { class: "links" },
    el("a", { href: `api/media/${medium.id}/report`, target: "_blank", rel: "noopener" }, t("report")),
    medium.state === "review" && !act.running && !edits.dirty && el("button", { type: "button", class: "small", onclick: act.apply }, t("again")),
    medium.uploaded && medium.state !== "review" && el("button", { type: "button", class: "small", title: t("discard.hint"), onclick: () => act.discard(medium) }, t("discard"))));
  const holder = $("facts");
  // What is the same stays: a button that is exchanged under a finger loses the click.
  const fresh = el("div", {}, parts.filter(Boolean));
  const same = holder.childElementCount === fresh.childElementCount && [...holder.children].every((child, index) => alike(child, fresh.children[index]));
  if (drawnFor === edits && same) return;
  drawnFor = edits;
  // Drawing again must not throw away where the keyboard is.
  const focused = holder.contains(document.activeElement) ? document.activeElement.dataset.focus || document.activeElement.id : null;
  const open = [...holder.querySelectorAll("details")].map((one) => one.open);
  const top = holder.scrollTop;
  fill(holder, [...fresh.children]);
  holder.querySelectorAll("details").forEach((one, index) => { one.open = open[index] ?? false; });
  holder.scrollTop = top;
  if (focused) (holder.querySelector(`[data-focus="${focused}"]`) ?? $(focused))?.focus({ preventScroll: true });
}

let drawnFor = null;

// The same but for what a person opened or ticked.
function alike(one, other) {
  if (one.tagName === "DETAILS") other.open = one.open;
  return one.isEqualNode(other);
}

// Always in sight while there is something to apply.
function showChanges(medium, edits, act) {
  const box = $("changes");
  const state = act.running ? "running" : medium.state === "review" && edits.dirty ? "dirty" : "";
  box.hidden = !state;
  if (box.dataset.state === state + act.running + document.documentElement.lang) return;
  box.dataset.state = state + act.running + document.documentElement.lang;
  if (state === "running") fill(box, el("b", {}, t("apply.running")), el("progress", { "aria-label": t("apply.running") }));
  else if (state === "dirty") {
    fill(box, el("b", {}, t("apply.title")), el("div", { class: "row" },
      el("button", { type: "button", class: "primary", id: "apply", title: "Ctrl ↵", onclick: act.apply }, t("apply"), el("kbd", {}, "Ctrl ↵")),
      el("button", { type: "button", id: "discard-changes", onclick: act.reset }, t("apply.discard"))));
  } else fill(box);
}

function verdict(medium) {
  const signs = { review: "look", ready: "approve", rejected: "reject" };
  let sub = t(`verdict.${medium.state}.sub`);
  if (medium.decision) {
    const values = { who: medium.decision.initials, when: time(medium.decision.decided) };
    sub = t(medium.state === "ready" ? "verdict.approved.sub" : "verdict.rejected.sub", values);
  }
  return el("div", { class: `verdict ${medium.state}` }, icon(signs[medium.state]), el("div", {}, t(`verdict.${medium.state}`), el("small", {}, sub)));
}

function reasons(medium, doubts, act) {
  return el("ul", { class: "reasons" }, medium.reasons.map((said) => {
    const doubt = doubts.find((one) => one.text === said.text);
    if (doubt?.settled) return el("li", {}, el("span", {}, `${doubt.number}. ${reason(said)}`), el("span", { class: "settled" }, t("reason.settled")));
    return el("li", {}, el("span", { class: said.failed ? "fail" : null }, doubt ? `${doubt.number}. ${reason(said)}` : reason(said)),
      doubt && el("span", { class: "acts" },
        el("button", { type: "button", class: "small icon", title: t("reason.look"), "aria-label": `${t("reason.look")}: ${reason(said)}`, onclick: () => act.look(doubt) }, icon("look")),
        medium.state === "review" && !act.running && !doubt.hidden && el("button", { type: "button", class: "small", "aria-label": `${t("reason.hide")}: ${reason(said)}`, onclick: () => act.hide(doubt) }, t("reason.hide"))));
  }));
}

function places(medium, edits, act) {
  let number = 0;
  const editable = medium.state === "review" && !act.running;
  return el("ul", { class: "places" }, edits.places.map((place) => {
    number += 1;
    const kind = t(`place.${place.kind}`);
    const said = place.kind === "keep" ? "" : place.off ? t("place.off") : place.by === "you" ? t("place.you") : t("place.found", { score: decimal(place.score ?? 1) });
    const during = medium.type === "clip" && place.kind !== "keep" ? asked(place) ? t("place.follows") : `${clock((place.way ?? place).start ?? 0)} – ${clock((place.way ?? place).end ?? medium.duration)}` : "";
    const verb = place.off ? "place.restore" : place.by === "you" ? "place.delete" : "place.remove";
    const css = [place.off && "off", place.key === edits.selected && "selected"].filter(Boolean).join(" ");
    return el("li", { class: css || null },
      icon(KIND_ICONS[place.kind]),
      el("button", { type: "button", class: "pick", "data-focus": `pick-${place.key}`, onclick: () => act.pick(place) },
        el("span", {}, `${kind} ${number}`), (said || during) && el("small", {}, [said, during].filter(Boolean).join(" · "))),
      editable && el("button", { type: "button", class: "icon quiet small", "data-focus": `act-${place.key}`, title: t(verb), "aria-label": `${t(verb)}: ${kind} ${number}`, onclick: () => edits.toggle(place.key) },
        icon(place.off ? "hide" : place.by === "you" ? "delete" : "original")));
  }));
}

function checks(medium) {
  const signs = { pass: "approve", review: "look", fail: "reject", skipped: "minus" };
  return el("details", {}, el("summary", {}, t("checks")), el("ul", { class: "checks" },
    medium.checks.map((check) => el("li", {}, icon(signs[check.result], { class: check.result }), el("span", {}, check.text)))));
}

// The decision's form; made once per medium, so that what is typed stays.
export function showDecision(medium, act, initials) {
  const form = $("decide");
  if (medium.state !== "review") {
    fill(form,
      medium.uploaded ? el("p", { class: "hint" }, t("discard.hint")) : null,
      el("p", { class: "hint" }, t("decide.reopen.hint")),
      el("label", {}, t("decide.initials"), el("input", { type: "text", id: "initials", maxlength: "12", value: initials, oninput: (event) => act.signed(event.target.value), autocapitalize: "characters", spellcheck: "false" })),
      el("p", { class: "error", id: "decide-error", role: "alert", hidden: true }),
      el("div", { class: "buttons two" },
        el("button", { type: "button", id: "reopen", onclick: () => act.reopen(medium) }, t("decide.reopen")),
        el("button", { type: "button", id: "skip", onclick: act.skip }, t("decide.next"), el("kbd", {}, "S"))));
    return;
  }
  const failed = medium.reasons.some((said) => said.failed);
  fill(form,
    el("div", { class: "fields" },
      el("label", {}, t("decide.initials"), el("input", { type: "text", id: "initials", maxlength: "12", value: initials, oninput: (event) => act.signed(event.target.value), autocapitalize: "characters", spellcheck: "false", "aria-describedby": "decide-error" })),
      el("label", {}, t("decide.note"), el("input", { type: "text", id: "note", maxlength: "1000", "aria-describedby": "note-hint" }))),
    el("p", { class: "hint", id: "note-hint" }, t("decide.note.hint")),
    el("p", { class: "error", id: "decide-error", role: "alert", hidden: true }),
    el("div", { class: "buttons" },
      el("button", { type: "button", class: "approve", id: "approve", disabled: failed, onclick: act.approve }, t("decide.approve"), el("kbd", {}, "A")),
      el("button", { type: "button", class: "reject", id: "reject", onclick: act.reject }, t("decide.reject"), el("kbd", {}, "X")),
      el("button", { type: "button", id: "skip", onclick: act.skip }, t("decide.skip"), el("kbd", {}, "S"))));
}

export function complain(text, field = null) {
  const error = $("decide-error");
  if (!error) return;
  error.hidden = !text;
  error.textContent = text;
  const input = field && $(field);
  $("initials")?.removeAttribute("aria-invalid");
  if (input) {
    input.setAttribute("aria-invalid", "true");
    input.focus();
  }
}

