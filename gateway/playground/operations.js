// How the gateway is doing, asked every two seconds while somebody looks: its Tritons and its own metrics.

import { ask, askJson, Failure } from "./api.js";
import { Charts } from "./charts.js";
import { $, el } from "./dom.js";
import { read } from "./exposition.js";
import { number, say } from "./words.js";

const PERIOD = 2000;
const STATES = { up: "good", unknown: "fair", half_open: "fair", draining: "fair", ejected: "bad", down: "bad" };
const COLUMNS = ["address", "state", "in_flight", "outstanding", "engine", "kv", "slowness", "weight", "reason"];

export class Operations {
  constructor() {
    this.charts = new Charts($("charts"));
    this.timer = 0;
    this.shown = false;
    $("of-model").addEventListener("change", () => this.charts.clear());
    document.addEventListener("visibilitychange", () => this.show(this.shown));
  }

  /** Whether somebody looks at it. */
  show(shown) {
    this.shown = shown;
    clearTimeout(this.timer);
    if (shown && !document.hidden) this.#round();
  }

  relabel() {
    if (this.last) this.#table(this.last);
  }

  async #round() {
    clearTimeout(this.timer);
    const round = (this.round = {});
    try {
      const [endpoints, metrics] = await Promise.all([askJson("debug/endpoints"), ask("metrics").then((reply) => reply.text())]);
      if (round !== this.round) return;
      this.#models(Object.keys(endpoints));
      this.#table((this.last = endpoints));
      this.charts.push(read(metrics), performance.now(), $("of-model").value);
      this.#said(null);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.#said(error);
    } finally {
      if (round === this.round && this.shown && !document.hidden) this.timer = setTimeout(() => this.#round(), PERIOD);
    }
  }

  #said(failure) {
    const note = $("operations-said");
    note.hidden = !failure;
    if (!failure) return;
    const kind = failure.kind === "forbidden" ? "forbidden_operations" : failure.kind;
    if (note.dataset.word !== `fail_${kind}_hint`) say(note, `fail_${kind}_hint`, { ...failure, origin: location.origin });
    if (failure.kind !== "unreachable") $("endpoints").replaceChildren();
  }

  #models(names) {
    const select = $("of-model");
    if (select.options.length === names.length + 1) return;
    const chosen = select.value;
    select.replaceChildren(el("option", { value: "", word: "all_models" }), ...names.map((name) => el("option", { value: name }, name)));
    select.value = names.includes(chosen) ? chosen : "";
  }

  #table(models) {
    const head = el("tr", {}, el("th", { scope: "col", word: "model" }), ...COLUMNS.map((name) => el("th", { scope: "col", word: `col_${name}` })));
    const rows = Object.entries(models).flatMap(([model, endpoints]) => endpoints.map((endpoint, at) => row(model, endpoint, at)));
    $("endpoints").replaceChildren(el("thead", {}, head), el("tbody", {}, ...rows));
  }
}

function row(model, endpoint, at) {
  const { address, state, reason, in_flight: here, outstanding_tokens: outstanding, slowness, weight, load } = endpoint;
  const engine = load.running === null && load.waiting === null ? "–" : `${load.running ?? "–"} + ${load.waiting ?? "–"}`;
  const kv = load.kv_used_fraction === null ? "–" : `${number(load.kv_used_fraction * 100)} %`;
  const mark = el("span", { class: "state", "data-health": STATES[state] ?? "fair" }, el("span", { class: "dot", "aria-hidden": "true" }));
  mark.append(el("span", { word: `state_${state}` }));
  const figures = [number(here), number(outstanding), engine, kv, number(slowness, 2), number(weight, weight % 1 ? 2 : 0)];
  return el(
    "tr",
    {},
    el("th", { scope: "row", class: at ? "repeated" : "" }, model),
    el("td", {}, el("code", {}, address)),
    el("td", {}, mark),
    ...figures.map((figure) => el("td", { class: "figure" }, figure)),
    el("td", { class: "reason" }, reason ?? ""),
  );
}
