// The page's words in the language that is shown: one flat list of keys, from the program's catalogues.

let words = {};
let plural = new Intl.PluralRules("en");
export let language = "en";

export async function speak(wanted) {
  const response = await fetch(`static/strings.${wanted}.json`);
  if (!response.ok) throw new Error(`no words for ${wanted}`);
  words = await response.json();
  // No line begins with what French puts a space before, nor ends with what it puts one after.
  if (wanted === "fr") for (const [key, text] of Object.entries(words)) words[key] = text.replace(/ (?=[:;!?»])|(?<=«) /g, "\u00a0");
  language = wanted;
  plural = new Intl.PluralRules(wanted);
  document.documentElement.lang = wanted;
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of document.querySelectorAll("[data-t-label]")) element.setAttribute("aria-label", t(element.dataset.tLabel));
  for (const element of document.querySelectorAll("[data-t-placeholder]")) element.placeholder = t(element.dataset.tPlaceholder);
  for (const element of document.querySelectorAll("[data-t-title]")) name(element, t(element.dataset.tTitle));
}

export const has = (key) => key in words;

export function t(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

// "key.one", "key.other": whatever the language's plural rules ask for.
export function n(key, count, values = {}) {
  const form = `${key}.${plural.select(count)}`;
  return t(form in words ? form : `${key}.other`, { n: new Intl.NumberFormat(language).format(count), ...values });
}

// A language by its own name.
export function tongue(code) {
  const said = new Intl.DisplayNames([code], { type: "language" }).of(code) ?? code;
  return said.charAt(0).toLocaleUpperCase(code) + said.slice(1);
}

export const decimal = (value) => new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(value);
export const percent = (share) => new Intl.NumberFormat(language, { style: "percent" }).format(share);
export const time = (iso) => new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));

// An icon button's name, for eyes and for screen readers; of one that is drawn, and of one that is there.
/** @param {string} text */
export const named = (text) => ({ title: text, "aria-label": text });
export function name(element, text) {
  element.title = text;
  element.setAttribute("aria-label", text);
}
