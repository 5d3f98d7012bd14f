// Handing out what is ready: a question about the patient's consent first, then the copies, then what came of it.

import { Gone, post } from "./api.js";
import { $, fill, make } from "./dom.js";
import { n, t } from "./words.js";

/** @param {{folder: string, count: number, initials: string, onSigned: (initials: string) => void, onGone: () => void, onDone: () => void}} given */
export function askRelease({ folder, count, initials, onSigned, onGone, onDone }) {
  const box = $("release");
  const who = make("input", { type: "text", id: "release-initials", maxlength: "12", value: initials, spellcheck: "false", autocomplete: "off", "aria-describedby": "release-error" });
  const consent = make("input", { type: "checkbox", id: "release-consent" });
  const error = make("p", { class: "error", id: "release-error", role: "alert", hidden: true });
  const go = make("button", { type: "submit", class: "primary", id: "release-go", disabled: true }, t("release.go"));
  consent.onchange = () => { go.disabled = !consent.checked; };
  const stop = make("button", { type: "button", onclick: () => box.close() }, t("release.cancel"));
  const form = make("form", { novalidate: true }, make("h2", { id: "release-title" }, t("release.title")),
    make("p", {}, n("release.count", count)), make("p", { class: "path" }, folder),
    make("div", { class: "reminder" }, make("strong", {}, t("release.consent")),
      make("label", { class: "switch" }, consent, make("span", {}, t("release.consent.yes")))),
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
      const done = await post("release", { initials: signed, consent: true });
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
