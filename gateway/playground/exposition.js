// Prometheus' text format → numbers, and what charts make of two readings of it. It knows the format, and histograms.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** name → [{labels, value}] of every sample. */
export function read(text) {
  const samples = new Map();
  for (const line of text.split("\n")) {
    const found = line.startsWith("#") ? null : LINE.exec(line);
    if (!found) continue;
    const [, name, written, value] = found;
    const labels = {};
    for (const [, key, quoted] of (written ?? "").matchAll(LABEL)) {
      labels[key] = quoted.replace(/\\(.)/g, (_, char) => (char === "n" ? "\n" : char));
    }
    if (!samples.has(name)) samples.set(name, []);
    samples.get(name).push({ labels, value: Number(value) });
  }
  return samples;
}

/** Of all samples of that name, or of one model's; null where there is no such metric. */
export function sum(samples, name, model) {
  const own = of(samples, name, model);
  return own ? own.reduce((total, { value }) => total + value, 0) : null;
}

/** How much it grew, per second; null where it is not known. A counter that fell was started anew. */
export function rate(before, now, name, model, seconds) {
  const [from, to] = [sum(before, name, model), sum(now, name, model)];
  if (to === null || seconds <= 0) return null;
  return Math.max(0, from === null || to < from ? to : to - from) / seconds;
}

/** The quantile of what a histogram got between the readings, taken as even within a bucket; null if it got nothing. */
export function quantile(before, now, name, model, part) {
  const [from, to] = [buckets(before, name, model), buckets(now, name, model)];
  const fell = [...to].some(([edge, count]) => count < (from.get(edge) ?? 0));
  const grown = [...to].map(([edge, count]) => [edge, count - (fell ? 0 : (from.get(edge) ?? 0))]).sort(([a], [b]) => a - b);
  const all = grown.at(-1)?.[1] ?? 0;
  if (all <= 0) return null;
  const rank = part * all;
  let [low, below] = [0, 0];
  for (const [edge, count] of grown) {
    if (count >= rank) return edge === Infinity ? low : low + ((edge - low) * (rank - below)) / (count - below || 1);
    [low, below] = [edge, count];
  }
  return low;
}

function buckets(samples, name, model) {
  const counts = new Map();
  for (const { labels, value } of of(samples, `${name}_bucket`, model) ?? []) {
    const edge = labels.le === "+Inf" ? Infinity : Number(labels.le);
    counts.set(edge, (counts.get(edge) ?? 0) + value);
  }
  return counts;
}

function of(samples, name, model) {
  const found = samples.get(name);
  return found && (model ? found.filter(({ labels }) => labels.model === model) : found);
}
