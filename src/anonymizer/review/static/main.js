// @ts-check
// The page: its parts, put together.
//
//   list.js         what waits                       jobs.js       what is on its way in, and the talk with the program
//   inflow.js       its names, and the watcher
//   opened.js       what is on the stage             stage.js      the pictures, and the hand on them
//   corrections.js  what is changed about it         edits.js      the changes themselves, with undo
//   decisions.js    what is signed                   keys.js       all of it by keyboard

import { get } from "./api.js";
import { Corrections } from "./corrections.js";
import { Decisions } from "./decisions.js";
import { $, draw, el, icon } from "./dom.js";
import * as drafts from "./drafts.js";
import { Grid } from "./grid.js";
import { Inflow } from "./inflow.js";
import { Jobs } from "./jobs.js";
import { Keys } from "./keys.js";
import { List } from "./list.js";
import { Look } from "./look.js";
import { Opened } from "./opened.js";
import { askRelease } from "./release.js";
import { copy, openFolder, save } from "./saving.js";
import { end, failed, remember, remembered } from "./session.js";
import { MODES, Stage } from "./stage.js";
import { language, n, name, speak, t, tongue } from "./words.js";

const THEMES = ["auto", "light", "dark"];
const NARROW = 1000; // pixels: two pictures side by side would be small

/** @type {import("./api.js").Session} */
let session;
const stage = new Stage($("stage"));
const list = new List();
const jobs = new Jobs();
const opened = new Opened(list, stage, (id) => jobs.runningFor(id));
const corrections = new Corrections(opened, (job) => jobs.begun(job));
const decisions = new Decisions(opened, () => jobs.poll(), choose, (said) => corrections.apply(said));
const look = new Look(opened, decisions);
decisions.onward = () => { if (look.on) look.step(1); return look.on; };
const grid = new Grid(opened, decisions, (ids) => handOver(ids), () => jobs.poll());
const keys = new Keys(opened, corrections, decisions, look, () => grid.toggle());

const inflow = new Inflow(choose);
jobs.attach(opened, choose, inflow);
/** @type {Record<string, (...given: any[]) => any>} */
const act = {
  look: (doubt) => corrections.look(doubt),
  leave: (doubt) => corrections.leave(doubt),
  hide: (doubt) => corrections.hide(doubt),
  answer: (how) => corrections.answer(how),
  next: () => corrections.lookAtNext(),
  showKind: (kind) => corrections.showKind(kind),
  pick: (place) => corrections.pick(place),
  kind: (kind) => corrections.kind(kind),
  tool: (tool) => corrections.tool(tool),
  cropTo: (part) => corrections.cropTo(part),
  apply: () => decisions.applyOnly(),
  show: (id, state) => show(id, state),
  save: (item) => save([item]),
  copy: (item) => copy(item),
  folder: () => openFolder("ready"),
  reset: () => corrections.reset(),
  discard: (medium) => decisions.discard(medium),
};
opened.act = act;

/** @param {string} state  the tab to open, anew where it is open already */
async function choose(state) {
  opened.leave();
  grid.narrow("");
  list.tab = state;
  opened.drop();
  list.drawTabs();
  $("tabs").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  try {
    await opened.refresh();
  } catch (error) {
    failed(error);
  }
}

/** @param {string} id @param {string} state  the tab in which it stands */
async function show(id, state) {
  if (state !== list.tab) await choose(state);
  await opened.open(id);
}

/** @param {import("./api.js").Passed | null} item  that was not processed */
function showEmpty(item) {
  const ready = n("done.added.ready", list.counts.ready ?? 0);
  const waiting = list.tab !== "review" && list.counts.review;
  const [title, text] = item ? [t(`queue.${item.state}`), item.source]
    : jobs.busy ? [t("hero.busy"), ""]
      : waiting ? [t("hero.more"), n("done.added.review", list.counts.review)]
        : list.begun ? [t("hero.done"), t("hero.done.text", { ready })] : [t("hero.first"), t("hero.first.text")];
  draw($("empty"), el("div", { class: "hero" },
    el("h2", { key: "title" }, title), el("p", { key: "text" }, text),
    item && el("p", { key: "why" }, item.reasons[0]?.text ?? ""),
    item?.folder && el("p", { key: "folder", class: "path" }, item.folder),
    item?.state === "not-taken" && item.uploaded && el("button", { key: "remove", type: "button", onclick: () => decisions.remove(item) }, t("untaken.remove")),
    item?.state === "failed" && item.uploaded && el("button", { key: "discard", type: "button", onclick: () => decisions.discard(item) }, t("discard")),
    el("div", { key: "zone", class: "zone" }, icon("drop", { viewBox: "0 0 48 48" }), el("strong", {}, t("hero.zone")),
      el("button", { type: "button", class: "primary", id: "choose", onclick: () => $("files").click() }, t("hero.choose")),
      el("span", { class: "soft" }, t("hero.private"))),
    list.blank && el("div", { key: "inflow", class: "below" }, inflow.buttons("hero")),
    !list.begun && !item && el("ol", { key: "steps", class: "steps" }, [1, 2, 3].map((k) => el("li", {}, el("b", {}, `${k}. ${t(`step.${k}`)}`), el("span", {}, t(`step.${k}.text`)))))));
}

function showTheme() {
  const theme = remembered("theme", "auto");
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  $("theme-icon").setAttribute("href", `static/icons.svg#${theme}`);
  name($("theme"), t(`theme.${theme}`));
}

/** @param {string} wanted */
async function setLanguage(wanted) {
  await speak(wanted);
  draw($("language"), session.languages.map((one) => el("option", { value: one, selected: one === language, lang: one }, tongue(one))));
  $("folder").textContent = session.folder;
  showTheme();
  list.drawTabs();
  list.draw();
  jobs.draw();
  inflow.draw();
  decisions.form.draw();
  opened.reword();
}

// The program's own sentences once more, in the language that was just chosen.
async function reworded() {
  if (!await opened.fetch()) return;
  const { medium } = opened;
  list.draw(medium?.id ?? null);
  if (!medium) return;
  const { reasons, checks, traces, decision, doubts } = await get(`media/${medium.id}`);
  if (opened.medium !== medium) return;
  Object.assign(medium, { reasons, checks, traces, decision });
  doubts.forEach((/** @type {{text: string}} */ { text }, /** @type {number} */ index) => { opened.doubts[index].text = text; });
  opened.draw();
}

// Events carry what they are about.
/** @param {(detail: any) => void} heard @returns {EventListener} */
const detail = (heard) => (event) => heard(/** @type {CustomEvent} */ (event).detail);

list.addEventListener("pick", detail((id) => opened.open(id)));
list.addEventListener("tab", detail(choose));
list.addEventListener("drawn", () => { look.draw(); if (grid.on) grid.draw(); });
opened.addEventListener("open", () => { if (opened.medium) decisions.form.show(opened.medium); });
opened.addEventListener("empty", detail(showEmpty));
stage.addEventListener("view", () => opened.drawZoom());
stage.addEventListener("mode", () => { if (!look.on) remember("mode", stage.mode); opened.drawTools(); });
stage.addEventListener("tool", () => { opened.drawTools(); opened.draw(); });
stage.addEventListener("doubt", detail((index) => corrections.hideAt(index)));

$("undo").onclick = () => corrections.undo();
$("redo").onclick = () => corrections.redo();
$("zoom-in").onclick = () => stage.zoom(1.25);
$("zoom-out").onclick = () => stage.zoom(0.8);
$("zoom-fit").onclick = () => stage.fit();
$("search").oninput = () => list.search($("search").value);
$("help-open").onclick = () => keys.help();
$("grid-toggle").onclick = () => grid.toggle();
$("release-open").onclick = () => handOver(null);
/** @param {string[] | null} ids  null: all that is ready */
const handOver = (ids) => askRelease({
  session, ids, count: ids ? ids.length : list.counts.ready, unseen: ids ? list.items.filter((item) => ids.includes(item.id) && !item.seen).length : list.counts.unseen, initials: decisions.form.initials,
  onSigned: (initials) => { decisions.form.sign(initials); decisions.form.draw(); }, onGone: end, onDone: () => jobs.poll(),
});
$("add").onclick = () => $("files").click();
$("files").onchange = () => { jobs.add([...$("files").files].map((file) => ({ file, within: "" }))); $("files").value = ""; };
$("language").onchange = () => { remember("language", $("language").value); setLanguage($("language").value).then(reworded).catch(failed); };
$("theme").onclick = () => { remember("theme", THEMES[(THEMES.indexOf(remembered("theme", "auto")) + 1) % THEMES.length]); showTheme(); };
$("decide").onsubmit = (/** @type {Event} */ event) => event.preventDefault();
$("ended").oncancel = (/** @type {Event} */ event) => event.preventDefault();
for (const kind of ["keydown", "pointerdown", "wheel", "input"]) addEventListener(kind, () => jobs.touch(), { capture: true, passive: true });
addEventListener("pagehide", () => drafts.all());
document.addEventListener("visibilitychange", () => { if (!document.hidden) jobs.poll(); });
keys.listen();
jobs.listen();

async function start() {
  session = await get("session");
  inflow.names = session.names;
  const mode = remembered("mode", "");
  stage.mode = MODES.includes(mode) ? mode : window.innerWidth < NARROW ? "slider" : "side";
  // What was chosen here before, else what the program was told to speak, else what the browser speaks.
  const spoken = session.spoken ? [session.language] : navigator.languages.map((one) => one.split("-")[0]);
  const known = [remembered("language", ""), ...spoken].find((one) => session.languages.includes(one));
  await setLanguage(known ?? session.language);
  await jobs.beat();
}
start().catch(failed);
