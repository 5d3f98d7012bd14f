// @ts-check
// Elements from a short description. Text is always text: nothing here ever parses HTML.
//
// What the page shows of its state is described anew each time it changes, and superfine makes what is there into it:
// what stays the same stays, with its focus, its scrolling and what was typed. What moves by itself (pictures, videos, the
// hand on the stage) is made once and kept.

import { h, patch, text } from "./superfine.js";

/** @typedef {ReturnType<typeof h>} Description  what `draw` makes into an element */
/** @typedef {Description | string | number | null | undefined | false} Child */

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "use", "g", "rect", "ellipse", "circle", "text", "path", "title"]);

const given = (/** @type {unknown} */ value) => value !== undefined && value !== null;
const there = (/** @type {any} */ child) => given(child) && child !== false;

/**
 * An element to be drawn; "onclick" and the like are listeners, "key" tells it from its like in a list.
 * @param {string} tag
 * @param {Record<string, any>} attributes
 * @param {...(Child | Child[])} children
 */
export function el(tag, attributes = {}, ...children) {
  const props = Object.fromEntries(Object.entries(attributes).filter(([, value]) => given(value)));
  return h(tag, props, children.flat(3).filter(there).map((child) => (typeof child === "object" ? child : text(String(child)))));
}

/**
 * Make what is within an element that which is described.
 * @param {Element} holder
 * @param {...(Child | Child[])} children
 */
export const draw = (holder, ...children) => { patch(holder, el(holder.nodeName.toLowerCase(), {}, ...children)); };

/**
 * A real element, for what is moved by hand.
 * @param {string} tag
 * @param {Record<string, any>} attributes
 * @param {...any} children
 * @returns {any}
 */
export function make(tag, attributes = {}, ...children) {
  const element = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (!there(value)) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter(there));
  return element;
}

const SPRITE = "static/icons.svg#";
export const icon = (/** @type {string} */ id, more = {}) => el("svg", { "aria-hidden": "true", ...more }, el("use", { href: SPRITE + id }));
export const makeIcon = (/** @type {string} */ id) => make("svg", { "aria-hidden": "true" }, make("use", { href: SPRITE + id }));

/** @returns {any} */
export const $ = (/** @type {string} */ id) => document.getElementById(id);
export const fill = (/** @type {Element} */ element, /** @type {any[]} */ ...children) => element.replaceChildren(...children.flat().filter(there));
