// The page: what is shown, what the keys do, and the talk with the program.

import { Gone, Refused, get, post, upload } from "./api.js";
import { $, el, fill, icon } from "./dom.js";
import { Edits } from "./edits.js";
import { Film, FilmBar, asked, hideBar } from "./film.js";
import { markCurrent, showItems, showJobs } from "./list.js";
import { note } from "./notes.js";
import { KINDS, complain, showDecision, showFacts } from "./panel.js";
import { picture } from "./pictures.js";
import { askRelease } from "./release.js";
import { MODES, Stage } from "./stage.js";
import { language, n, name, percent, speak, t, tongue } from "./words.js";

const STATES = ["review", "ready", "rejected", "failed"];
const page = {
  session: null, tab: "review", items: [], counts: {}, revision: null, jobs: [], uploads: [], told: new Set(), deciding: new Set(), at: 0, fresh: { ready: 0, review: 0 },
  medium: null, edits: null, doubts: [], shownDoubt: -1, loaded: false, initials: "", singleKeys: true, ended: false, kept: new Map(),
};
const stage = new Stage($("stage"));

// ---- settings that a browser may remember: nothing about anybody's pictures

const remembered = (key, otherwise) => { try { return localStorage.getItem(key) ?? otherwise; } catch { return otherwise; } };
const remember = (key, value) => { try { localStorage.setItem(key, value); } catch { /* private windows have no store */ } };

// ---- talk

function failed(error, key = "failed.try") {
  if (error instanceof Gone) return end();
  if (!(error instanceof Refused)) console.error(error);
  note(t(key, { error: error.message }), { bad: true });
}

function end() {
  if (page.ended) return;
  page.ended = true;
  $("help").close();
  $("ended").showModal();
}

// One at a time: two answers at once would open two pictures.
let polling = null;
function poll() {
  polling ??= pollOnce().finally(() => { polling = null; });
  return polling;
}

async function pollOnce() {
  if (page.ended) return;
  try {
    // Who draws and looks says nothing else to the program, and must not find it gone.
    const active = page.active || page.film?.playing;
    page.active = false;
    const now = await get(active ? "poll?active" : "poll");
    page.missed = 0;
    page.counts = now.counts;
    showTabs();
    await heard(now.jobs);
    if (now.revision !== page.revision) {
      page.revision = now.revision;
      await refresh();
    }
    showTabs();
  } catch (error) {
    page.missed = (page.missed ?? 0) + 1;
    if (error instanceof Gone && (error.message === "closed" || page.missed > 3)) end();
  }
}

async function beat() {
  await poll();
  const busy = page.jobs.length || page.uploads.length;
  if (!page.ended) setTimeout(beat, page.missed ? 300 : busy ? 600 : document.hidden ? 15000 : 3000);
}

// What jobs have come to since the last time.
async function heard(jobs) {
  page.jobs = jobs.filter((job) => job.stage === "queued" || job.stage === "working");
  for (const job of jobs) {
    if (job.stage === "done" || job.stage === "failed") {
      const first = !page.told.has(job.number);
      page.told.add(job.number);
      if (!first || page.before === undefined) continue;
      if (job.replaces) await applied(job);
      else if (job.stage === "failed") note(t("failed.added", { name: job.source, error: job.error }), { bad: true });
      else page.fresh[job.verdict] += 1;
    }
  }
  page.before = true;
  if (!page.jobs.length && !page.uploads.length) {
    for (const verdict of ["ready", "review"]) {
      if (page.fresh[verdict]) note(n(`done.added.${verdict}`, page.fresh[verdict]));
      page.fresh[verdict] = 0;
    }
  }
  showJobs([...page.uploads, ...page.jobs]);
  if (!page.medium) showEmpty();
}

async function applied(job) {
  const current = page.medium?.id === job.replaces;
  if (job.stage === "failed") {
    note(t("failed.apply", { error: job.error }), { bad: true });
    if (current) { page.running = 0; stage.message(null); draw(); }
    return;
  }
  note(t(job.verdict === "ready" ? "done.ready" : "done.review"));
  if (!current) return;
  spot();
  const place = page.at;
  if (!await fetched()) return;
  page.running = 0;
  if (page.items.some((item) => item.id === job.id)) return open(job.id, { keepView: true });
  page.medium = null;
  return openAt(place);
}

// Where what is open stands in the list, or stood last: while its successor is put in its place it may be in none.
function spot() {
  const at = page.items.findIndex((item) => item.id === page.medium?.id);
  if (at >= 0) page.at = at;
}

// The list of the tab that is open; false where another one was opened meanwhile.
async function fetched() {
  const { tab } = page;
  const items = await get(`list/${tab}`);
  if (tab !== page.tab) return false;
  spot();
  // What is being decided waits no more, whatever the program has got round to.
  page.items = items.filter((item) => !page.deciding.has(item.id));
  if (tab === "review") for (const id of page.kept.keys()) if (!items.some((item) => item.id === id)) page.kept.delete(id);
  return true;
}

async function refresh() {
  if (!await fetched()) return;
  const known = page.items.some((item) => item.id === page.medium?.id);
  showItems(page.tab, page.items, page.medium?.id, (id) => open(id));
  if (page.medium && !known && !page.running) await openAt(0);
  else if (!page.medium && page.items.length && page.tab !== "failed") await openAt(0);
  else if (!page.medium) showEmpty();
}

// ---- what is open

async function open(id, { keepView = false } = {}) {
  const item = page.items.find((one) => one.id === id);
  if (!item) return showEmpty();
  if (item.state === "failed") { page.medium = null; markCurrent(id); return showEmpty(item); }
  page.wanted = id;
  try {
    const medium = await get(`media/${id}`);
    if (page.wanted !== id) return;
    leave();
    const edits = (medium.state === "review" && page.kept.get(id)) || new Edits(medium);
    page.kept.delete(id);
    Object.assign(page, { medium, edits, doubts: medium.doubts, shownDoubt: -1, loaded: false, running: runningFor(id) });
    // Never the last picture under the next one's name.
    if (!keepView) stage.clear();
    closeFilm();
    edits.addEventListener("change", changed);
    showWork(true);
    $("medium-title").textContent = medium.source;
    $("medium-title").title = medium.source;
    showDecision(medium, act, page.initials);
    draw();
    markCurrent(id);
    await pictures(medium, keepView);
    ahead(id);
  } catch (error) {
    if (error instanceof Gone) return end();
    failed(error);
    page.medium = null;
    showEmpty();
  }
}

// What was drawn and not applied is there again when somebody comes back to it.
function leave() {
  page.edits?.removeEventListener("change", changed);
  const waits = page.tab !== "review" || page.items.some((item) => item.id === page.medium?.id);
  if (page.medium?.state === "review" && waits && page.edits?.dirty && !page.running) page.kept.set(page.medium.id, page.edits);
}

function changed() { stage.render(); draw(); }

const runningFor = (id) => page.jobs.find((job) => job.replaces === id)?.number ?? 0;

function closeFilm() {
  page.film?.close();
  page.film = null;
  page.bar = null;
  hideBar();
}

// What the stage shows: two pictures, or two clips on one clock.
async function films(medium) {
  const film = new Film(medium);
  page.film = film;
  try {
    await film.load();
  } catch (error) {
    if (page.film !== film) return null;
    throw new Refused(t("clip.lost", { error: error.message }));
  }
  if (page.film !== film) return null;
  film.addEventListener("time", () => stage.render());
  film.addEventListener("lost", (event) => note(t("stage.original.gone", { error: event.detail.message }), { bad: true }));
  page.bar = new FilmBar(film, page.edits, { pick: (place) => act.pick(place), editable: () => medium.state === "review" && !page.running });
  return film;
}

async function pictures(medium, keepView) {
  const spinner = (key) => [el("div", { class: "spin" }), t(key)];
  const waiting = setTimeout(() => { if (page.medium === medium && !page.loaded) stage.message(spinner("stage.loading")); }, 150);
  const film = medium.type === "clip" ? await films(medium).finally(() => clearTimeout(waiting)) : null;
  const [original, result] = film ? [{ value: film.original }, { value: film.result }] : await Promise.allSettled([picture(medium.id, "original", medium.version), picture(medium.id, "result", medium.version)]);
  clearTimeout(waiting);
  if (page.medium !== medium) return;
  if (result.status === "rejected") throw result.reason;
  if (original.status === "rejected") {
    if (original.reason instanceof Gone) return end();
    note(t("stage.original.gone", { error: original.reason.message }), { bad: true });
  }
  stage.show({
    width: medium.width, height: medium.height, edits: page.edits, doubts: page.doubts, keepView,
    images: { original: original.value, result: result.value }, film,
  });
  stage.message(page.running ? spinner("stage.applying") : null);
  page.loaded = true;
  showTools();
  draw();
}

// The next two are fetched while this one is looked at.
function ahead(id) {
  const at = page.items.findIndex((item) => item.id === id);
  for (const item of page.items.slice(at + 1, at + 3)) {
    if (item.type === "clip") continue;
    picture(item.id, "result", item.version).catch(() => {});
    picture(item.id, "original", item.version).catch(() => {});
  }
}

function openAt(index) {
  const item = page.items[Math.min(Math.max(0, index), page.items.length - 1)];
  if (item) return open(item.id);
  page.medium = null;
  return showEmpty();
}

function step(by) {
  const at = page.items.findIndex((item) => item.id === page.medium?.id);
  if (!page.items.length) return;
  openAt((at + by + page.items.length) % page.items.length);
}

function draw() {
  if (!page.medium) return;
  page.doubts.forEach((doubt, index) => Object.assign(doubt, { number: index + 1, settled: page.edits.places.some((place) => place.doubt === index) }));
  stage.doubts = page.doubts;
  showFacts(page.medium, page.edits, page.doubts, { ...act, running: page.running });
  showHistory();
  page.bar?.draw();
  stage.render();
}

// A doubt is settled while the place that was drawn for it is there: undo brings it back.
const openDoubts = () => page.doubts.filter((doubt) => !doubt.settled);

function showWork(on) {
  $("work").hidden = !on;
  $("panel").hidden = !on;
  $("empty").hidden = on;
  $("main").classList.toggle("lonely", !on);
  const blank = !on && !page.items.length && STATES.every((state) => !page.counts[state]);
  $("main").classList.toggle("blank", blank);
}

function showEmpty(item = null) {
  leave();
  page.edits = null;
  closeFilm();
  stage.clear();
  showWork(false);
  const busy = page.jobs.length || page.uploads.length;
  const begun = STATES.some((state) => page.counts[state]);
  const parts = [];
  if (item) {
    parts.push(el("h2", {}, t("queue.failed")), el("p", {}, item.source), el("p", {}, item.reasons[0]?.text ?? ""));
    if (item.uploaded) parts.push(el("button", { type: "button", onclick: () => discard(item) }, t("discard")));
  } else {
    const ready = n("done.added.ready", page.counts.ready ?? 0);
    const waiting = page.tab !== "review" && page.counts.review;
    parts.push(el("h2", {}, t(busy ? "hero.busy" : waiting ? "hero.more" : begun ? "hero.done" : "hero.first")),
      el("p", {}, busy ? "" : waiting ? n("done.added.review", page.counts.review) : begun ? t("hero.done.text", { ready }) : t("hero.first.text")));
  }
  parts.push(el("div", { class: "zone" }, icon("drop", { viewBox: "0 0 48 48" }), el("strong", {}, t("hero.zone")),
    el("button", { type: "button", class: "primary", id: "choose", onclick: () => $("files").click() }, t("hero.choose")),
    el("span", { class: "soft" }, t("hero.private"))));
  if (!begun && !item) parts.push(el("ol", { class: "steps" }, [1, 2, 3].map((k) => el("li", {}, el("b", {}, `${k}. ${t(`step.${k}`)}`), el("span", {}, t(`step.${k}.text`))))));
  const had = $("empty").contains(document.activeElement);
  fill($("empty"), el("div", { class: "hero" }, parts));
  if (had) $("choose").focus();
}

// ---- header and tools

function showTabs() {
  $("handover").hidden = page.tab !== "ready" || !page.counts.ready;
  const tabs = STATES.map((state) => el("button", {
    type: "button", class: state === "review" ? "waiting" : null, "data-focus": state, "aria-current": state === page.tab ? "true" : null, onclick: () => choose(state),
  }, t(`tab.${state}`), el("b", {}, String(page.counts[state] ?? 0))));
  const focused = $("tabs").contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  fill($("tabs"), tabs);
  if (focused) $("tabs").querySelector(`[data-focus=${focused}]`).focus();
}

async function choose(state) {
  leave();
  page.tab = state;
  page.medium = null;
  page.wanted = null;
  showTabs();
  try {
    await refresh();
  } catch (error) {
    failed(error);
  }
}

function showTools() {
  const view = (mode) => {
    const button = el("button", { type: "button", class: "icon", "aria-pressed": String(stage.shown === mode), "data-focus": mode, onclick: () => stage.setMode(mode) }, icon(mode));
    name(button, `${t(`view.${mode}`)} (${MODES.indexOf(mode) + 1})`);
    return button;
  };
  const tool = (id, key) => {
    const button = el("button", { type: "button", class: "icon", "aria-pressed": String(stage.tool === id), "data-focus": id, disabled: page.medium?.state !== "review", onclick: () => stage.setTool(id) }, icon(id), el("span", { class: "word" }, id === "hide" ? t("tool.hide.short") : ""));
    name(button, `${t(`tool.${id}`)} (${key})`);
    return button;
  };
  const kinds = el("select", { id: "kind", "aria-label": t("tool.kind"), title: t("tool.kind"), disabled: page.medium?.state !== "review", onchange: () => setKind(kinds.value) },
    KINDS.map((kind) => el("option", { value: kind, selected: kind === stage.kind }, t(`place.${kind}`))));
  const focus = document.activeElement?.dataset?.focus;
  fill($("views"), MODES.map(view));
  fill($("toolset"), tool("move", "V"), tool("hide", "H"), kinds, tool("keep", "K"));
  if (focus) document.querySelector(`.stagebar [data-focus=${CSS.escape(focus)}]`)?.focus();
}

function setKind(kind) {
  stage.kind = kind;
  const selected = page.edits?.selected && page.edits.get(page.edits.selected);
  if (selected && selected.kind !== "keep") page.edits.kind(selected.key, kind);
  else stage.setTool("hide");
}

function showHistory() {
  $("undo").disabled = !page.edits?.canUndo || Boolean(page.running);
  $("redo").disabled = !page.edits?.canRedo || Boolean(page.running);
}

function showZoom() { $("zoom-fit").textContent = percent(stage.view.scale); }

function showTheme() {
  const theme = remembered("theme", "auto");
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  $("theme-icon").setAttribute("href", `static/icons.svg#${theme}`);
  name($("theme"), t(`theme.${theme}`));
}

async function setLanguage(wanted) {
  await speak(wanted);
  fill($("language"), page.session.languages.map((one) => el("option", { value: one, selected: one === language, lang: one }, tongue(one))));
  $("folder").textContent = page.session.folder;
  showTheme();
  showTabs();
  showTools();
  showZoom();
  showItems(page.tab, page.items, page.medium?.id, (id) => open(id));
  showJobs([...page.uploads, ...page.jobs]);
  if (page.medium) {
    showDecision(page.medium, act, page.initials);
    if (page.loaded) stage.show({ width: page.medium.width, height: page.medium.height, edits: page.edits, doubts: page.doubts, images: stage.images, film: page.film, keepView: true });
    if (page.film) page.bar = new FilmBar(page.film, page.edits, page.bar);
    draw();
  } else showEmpty();
}

// The program's own sentences once more, in the language that was just chosen.
async function reworded() {
  if (!await fetched()) return;
  const { medium } = page;
  showItems(page.tab, page.items, medium?.id, (id) => open(id));
  if (!medium) return;
  const { reasons, checks, traces, decision, doubts } = await get(`media/${medium.id}`);
  if (page.medium !== medium) return;
  Object.assign(medium, { reasons, checks, traces, decision });
  doubts.forEach(({ text }, index) => { page.doubts[index].text = text; });
  draw();
}

// ---- what a person does

const act = {
  look(doubt) {
    page.shownDoubt = page.doubts.indexOf(doubt);
    for (const other of page.doubts) other.shown = other === doubt;
    if (page.film) page.film.seek(doubt.seconds);
    stage.reveal(doubt.rect);
  },
  hide(doubt) {
    // What is hidden until somebody has looked is among the places: there it can be taken off.
    if (doubt.hidden) return act.look(doubt);
    const more = page.film ? { follow: doubt.seconds } : {};
    return page.edits.add(doubt.rect, doubt.kind, { doubt: page.doubts.indexOf(doubt), ...more });
  },
  pick(place) {
    page.edits.select(place.key);
    if (page.film && !page.film.has(place)) page.film.seek(asked(place) ? place.follow : page.film.span(place)[0]);
    stage.reveal(stage.rectOf(place));
    draw();
  },
  async apply() {
    if (!page.medium || page.running || page.medium.state !== "review") return;
    const { medium } = page;
    page.running = -1;
    try {
      const job = await post(`media/${medium.id}/apply`, page.edits.instructions());
      page.jobs.push(job);
      if (page.medium === medium) {
        page.running = job.number;
        stage.message([el("div", { class: "spin" }), t("stage.applying")]);
        draw();
      }
      setTimeout(poll, 400);
    } catch (error) {
      if (page.medium === medium) page.running = 0;
      failed(error, "failed.apply");
    }
  },
  signed: (initials) => { page.initials = initials.trim(); },
  reset: () => page.edits.reset(),
  approve: () => decide("approve", "done.approved"),
  reject: () => decide("reject", "done.rejected"),
  skip: () => step(1),
  async reopen(medium) {
    if (who()) await takeBack(medium);
  },
  discard: (medium) => discard(medium),
};

function who() {
  page.initials = $("initials")?.value.trim() ?? page.initials;
  if (page.initials) return page.initials;
  complain(t("decide.initials.missing"), "initials");
  return null;
}

async function decide(action, said) {
  const { medium } = page;
  if (!medium || medium.state !== "review" || page.running) return;
  complain("");
  if (action === "approve") {
    if ($("approve").disabled) return;
    if (page.edits.dirty) return complain(t("decide.dirty"));
    if (!page.loaded) return complain(t("decide.loading"));
  }
  const initials = who();
  if (!initials) return;
  const at = page.items.findIndex((item) => item.id === medium.id);
  const words = { initials, note: $("note").value };
  // On to the next at once; should the program refuse, this one comes back with its reason.
  page.items = page.items.filter((item) => item.id !== medium.id);
  page.medium = null;
  page.deciding.add(medium.id);
  showItems(page.tab, page.items, null, (id) => open(id));
  const next = openAt(at);
  try {
    await post(`media/${medium.id}/${action}`, words).finally(() => page.deciding.delete(medium.id));
    note(t(said, { name: medium.source }), { action: t("done.undo"), onAction: () => takeBack(medium) });
  } catch (error) {
    await next;
    if (error instanceof Gone) return end();
    failed(error, "failed.decision");
    if (await fetched()) showItems(page.tab, page.items, page.medium?.id, (id) => open(id));
  }
  await next;
  poll();
}

async function takeBack(medium) {
  try {
    await post(`media/${medium.id}/reopen`, { initials: page.initials });
    note(t("done.reopened", { name: medium.source }));
    page.tab = "review";
    page.medium = null;
    page.wanted = null;
    if (!await fetched()) return;
    showItems(page.tab, page.items, medium.id, (id) => open(id));
    await open(medium.id);
    await poll();
  } catch (error) {
    failed(error);
  }
}

// A question in the page's own words; Escape says no.
function sure(title, text, yes) {
  const box = $("sure");
  return new Promise((resolve) => {
    fill(box, el("h2", { id: "sure-title" }, title), el("p", {}, text),
      el("div", { class: "dialog-foot end" },
        el("button", { type: "button", onclick: () => box.close("no") }, t("no")),
        el("button", { type: "button", class: "reject", onclick: () => box.close("yes") }, yes)));
    box.returnValue = "no";
    box.onclose = () => resolve(box.returnValue === "yes");
    box.showModal();
  });
}

async function discard(item) {
  if (!await sure(t("discard"), t("discard.sure"), t("discard.yes"))) return;
  try {
    await post(`media/${item.id}/discard`);
    note(t("done.discarded"));
    await choose(page.tab);
  } catch (error) {
    failed(error);
  }
}

async function add(files) {
  const queue = [...files];
  page.uploads.push(...queue.map((file) => ({ source: file.name, what: "upload", stage: "working", done: 0, total: file.size || 1, file })));
  showJobs([...page.uploads, ...page.jobs]);
  if (!page.medium) showEmpty();
  // One after the other: the disk and the road take them so anyway.
  for (const item of page.uploads.filter((one) => queue.includes(one.file))) {
    try {
      page.jobs.push(await upload(item.file, (done, total) => { Object.assign(item, { done, total }); showJobs([...page.uploads, ...page.jobs]); }));
    } catch (error) {
      if (error instanceof Gone) return end();
      note(t("failed.added", { name: item.source, error: error.message }), { bad: true });
    } finally {
      page.uploads.splice(page.uploads.indexOf(item), 1);
      showJobs([...page.uploads, ...page.jobs]);
    }
  }
  poll();
}

// Folders too: what is dropped is walked, one level after the other.
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return add(transfer.files);
  const files = [];
  const walk = async (entry) => {
    if (entry.name.startsWith(".")) return;
    if (entry.isFile) files.push(await new Promise((resolve, reject) => { entry.file(resolve, reject); }));
    else {
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
        if (!some.length) break;
        for (const one of some) await walk(one);
      }
    }
  };
  for (const entry of entries) await walk(entry);
  return add(files);
}

// ---- keys

const keys = {
  a: () => act.approve(), x: () => act.reject(), s: () => act.skip(),
  ArrowRight: () => step(1), ArrowLeft: () => step(-1), b: () => step(-1),
  v: () => stage.setTool("move"), h: () => edit("hide"), k: () => edit("keep"),
  p: () => page.film?.toggle(), ",": () => page.film?.step(-1), ".": () => page.film?.step(1),
  n: () => nextDoubt(), o: () => stage.toggleOutlines(), f: () => hideShown(),
  1: () => stage.setMode("side"), 2: () => stage.setMode("slider"), 3: () => stage.setMode("original"), 4: () => stage.setMode("result"),
  "+": () => stage.zoom(1.25), "=": () => stage.zoom(1.25), "-": () => stage.zoom(0.8), 0: () => stage.fit(), "?": () => help(),
};

const edit = (tool) => { if (page.medium?.state === "review") stage.setTool(tool); };

function nextDoubt() {
  const open = openDoubts();
  if (!open.length) return;
  page.turn = ((page.turn ?? -1) + 1) % open.length;
  act.look(open[page.turn]);
}

function hideShown() {
  const open = page.edits ? openDoubts() : [];
  const doubt = open.find((one) => one.shown) ?? open[0];
  if (doubt && page.medium?.state === "review" && !page.running) act.hide(doubt);
}

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function placeKey(event, key) {
  const place = page.edits.get(key);
  if (!place || page.running || page.medium.state !== "review") return false;
  const move = MOVES[event.key];
  if (move) {
    const size = Math.max(1, Math.round((event.shiftKey ? 12 : 2) / stage.view.scale));
    const [x, y, w, h] = stage.rectOf(place);
    if (!event.repeat) page.edits.mark();
    page.edits.select(key);
    page.edits.set(key, event.altKey ? [x, y, Math.max(4, w + move[0] * size), Math.max(4, h + move[1] * size)] : [x + move[0] * size, y + move[1] * size, w, h], stage.moment);
  } else if (event.key === "Delete" || event.key === "Backspace") page.edits.toggle(key);
  else if (event.key === "Enter" || event.key === " ") page.edits.select(key);
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  if (page.ended || document.querySelector("dialog[open]")) return;
  const typing = event.target.closest("input:not([type=checkbox], [type=range]), textarea, select");
  const ctrl = event.ctrlKey || event.metaKey;
  const done = () => { event.preventDefault(); };
  if (ctrl && event.key === "Enter") { done(); return act.apply(); }
  if (typing) {
    if (event.key === "Enter" && event.target.closest("#decide")) { done(); return act.approve(); }
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (ctrl && event.key.toLowerCase() === "z") { done(); return page.edits && !page.running && (event.shiftKey ? page.edits.redo() : page.edits.undo()); }
  if (ctrl && event.key.toLowerCase() === "y") { done(); return page.edits && !page.running && page.edits.redo(); }
  if (ctrl) return;
  const group = event.target.closest?.(".region");
  if (group?.dataset.key && page.edits && placeKey(event, group.dataset.key)) return done();
  if (group?.dataset.doubt && event.key === "Enter") { done(); return act.hide(stage.doubts[Number(group.dataset.doubt)]); }
  if (event.altKey) return;
  if (event.key === "Escape") { stage.setTool("move"); page.edits?.select(null); return; }
  if (event.key === " " && page.film && event.target === document.body) { page.film.toggle(); return done(); }
  if (event.key === " " && event.target === document.body) { stage.space = true; return done(); }
  if ((event.key === "Delete" || event.key === "Backspace") && page.edits?.selected && page.medium.state === "review" && !page.running) { done(); return page.edits.toggle(page.edits.selected); }
  if (event.key === "Enter" && stage.tool !== "move" && page.edits && !event.target.closest("button, a, summary")) { done(); return stage.addInTheMiddle(); }
  if (!page.singleKeys || event.repeat && /^[axs]$/i.test(event.key)) return;
  if (event.target.closest("[role=slider], [type=range]") && event.key.startsWith("Arrow")) return;
  const key = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (key && (page.medium || event.key === "?")) { done(); key(); }
});
document.addEventListener("keyup", (event) => { if (event.key === " ") stage.space = false; });

function help() {
  const rows = [
    ["approve", "A"], ["reject", "X"], ["skip", "S", "→"], ["back", "B", "←"], ["doubt", "N"], ["doubt.hide", "F"],
    ["hide", "H"], ["keep", "K"], ["move", "V"], ["views", "1", "2", "3", "4"], ["outlines", "O"], ["zoom", "+", "−", "0"], ["play", "P", "␣"], ["frame", ",", "."],
    ["place", "Tab"], ["arrows", "←↑→↓"], ["resize", "Alt ←↑→↓"], ["delete", t("cap.delete")], ["undo", "Ctrl Z", "Ctrl Y"], ["apply", "Ctrl ↵"], ["help", "?"],
  ];
  const single = el("input", { type: "checkbox", id: "single", onchange: () => { page.singleKeys = single.checked; remember("single-keys", single.checked ? "on" : "off"); } });
  single.checked = page.singleKeys;
  fill($("help"),
    el("h2", { id: "help-title" }, t("help.title")),
    el("dl", { class: "keys" }, rows.map(([what, ...caps]) => el("div", {}, el("dt", {}, caps.map((cap) => el("kbd", {}, cap))), el("dd", {}, t(`key.${what}`))))),
    el("div", { class: "dialog-foot" }, el("label", { class: "switch" }, single, t("help.single")),
      el("button", { type: "button", class: "primary", onclick: () => $("help").close() }, t("help.close"))));
  $("help").showModal();
}

// ---- start

stage.addEventListener("view", showZoom);
stage.addEventListener("mode", () => { remember("mode", stage.mode); showTools(); });
stage.addEventListener("tool", showTools);
stage.addEventListener("doubt", (event) => { const doubt = stage.doubts[event.detail]; if (page.medium.state === "review" && !page.running) act.hide(doubt); });
$("undo").onclick = () => page.edits.undo();
$("redo").onclick = () => page.edits.redo();
$("zoom-in").onclick = () => stage.zoom(1.25);
$("zoom-out").onclick = () => stage.zoom(0.8);
$("zoom-fit").onclick = () => stage.fit();
$("help-open").onclick = help;
$("release-open").onclick = () => askRelease({
  folder: page.session.release_folder, count: page.counts.ready, initials: page.initials,
  onSigned: (initials) => { page.initials = initials; }, onGone: end, onDone: () => poll(),
});
$("add").onclick = () => $("files").click();
$("files").onchange = () => { add($("files").files); $("files").value = ""; };
$("language").onchange = () => { remember("language", $("language").value); setLanguage($("language").value).then(reworded).catch(failed); };
$("theme").onclick = () => { const order = ["auto", "light", "dark"]; remember("theme", order[(order.indexOf(remembered("theme", "auto")) + 1) % 3]); showTheme(); };
$("decide").onsubmit = (event) => event.preventDefault();
$("ended").oncancel = (event) => event.preventDefault();

for (const kind of ["keydown", "pointerdown", "wheel", "input"]) addEventListener(kind, () => { page.active = true; }, { capture: true, passive: true });

addEventListener("beforeunload", (event) => { if (!page.ended && (page.edits?.dirty || page.kept.size)) event.preventDefault(); });

let inside = 0;
addEventListener("dragenter", (event) => { if ([...event.dataTransfer.types].includes("Files")) { event.preventDefault(); inside += 1; $("drop").hidden = false; } });
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("dragleave", () => { inside = Math.max(0, inside - 1); $("drop").hidden = inside === 0; });
addEventListener("drop", (event) => { event.preventDefault(); inside = 0; $("drop").hidden = true; dropped(event.dataTransfer).catch(failed); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });

async function start() {
  page.session = await get("session");
  page.singleKeys = remembered("single-keys", "on") === "on";
  const narrow = window.innerWidth < 1000;
  stage.mode = MODES.includes(remembered("mode", "")) ? remembered("mode", "") : narrow ? "slider" : "side";
  const wanted = remembered("language", page.session.language);
  await setLanguage(page.session.languages.includes(wanted) ? wanted : page.session.language);
  await beat();
}
start().catch(failed);
