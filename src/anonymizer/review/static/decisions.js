// @ts-check
// Approve, reject, take back, delete the copy, hand out: what a person signs with initials.

import { Gone, post } from "./api.js";
import { $, draw, el } from "./dom.js";
import { note } from "./notes.js";
import { DecisionForm } from "./panel.js";
import { end, failed } from "./session.js";
import { t } from "./words.js";

/** @typedef {import("./api.js").Medium} Medium */

export class Decisions {
  /**
   * @param {import("./opened.js").Opened} opened
   * @param {() => Promise<void>} poll  ask the program what is new
   * @param {(state: string) => Promise<void>} choose  open a tab anew
   * @param {(said: {initials: string, note?: string, approve?: boolean}) => Promise<number>} apply  what was drawn
   */
  constructor(opened, poll, choose, apply) {
    this.opened = opened;
    this.list = opened.list;
    this.poll = poll;
    this.choose = choose;
    this.apply = apply;
    this.form = new DecisionForm({
      approve: () => this.approve(),
      reject: () => this.reject(),
      skip: () => opened.step(1),
      reopen: (/** @type {Medium} */ medium) => this.reopen(medium),
    });
  }

  /** Where to go once something is decided, if not to the next in the list: whether it went. */
  onward = () => false;

  /** Approve; where something was changed, apply it and approve what comes of it, unless that holds a surprise. */
  approve() {
    const { edits, loaded, running, correctable } = this.opened;
    if (running) return this.form.complain(t("decide.running"));
    if (!loaded) return this.form.complain(t("decide.loading"));
    if (edits?.dirty && correctable) return this.#applyAndApprove();
    if (!this.form.failed) this.#decide("approve", "done.approved");
  }

  /** Apply what was drawn, and show what comes of it. What is ready needs somebody who takes it back. */
  applyOnly() {
    const { medium } = this.opened;
    if (!medium || (medium.state === "ready" && !this.form.who())) return;
    this.apply({ initials: this.form.initials.trim() });
  }

  async #applyAndApprove() {
    const { opened, list, form } = this;
    const { medium } = opened;
    const initials = form.who();
    if (!medium || !initials) return;
    form.complain("");
    const at = list.index(medium.id);
    // The list changes while the program is told.
    const next = [...list.items.slice(at + 1), ...list.items.slice(0, at)].find((item) => !opened.runningFor(item.id));
    const id = await this.apply({ initials, note: form.note, approve: true });
    // On to the next at once: should something come up, this one waits, and says so.
    if (!id || opened.medium !== medium || this.onward() || !next) return;
    opened.open(next.id);
  }

  reject() { this.#decide("reject", "done.rejected"); }

  /**
   * @param {string} action
   * @param {string} said  the word for it afterwards
   */
  async #decide(action, said) {
    const { opened, list, form } = this;
    const { medium } = opened;
    if (!medium) return;
    if (opened.running) return form.complain(t("decide.running"));
    if (medium.state !== "review") return;
    form.complain("");
    const initials = form.who();
    if (!initials) return;
    const at = list.index(medium.id);
    const words = { initials, note: form.note };
    // On to the next at once; should the program refuse, this one comes back with its reason.
    list.drop(medium.id);
    opened.drop();
    list.draw(null);
    const next = opened.openAt(at);
    try {
      await post(`media/${medium.id}/${action}`, words).finally(() => list.deciding.delete(medium.id));
      note(t(said, { name: medium.source }), { action: t("done.undo"), onAction: () => this.#takeBack(medium) });
    } catch (error) {
      await next;
      if (error instanceof Gone) return end();
      failed(error, "failed.decision");
      if (await opened.fetch()) list.draw(opened.medium?.id ?? null);
    }
    await next;
    this.poll();
  }

  /** @param {Medium} medium */
  reopen(medium) { if (this.form.who()) this.#takeBack(medium); }

  /** @param {Medium} medium */
  async #takeBack(medium) {
    const { opened, list, form } = this;
    try {
      await post(`media/${medium.id}/reopen`, { initials: form.initials.trim() });
      note(t("done.reopened", { name: medium.source }));
      list.tab = "review";
      opened.drop();
      if (!await opened.fetch()) return;
      list.draw(medium.id);
      await opened.open(medium.id);
      await this.poll();
    } catch (error) {
      failed(error);
    }
  }

  /** @param {{id: string}} item  that was dropped here and not taken */
  async remove(item) {
    try {
      await post(`passed/${item.id}/remove`);
      await this.choose(this.list.tab);
      await this.poll();
    } catch (error) {
      failed(error);
    }
  }

  /** @param {{id: string}} item  whose original was dropped here */
  async discard(item) {
    if (!await sure(t("discard"), t("discard.sure"), t("discard.yes"))) return;
    try {
      await post(`media/${item.id}/discard`);
      note(t("done.discarded"));
      await this.choose(this.list.tab);
    } catch (error) {
      failed(error);
    }
  }
}

/**
 * A question in the page's own words; Escape says no.
 * @param {string} title
 * @param {string} text
 * @param {string} yes
 * @returns {Promise<boolean>}
 */
function sure(title, text, yes) {
  const box = $("sure");
  return new Promise((resolve) => {
    draw(box, el("h2", { id: "sure-title" }, title), el("p", {}, text),
      el("div", { class: "dialog-foot end" },
        el("button", { type: "button", onclick: () => box.close("no") }, t("no")),
        el("button", { type: "button", class: "reject", onclick: () => box.close("yes") }, yes)));
    box.returnValue = "no";
    box.onclose = () => resolve(box.returnValue === "yes");
    box.showModal();
  });
}
