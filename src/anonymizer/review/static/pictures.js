// Originals and results as object URLs, the next ones fetched ahead. They live in memory only, and few at a time.

import { blob } from "./api.js";

const HELD = 8;
const held = new Map();

export function picture(id, what, version) {
  const key = `${id} ${what} ${version}`;
  let promise = held.get(key);
  if (promise) held.delete(key);
  else {
    promise = blob(`media/${id}/${what}`).then((data) => URL.createObjectURL(data));
    promise.catch(() => held.delete(key));
  }
  held.set(key, promise);
  while (held.size > HELD) {
    const [oldest, old] = held.entries().next().value;
    held.delete(oldest);
    old.then((url) => URL.revokeObjectURL(url), () => {});
  }
  return promise;
}
