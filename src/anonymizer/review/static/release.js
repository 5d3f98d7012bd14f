// Handing out what is ready: a question about the patient's consent first, then the copies, then what came of it.

import { Gone, post } from "./api.js";
import { $, el, fill } from "./dom.js";
import { n, t } from "./words.js";

export function askRelease({ folder, count, initials, onSigned, onGone, onDone }) {
  const box = $("release");
  const who = el("input", { type: "text", id: "release-initials", maxlength: "12", value: initials, spellcheck: "false", autocomplete: "off", "aria-describedby": "release-error" });
  const consent = el("input", { type: "checkbox", id: "release-consent" });
  const error = el("p", { class: "error", id: "release-error", role: "alert", hidden: true });
  const go = el("button", { type: "submit", class: "primary", id: "release-go", disabled: true }, t("release.go"));
  consent.onchange = () => { go.disabled = !consent.checked; };
  const stop = el("button", { type: "button", onclick: () => box.close() }, t("release.cancel"));
  const form = el("form", { novalidate: true }, el("h2", { id: "release-title" }, t("release.title")),
    el("p", {}, n("release.count", count)), el("p", { class: "path" }, folder),
    el("div", { class: "reminder" }, el("strong", {}, t("release.consent")),
      el("label", { class: "switch" }, consent, el("span", {}, t("release.consent.yes")))),
    el("label", { class: "field" }, t("decide.initials"), who), error,
    el("div", { class: "dialog-foot end" }, stop, go));
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
      fill(box, el("h2", { id: "release-title" }, n("release.done", done.copied + done.there)), el("p", { class: "path" }, folder),
        done.held.length ? [el("h3", {}, t("release.held")), el("ul", {}, done.held.map((one) => el("li", {}, `${one.name}: ${one.reason}`)))] : null,
        el("div", { class: "dialog-foot end" }, el("button", { type: "button", class: "primary", onclick: () => box.close() }, t("help.close"))));
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
