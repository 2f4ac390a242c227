// A failure as a person understands it: what happened, what to do, and what the gateway said in its own words.

import { el } from "./dom.js";
import { BASE } from "./api.js";
import { say } from "./words.js";

/** A box. `again` tries again; where the gateway says when, not before that. */
export function failureBox(failure, again) {
  const { kind, message, status, retryAfter, id, at } = failure;
  const title = el("h3");
  const hint = el("p");
  const filling = { origin: BASE.origin, status, seconds: retryAfter };
  say(title, `fail_${kind}`, filling);
  say(hint, `fail_${kind}_hint`, filling);
  const box = el("div", { class: "failure", "data-kind": kind }, el("div", { role: "alert" }, title, hint));
  if (message) box.append(el("p", { class: "own-words" }, el("span", { word: "own_words" }), el("q", {}, message)));
  if (id) box.append(el("p", { class: "request-id" }, el("span", { word: "request_id" }), el("code", {}, id)));
  if (again && !NO_USE.has(kind)) {
    const button = el("button", { type: "button", class: "main", click: again });
    box.append(button);
    countDown(button, at + retryAfter * 1000);
  }
  return box;
}

// The same request would fail the same way.
const NO_USE = new Set(["too_long", "too_large", "never_fits", "key_needed", "key_wrong"]);

function countDown(button, until) {
  const left = Math.ceil((until - Date.now()) / 1000);
  button.disabled = left > 0;
  if (left <= 0) return say(button, "again");
  say(button, "again_in", { seconds: left });
  setTimeout(() => button.isConnected && countDown(button, until), 250);
}
