// Handing out what is ready: a question about the patient's consent first, then the copies, then what came of it.

import { Gone, post } from "./api.js";
import { $, fill, make } from "./dom.js";
import { n, t } from "./words.js";

const LINES = ["consent", "caption", "colleagues", "useful", "account"];

/** @param {{session: import("./api.js").Session, count: number, unseen: number, ids?: string[] | null, initials: string, onSigned: (initials: string) => void, onGone: () => void, onDone: () => void}} given */
export function askRelease({ session, count, unseen, ids = null, initials, onSigned, onGone, onDone }) {
  const box = $("release");
  const who = make("input", { type: "text", id: "release-initials", maxlength: "12", value: initials, spellcheck: "false", autocomplete: "off", "aria-describedby": "release-error" });
  const folder = session.release_folder;
  const boxes = new Map(LINES.map((line) => [line, make("input", { type: "checkbox", id: `release-${line}` })]));
  const consent = boxes.get("consent");
  const ticked = () => LINES.filter((line) => boxes.get(line).checked);
  const error = make("p", { class: "error", id: "release-error", role: "alert", hidden: true });
  const go = make("button", { type: "submit", class: "primary", id: "release-go", disabled: true }, t("release.go"));
  for (const one of boxes.values()) one.onchange = () => { go.disabled = !consent.checked || (session.release_answers && ticked().length < LINES.length); };
  const stop = make("button", { type: "button", onclick: () => box.close() }, t("release.cancel"));
  const form = make("form", { novalidate: true }, make("h2", { id: "release-title" }, t("release.title")),
    make("p", {}, n("release.count", count)), make("p", { class: "path" }, folder),
    unseen ? make("p", { class: "unseen-note" }, n(session.release_seen ? "release.unseen.held" : "release.unseen", unseen)) : null,
    make("div", { class: "reminder" }, make("strong", {}, t("release.consent")),
      LINES.map((line) => make("label", { class: "switch" }, boxes.get(line), make("span", {}, t(`release.${line}.yes`)))),
      make("small", {}, t(session.release_answers ? "release.all-needed" : "release.kept"))),
    make("label", { class: "field" }, t("decide.initials"), who), error,
    make("div", { class: "dialog-foot end" }, stop, go));
  const complain = (text) => { error.hidden = !text; error.textContent = text; };
  form.onsubmit = async (event) => {
    event.preventDefault();
    const signed = who.value.trim();
    if (!consent.checked) return;
    if (!signed) { complain(t("decide.initials.missing")); who.focus(); return; }
    onSigned(signed);
    complain("");
    go.disabled = true;
    stop.disabled = true;
    go.textContent = t("release.running");
    try {
      const done = await post("release", { initials: signed, consent: true, answers: ticked().filter((line) => line !== "consent"), ids });
      fill(box, make("h2", { id: "release-title" }, n("release.done", done.copied + done.there)), make("p", { class: "path" }, folder),
        done.held.length ? [make("h3", {}, t("release.held")), make("ul", {}, done.held.map((one) => make("li", {}, `${one.name}: ${one.reason}`)))] : null,
        make("div", { class: "dialog-foot end" }, make("button", { type: "button", class: "primary", onclick: () => box.close() }, t("help.close"))));
      box.querySelector("button").focus();
      onDone();
    } catch (refused) {
      if (refused instanceof Gone) { box.close(); onGone(); return; }
      complain(refused.message);
      go.disabled = false;
      stop.disabled = false;
      go.textContent = t("release.go");
    }
  };
  fill(box, form);
  box.showModal();
}
