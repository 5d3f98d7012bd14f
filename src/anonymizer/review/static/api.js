// @ts-check
// Every word between the page and the program. A refusal is an Error whose message is the program's own sentence.
// Rectangles are [x, y, w, h] in pixels of the upright picture, times seconds from a clip's first frame.

import { language } from "./words.js";

/** @typedef {[number, number, number, number]} Rect */
/** @typedef {{version: string, language: string, spoken: boolean, languages: string[], folder: string, release_folder: string, release_answers: boolean, release_seen: boolean, names: Names}} Session */
/** @typedef {{name: string, date: string, case: string, example: string}} Names  of outputs; empty: random ones */
/** @typedef {{doing: string, since: string, said: string | null, queued: number, waiting: number}} Watcher */
/** @typedef {{text: string, kind?: string, question?: string, rect?: Rect, failed?: boolean}} Reason */
/** @typedef {{initials: string, decided: string, reasons: string[]}} Decision */
/** @typedef {{id: string, state: string, source: string, uploaded: boolean, version: string, type: string, weight: number, name: string, added: string, seen?: boolean, released?: boolean, regions: number, reasons: Reason[], decision: Decision | null}} Item */
/** @typedef {{text: string, kind: string, question: string, hidden: boolean, rect: Rect, seconds: number, number: number, answer?: string, settled?: boolean, shown?: boolean}} Doubt */
/** @typedef {Item & {folder: string}} Passed  a file that was not taken, and the folder it lies in; empty if it was dropped here */
/** @typedef {Item & {width: number, height: number, duration: number, frames: number, doubts: Doubt[], draft: object | null, history: {action: string, who: string, note: string, at: string}[], checks: {result: string, text: string}[], traces: string[]}} Medium */
/** @typedef {{number: number, source: string, stage: string, what?: string, done: number, total: number, replaces: string, verdict: string, id: string, error: string, approved: boolean, why: string}} Job */

export class Refused extends Error {
  /** What became of a file that was refused: "not-taken" (it is on that list now) or "skipped" by rule; else empty. */
  how = "";
}
/** @typedef {{file: File, within: string}} Dropped  with the folders that it was dropped in, by "/" */
export class Gone extends Error {}

/** @param {Response} response */
async function answer(response) {
  if (response.status === 403) throw new Gone("closed");
  if (response.status === 409) throw new Refused((await response.json()).error);
  if (!response.ok) throw new Refused(`${response.status} ${await response.text()}`);
  return response;
}

/** @param {string} path @param {RequestInit} [options] */
async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options, headers: { "accept-language": language, ...options?.headers } });
  } catch {
    throw new Gone("unreachable");
  }
  return answer(response);
}

/** @param {string} path @returns {Promise<any>} */
export const get = async (path) => (await ask(`api/${path}`)).json();
/** @param {string} path */
export const blob = async (path) => (await ask(`api/${path}`)).blob();

/** @param {string} path @param {object} body @returns {Promise<any>} */
export const post = async (path, body = {}) =>
  (await ask(`api/${path}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })).json();

/** Several outputs in one archive. @param {string[]} ids */
export const archive = async (ids) => (await ask("api/save", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ ids }) })).blob();

/** What is drawn and not applied yet, as JSON; sent even as the window closes. @param {string} id @param {string} body */
export const keep = (id, body) => ask(`api/media/${id}/draft`, { method: "POST", keepalive: body.length < 60000, headers: { "content-type": "application/json" }, body });

// XMLHttpRequest alone tells how much of an upload has gone.
/** @param {Dropped} dropped @param {(done: number, total: number) => void} onProgress @returns {Promise<Job>} */
export const upload = ({ file, within }, onProgress) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "api/uploads");
    request.setRequestHeader("content-type", "application/octet-stream");
    request.setRequestHeader("accept-language", language);
    request.setRequestHeader("x-file-name", encodeURIComponent(file.name).slice(0, 900));
    if (within) request.setRequestHeader("x-folder", encodeURIComponent(within));
    request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
    request.onerror = () => reject(new Gone("unreachable"));
    request.onload = () => {
      if (request.status === 202) return resolve(JSON.parse(request.responseText));
      if (request.status === 409) {
        const { error, how } = JSON.parse(request.responseText);
        return reject(Object.assign(new Refused(error), { how }));
      }
      return reject(request.status === 403 ? new Gone("closed") : new Refused(`${request.status} ${request.responseText}`));
    };
    request.send(file);
  });
