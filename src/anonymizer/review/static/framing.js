// @ts-check
// What is handed out of a medium, and how it is hidden: the crop, the parts of faces that stay in view, the size.

import { el, icon } from "./dom.js";
import { t } from "./words.js";

const PARTS = ["mouth", "teeth", "eyes", "left-eye", "right-eye", "nose", "ears"];
const CROPS = ["mouth", "eyes", "nose"];
const FILLS = ["blur", "pixelate", "fill.black", "fill.tone"];
const ROOMS = ["keep", "plain", "blur"];
const PURPOSES = ["original", "web", "slides", "journal"];
const MOST = 65500;

/** @typedef {import("./edits.js").Edits} Edits */

/**
 * @param {import("./opened.js").Opened} opened
 * @param {Edits} edits
 * @param {Record<string, (...given: any[]) => any>} act
 */
export function framing(opened, edits, act) {
  const { shown } = edits;
  const chosen = edits.selected ? edits.get(edits.selected) : null;
  // With one face alone, every face is this one.
  const face = chosen?.kind === "face" && !chosen.off && edits.faces.length > 1 ? chosen : null;
  const whose = face ? t("parts.of", { face: `${t("place.face")} ${edits.places.indexOf(face) + 1}` }) : t("parts.all");
  const fill = shown.style === "fill" ? `fill.${shown.fill}` : shown.style;
  return el("details", { key: "framing", class: "framing", open: true }, el("summary", {}, t("framing")),
    el("div", { class: "row", role: "group", "aria-label": t("crop.label") },
      el("button", { type: "button", class: "small", id: "crop-draw", disabled: !edits.placing, "aria-pressed": String(opened.stage.tool === "crop"), onclick: () => act.tool("crop") }, icon("crop"), t("crop.draw")),
      CROPS.map((part) => el("button", { type: "button", class: "small", id: `crop-${part}`, disabled: !edits.placing || opened.preview.state === "finding", onclick: () => act.cropTo(part), "aria-label": t("crop.to", { part: t(`part.${part}`) }) }, t(`part.${part}`))),
      el("button", { type: "button", class: "small", id: "crop-none", disabled: !edits.cropped, onclick: () => edits.uncrop() }, t("crop.none"))),
    edits.faces.length > 0 && el("fieldset", { key: "parts" }, el("legend", {}, whose),
      PARTS.map((part) => tick(`part-${part}`, t(`part.${part}`), edits.keeps(part, face) || edits.keeps(part, null), (on) => edits.keepPart(part, on, face), Boolean(face && edits.keeps(part, null)))),
      edits.faces.length > 1 && el("small", { class: "soft" }, t("parts.hint"))),
    tick("cover", t("cover.head"), shown.cover === "head", (on) => edits.show({ cover: on ? "head" : "face" })),
    el("div", { class: "row" },
      el("button", { type: "button", class: "small", id: "outline-draw", "aria-pressed": String(opened.stage.tool === "outline"), onclick: () => act.tool("outline") }, icon("outline"), t("outline.draw")),
      opened.stage.tool === "outline" && el("small", { class: "soft", role: "status" }, t("outline.hint"))),
    el("div", { class: "fields" },
      choice("fill", t("fill"), FILLS, fill, (one) => { const [style, colour = shown.fill] = one.split("."); edits.show({ style, fill: colour }); }),
      choice("background", t("background"), ROOMS, shown.background, (background) => edits.room(background)),
      choice("purpose", t("purpose"), PURPOSES, shown.purpose, (purpose) => edits.show({ purpose })),
      el("label", {}, t("max-side"), el("input", { type: "number", id: "max-side", min: "0", max: String(MOST), step: "10", placeholder: t("max-side.any"), value: shown.max_side || "", onchange: (/** @type {any} */ event) => edits.show({ max_side: pixels(event.target.value) }) }))));
}

const pixels = (/** @type {string} */ text) => Math.min(MOST, Math.max(0, Math.round(Number(text)) || 0));

/** @param {string} id @param {string} words @param {boolean} on @param {(on: boolean) => void} turn */
const tick = (id, words, on, turn, disabled = false) => el("label", { key: id, class: "switch" },
  el("input", { type: "checkbox", id, checked: on, disabled, onchange: (/** @type {any} */ event) => turn(event.target.checked) }), el("span", {}, words));

/** @param {string} id @param {string} words @param {string[]} all @param {string} now @param {(one: string) => void} choose */
const choice = (id, words, all, now, choose) => el("label", {}, words,
  el("select", { id, onchange: (/** @type {any} */ event) => choose(event.target.value) }, all.map((one) => el("option", { value: one, selected: one === now }, t(`${id}.${one}`)))));
