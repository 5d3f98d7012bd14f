// Elements from a short description. Text is always text: nothing here ever parses HTML.

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "use", "g", "rect", "ellipse", "circle", "text", "path", "title"]);

export function el(tag, attributes = {}, ...children) {
  const element = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.setAttribute("class", value);
    else if (value === true) element.setAttribute(key, "");
    else element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const icon = (id, more = {}) => el("svg", { "aria-hidden": "true", ...more }, el("use", { href: `static/icons.svg#${id}` }));
export const $ = (id) => document.getElementById(id);
export const fill = (element, ...children) => element.replaceChildren(...children.flat().filter(Boolean));
