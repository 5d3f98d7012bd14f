// @ts-check
// Short notes at the foot of the page, with at most one thing to do about them.

import { $, make } from "./dom.js";

const STAYS = 6000; // ms
const STAYS_BAD = 15000;

/** @param {string} text @param {{bad?: boolean, action?: string | null, onAction?: () => void}} more */
export function note(text, { bad = false, action = null, onAction = () => {} } = {}) {
  const toast = make("div", { class: `toast${bad ? " bad" : ""}` }, make("span", {}, text));
  const close = () => toast.remove();
  if (action) toast.append(make("button", { type: "button", onclick: () => { close(); onAction(); } }, action));
  $("toasts").append(toast);
  while ($("toasts").children.length > 3) $("toasts").firstChild.remove();
  let timer = setTimeout(close, bad ? STAYS_BAD : STAYS);
  // Whoever is about to use it gets the time for it.
  toast.addEventListener("focusin", () => clearTimeout(timer));
  toast.addEventListener("pointerenter", () => clearTimeout(timer));
  toast.addEventListener("pointerleave", () => { timer = setTimeout(close, STAYS); });
}
