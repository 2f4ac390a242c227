// Small charts of the last minutes, drawn as SVG. What is charted is a list; a metric the gateway does not have is left
// out. It knows readings and drawing. It must not know where readings come from.

import { el } from "./dom.js";
import { quantile, rate, sum } from "./exposition.js";
import { duration, number, word } from "./words.js";

const whole = (value) => number(value);
const perSecond = (value) => number(value, value < 10 ? 1 : 0);
const percent = (value) => `${number(value * 100)} %`;

// Add a line, and its word, to chart another metric. `of` is a function of two readings and the seconds between them.
const CHARTS = [
  { word: "chart_requests", unit: perSecond, of: growth("gateway_requests_total") },
  { word: "chart_tokens", unit: perSecond, of: growth("gateway_generated_tokens_total") },
  { word: "chart_prompt_tokens", unit: perSecond, of: growth("gateway_prompt_tokens_total") },
  { word: "chart_in_flight", unit: whole, of: level("gateway_requests_in_flight") },
  { word: "chart_queue", unit: whole, of: level("gateway_queue_requests") },
  { word: "chart_first", unit: duration, of: median("gateway_time_to_first_token_seconds") },
  { word: "chart_between", unit: duration, of: median("gateway_inter_token_seconds") },
  { word: "chart_cached", unit: percent, of: share("gateway_cached_tokens_total", "gateway_prompt_tokens_total") },
];

function growth(name) {
  return ({ before, now, model, seconds }) => before && rate(before, now, name, model, seconds);
}

function level(name) {
  return ({ now, model }) => sum(now, name, model);
}

function median(name) {
  return ({ before, now, model }) => before && quantile(before, now, name, model, 0.5);
}

function share(part, total) {
  return ({ before, now, model, seconds }) => {
    const [some, all] = before ? [part, total].map((name) => rate(before, now, name, model, seconds)) : [null, null];
    return some === null || !all ? null : some / all;
  };
}

const POINTS = 60;
const WIDTH = 240;
const HEIGHT = 64;
const SVG = "http://www.w3.org/2000/svg";

export class Charts {
  constructor(root) {
    this.root = root;
    this.clear();
  }

  clear() {
    this.before = null;
    this.charts = CHARTS.map((chart) => ({ ...chart, points: [], node: null }));
    this.root.replaceChildren();
  }

  /** A reading, taken `at` (milliseconds). */
  push(now, at, model) {
    const seconds = this.before ? (at - this.before.at) / 1000 : 0;
    const two = { before: this.before?.now, now, model, seconds };
    this.before = { now, at };
    for (const chart of this.charts) {
      const value = chart.of(two);
      chart.points.push(value === undefined ? null : value);
      chart.points.splice(0, chart.points.length - POINTS);
      const empty = chart.points.every((point) => point === null);
      if (empty && !chart.node) continue; // the gateway has no such metric, or nothing to say of it yet
      this.#draw(chart);
    }
  }

  #draw(chart) {
    const known = chart.points.filter((point) => point !== null);
    const last = chart.points.at(-1);
    const most = Math.max(...known, 0);
    const said = (value) => (value === null || value === undefined ? "–" : chart.unit(value));
    const label = word("chart_label", { name: word(chart.word), now: said(last), most: known.length ? said(most) : "–" });
    const head = el("p", { class: "chart-name" }, word(chart.word));
    const figures = el("p", { class: "chart-figures" }, el("strong", {}, said(last)), el("span", {}, word("chart_most", { value: said(most) })));
    const node = el("figure", { class: "chart" }, head, figures, picture(chart.points, most, label));
    if (chart.node) chart.node.replaceWith(node);
    else this.#place(chart, node);
    chart.node = node;
  }

  /** In the order of the list, whenever it first has something to show. */
  #place(chart, node) {
    const next = this.charts.slice(this.charts.indexOf(chart) + 1).find((each) => each.node);
    this.root.insertBefore(node, next?.node ?? null);
  }
}

function picture(points, most, label) {
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  const x = (at) => (WIDTH * (POINTS - points.length + at)) / (POINTS - 1);
  const y = (value) => HEIGHT - 2 - ((HEIGHT - 6) * value) / (most || 1);
  for (const run of runs(points)) {
    const line = run.map(({ at, value }) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`);
    const [from, to] = [x(run[0].at), x(run.at(-1).at)].map((each) => each.toFixed(1));
    if (run.length > 1) svg.append(shape("path", { class: "area", d: `M${from},${HEIGHT} L${line.join(" L")} L${to},${HEIGHT} Z` }));
    const end = run.length > 1 ? line.join(" L") : `${line[0]} l1.5,0`;
    svg.append(shape("path", { class: "line", d: `M${end}`, "vector-effect": "non-scaling-stroke" }));
  }
  svg.append(shape("path", { class: "base", d: `M0,${HEIGHT - 1} H${WIDTH}`, "vector-effect": "non-scaling-stroke" }));
  return svg;
}

/** Stretches without a gap. */
function* runs(points) {
  let run = [];
  for (const [at, value] of points.entries()) {
    if (value !== null) run.push({ at, value });
    else if (run.length) {
      yield run;
      run = [];
    }
  }
  if (run.length) yield run;
}

function shape(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
