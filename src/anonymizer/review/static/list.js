// The left column: what waits, each with its first reason; and what is being processed.

import { $, el, fill, icon } from "./dom.js";
import { language, n, t } from "./words.js";

const level = (weight) => (weight >= 30 ? "high" : weight >= 4 ? "middle" : "low");

// A reason in the page's language where the page knows it, else in the program's own words.
export const reason = (said) => (said.question ? t(`reason.${said.question}`) : said.text);

function why(item) {
  if (item.state === "review" || item.state === "failed") {
    const doubts = item.reasons.filter((said) => said.kind).length;
    return doubts > 1 ? n("doubts", doubts) : item.reasons.length ? reason(item.reasons[0]) : "";
  }
  return item.regions ? n("hidden", item.regions) : t("hidden.zero");
}

export function showItems(state, items, current, onPick) {
  $("queue-title").textContent = t(`queue.${state}`);
  $("queue-note").textContent = items.length ? t(state === "review" ? "queue.order" : "queue.newest") : "";
  if (!items.length) return fill($("items"), el("li", { class: "none" }, t("queue.none")));
  // Rows that say the same stay where they are: hundreds are made once, and none loses the keyboard.
  const old = rows;
  rows = new Map(items.map((item) => {
    const said = JSON.stringify([language, item]);
    const known = old.get(item.id);
    return [item.id, known?.said === said ? known : { said, node: row(item, onPick) }];
  }));
  const box = $("items");
  const wanted = [...rows.values()].map(({ node }) => node);
  const staying = new Set(wanted);
  for (const node of [...box.children]) if (!staying.has(node)) node.remove();
  wanted.forEach((node, index) => { if (box.children[index] !== node) box.insertBefore(node, box.children[index] ?? null); });
  markCurrent(current, { reveal: false });
}

let rows = new Map();

function row(item, onPick) {
  const clip = item.type === "clip";
  const small = item.state === "failed"
    ? el("span", { class: "thumb" }, icon("failed"))
    : el("img", { class: "thumb", src: `api/media/${item.id}/small?${item.version}`, alt: "", loading: "lazy" });
  const picture = clip ? el("span", { class: "moving" }, small, icon("play")) : small;
  const rank = item.state === "review" ? level(item.weight) : null;
  return el("li", {},
    el("button", { type: "button", class: "item", "data-id": item.id, onclick: () => onPick(item.id) },
      picture,
      el("span", {},
        el("strong", { title: item.source }, item.source),
        el("span", { class: "why" }, why(item)),
        rank && el("span", { class: `level ${rank}` }, el("i", {}), t(`level.${rank}`)))));
}

export function markCurrent(current, { reveal = true } = {}) {
  for (const button of $("items").querySelectorAll(".item")) {
    if (button.dataset.id === current) {
      button.setAttribute("aria-current", "true");
      if (reveal) button.scrollIntoView({ block: "nearest" });
    } else button.removeAttribute("aria-current");
  }
}

export function showJobs(jobs) {
  const box = $("jobs");
  box.hidden = !jobs.length;
  const shown = jobs.slice(0, 4).map((job) => {
    const what = job.replaces ? "apply" : job.stage === "queued" ? "queued" : job.what || "loading";
    const bar = el("progress", { max: job.total || 1, "aria-label": `${job.source}: ${t(`jobs.${what}`)}` });
    if (job.total) bar.value = job.done;
    else if (job.stage === "queued") bar.value = 0;
    return el("div", {}, el("span", { class: "line" }, el("span", {}, job.source), el("span", { class: "soft" }, t(`jobs.${what}`))), bar);
  });
  fill(box, shown, jobs.length > 4 ? el("span", { class: "soft" }, `+ ${jobs.length - 4}`) : null);
}
