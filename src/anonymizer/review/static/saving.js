// @ts-check
// What is ready, on its way out: saved under its neutral name, several in one archive, on the clipboard, in its folder.

import { archive, blob, post } from "./api.js";
import { note } from "./notes.js";
import { failed } from "./session.js";
import { n, t } from "./words.js";

/** @typedef {import("./api.js").Item} Item */

/** @param {string} address @param {string} name */
function take(address, name) {
  const link = document.createElement("a");
  Object.assign(link, { href: address, download: name });
  link.click();
}

/** @param {Item[]} items  that are ready */
export async function save(items) {
  if (items.length === 1) return take(`api/media/${items[0].id}/save`, items[0].name);
  try {
    const address = URL.createObjectURL(await archive(items.map((item) => item.id)));
    take(address, "anonymizer.zip");
    setTimeout(() => URL.revokeObjectURL(address), 60000);
    note(n("done.saved", items.length));
  } catch (error) {
    failed(error);
  }
}

/** A photo on the clipboard, as its pixels alone. @param {Item} item */
export async function copy(item) {
  try {
    const picture = blob(`media/${item.id}/result`).then(asPng);
    await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
    note(t("done.copied", { name: item.name }));
  } catch (error) {
    failed(error);
  }
}

/** @param {Blob} data @returns {Promise<Blob>} */
async function asPng(data) {
  const bitmap = await createImageBitmap(data);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/** @param {"ready" | "release"} folder  that the system is to show */
export const openFolder = (folder) => post("open", { folder }).catch(failed);
