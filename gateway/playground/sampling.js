// The sliders. Each field is left out of the request until it is set: then the server's own default holds, and the page
// does not pretend to know it.

import { $, el } from "./dom.js";
import { hint } from "./words.js";

// name, least, most, step, where the slider stands before it is set
const ROWS = [
  ["temperature", 0, 2, 0.05, 1],
  ["top_p", 0, 1, 0.01, 1],
  ["top_k", 0, 200, 1, 0],
  ["max_tokens", 1, 4096, 1, 1024],
  ["frequency_penalty", -2, 2, 0.05, 0],
  ["presence_penalty", -2, 2, 0.05, 0],
  ["repetition_penalty", 0.5, 2, 0.01, 1],
  ["seed", 0, 4294967295, 1, null],
];

/** Builds the rows. `changed` is told when any is set. */
export class Sampling {
  constructor(changed) {
    this.rows = new Map(ROWS.map((row) => [row[0], new Row(row, changed)]));
    $("sampling").append(...[...this.rows.values()].map((row) => row.node));
  }

  /** The fields that are set. */
  get fields() {
    const set = [...this.rows].filter(([, row]) => row.value !== null);
    return Object.fromEntries(set.map(([name, row]) => [name, row.value]));
  }

  set fields(fields) {
    for (const [name, row] of this.rows) row.value = fields?.[name] ?? null;
  }

  /** What the chosen model can do. */
  fit({ longest, unsupported }) {
    for (const [name, row] of this.rows) row.allow(!unsupported.includes(name));
    if (longest) this.rows.get("max_tokens").most(longest);
  }
}

class Row {
  constructor([name, min, max, step, neutral], changed) {
    Object.assign(this, { name, neutral, changed });
    const id = `sampling-${name}`;
    this.number = el("input", { id, type: "number", min, max, step, inputmode: "decimal", autocomplete: "off" });
    hint(this.number, neutral === null ? "random" : "default");
    this.clear = el("button", { type: "button", class: "clear", label: "unset", click: () => this.#set(null) }, "×");
    this.range = neutral === null ? null : el("input", { type: "range", min, max, step, "aria-label": name });
    const label = el("label", { for: id }, el("code", {}, name));
    this.node = el("div", { class: "slider" }, label, this.range ?? el("span"), this.number, this.clear);
    this.number.addEventListener("input", () => this.#typed());
    this.range?.addEventListener("input", () => this.#set(Number(this.range.value)));
    this.value = null;
  }

  get value() {
    return this.held;
  }

  set value(value) {
    this.held = typeof value === "number" && Number.isFinite(value) ? value : null;
    this.number.value = this.held ?? "";
    this.#show();
  }

  allow(able) {
    this.node.classList.toggle("unable", !able);
    for (const input of [this.number, this.range]) if (input) input.disabled = !able;
    if (!able) this.value = null;
  }

  most(most) {
    this.number.max = this.range.max = most;
    if (this.held > most) this.value = most;
    this.#show();
  }

  #typed() {
    const { value, min, max, step, validity } = this.number;
    const typed = value === "" || validity.badInput ? null : Number(value);
    const inside = typed === null || (typed >= Number(min) && typed <= Number(max) && (step !== "1" || Number.isInteger(typed)));
    this.number.setAttribute("aria-invalid", String(!inside));
    if (!inside) return; // the last good one holds
    this.held = typed;
    this.#show();
    this.changed();
  }

  #set(value) {
    this.value = value;
    this.changed();
  }

  #show() {
    this.number.removeAttribute("aria-invalid");
    this.clear.hidden = this.held === null;
    this.node.classList.toggle("set", this.held !== null);
    if (this.range) this.range.value = this.held ?? this.neutral;
  }
}
