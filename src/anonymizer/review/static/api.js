// Every word between the page and the program. A refusal is an Error whose message is the program's own sentence.

import { language } from "./words.js";

export class Refused extends Error {}
export class Gone extends Error {}

async function answer(response) {
  if (response.status === 403) throw new Gone("closed");
  if (response.status === 409) throw new Refused((await response.json()).error);
  if (!response.ok) throw new Refused(`${response.status} ${await response.text()}`);
  return response;
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options, headers: { "accept-language": language, ...options?.headers } });
  } catch {
    throw new Gone("unreachable");
  }
  return answer(response);
}

export const get = async (path) => (await ask(`api/${path}`)).json();
export const blob = async (path) => (await ask(`api/${path}`)).blob();

export const post = async (path, body = {}) =>
  (await ask(`api/${path}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })).json();

// XMLHttpRequest alone tells how much of an upload has gone.
export const upload = (file, onProgress) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "api/uploads");
    request.setRequestHeader("content-type", "application/octet-stream");
    request.setRequestHeader("accept-language", language);
    request.setRequestHeader("x-file-name", encodeURIComponent(file.name).slice(0, 900));
    request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
    request.onerror = () => reject(new Gone("unreachable"));
    request.onload = () => {
      if (request.status === 202) return resolve(JSON.parse(request.responseText));
      if (request.status === 409) return reject(new Refused(JSON.parse(request.responseText).error));
      return reject(request.status === 403 ? new Gone("closed") : new Refused(`${request.status} ${request.responseText}`));
    };
    request.send(file);
  });
