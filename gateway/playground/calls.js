// The calls of an answer, and the fields in which a person gives back what the tools would have said.

import { el } from "./dom.js";

/** A card. `give` gets the results, in the order of the calls; null while the calls are still being written. */
export function callCard(answer, give) {
  const fields = [];
  const parts = answer.calls.map((call, at) => {
    const id = `result-${call.id || at}-${Math.random().toString(36).slice(2, 8)}`;
    const field = el("textarea", { id, rows: "2", class: "code", spellcheck: "false" });
    field.value = call.result ?? "";
    field.readOnly = call.result !== undefined;
    fields.push(field);
    return el(
      "div",
      { class: "call" },
      el("p", { class: "call-name" }, el("span", { word: "call" }), el("code", {}, call.name)),
      el("pre", { tabindex: "0" }, pretty(call.arguments)),
      give && el("label", { for: id, word: "call_result" }),
      give && field,
    );
  });
  const open = give && answer.calls.some((call) => call.result === undefined);
  const form = el("form", { class: "call-card" }, ...parts);
  if (open) {
    form.append(el("button", { type: "submit", class: "main", word: "give_back" }));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      give(fields.map((field) => field.value));
    });
  }
  return form;
}

/** Arguments as they are read best; as they came where they are not JSON. */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
