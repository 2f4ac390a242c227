// The page's own words in the reader's language. It knows how a word gets into a node, and into it again when the
// language changes; the words themselves are in english.js and chinese.js, one table each with the same keys.

import { CHINESE } from "./chinese.js";
import { ENGLISH } from "./english.js";
import { kept, keep } from "./store.js";

const TABLES = { en: ENGLISH, zh: CHINESE };
const LANG = { en: "en", zh: "zh-CN" };
const values = new WeakMap(); // what stands in the gaps of a node's word

let language = "en";

/** The word of that key, with its {gaps} filled. */
export function word(key, filling = {}) {
  const text = TABLES[language][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (gap, name) => (name in filling ? String(filling[name]) : gap));
}

/** Makes the node say a word, in whatever language is chosen later too. */
export function say(node, key, filling = {}) {
  node.dataset.word = key;
  values.set(node, filling);
  node.textContent = word(key, filling);
}

/** The same for its accessible name and tooltip. */
export function label(node, key) {
  node.dataset.label = key;
  node.setAttribute("aria-label", word(key));
  if (node.tagName === "BUTTON") node.title = word(key);
}

/** The same for what an empty field shows. */
export function hint(node, key) {
  node.dataset.hint = key;
  node.placeholder = word(key);
}

/** The language that was chosen, else the browser's first that we have. */
export function firstLanguage() {
  const chosen = kept("language");
  if (chosen in TABLES) return chosen;
  return (navigator.language ?? "").toLowerCase().startsWith("zh") ? "zh" : "en";
}

export const currentLanguage = () => language;

/** Says everything again in this language. */
export function speak(chosen) {
  language = chosen;
  document.documentElement.lang = LANG[language];
  for (const node of document.querySelectorAll("[data-word]")) say(node, node.dataset.word, values.get(node));
  for (const node of document.querySelectorAll("[data-label]")) label(node, node.dataset.label);
  for (const node of document.querySelectorAll("[data-hint]")) hint(node, node.dataset.hint);
  document.title = word("title");
}

/** Chooses the language for good. */
export function chooseLanguage(chosen) {
  keep("language", chosen);
  speak(chosen);
}

/** A number as people of the language write it. */
export function number(value, digits = 0) {
  const text = value.toLocaleString(LANG[language], { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return text.replace("-", "−");
}

/** Bytes, as people say them. */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${number(bytes / 1e3, 1)} kB` : `${number(bytes / 1e6, 1)} MB`;
}

/** Seconds, as people say them. */
export function duration(seconds) {
  return seconds < 1 ? `${number(seconds * 1000)} ms` : `${number(seconds, seconds < 10 ? 2 : 1)} s`;
}
