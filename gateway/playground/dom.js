// Builds nodes. It knows the DOM; it must not know what is shown.
// Text is always a text node: nothing in this page makes markup of a string (and the page's policy forbids it).

import { label, say } from "./words.js";

/** An element. Attributes by name; `word` and `label` are keys of words, functions are listeners, null is left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else if (name === "word") say(node, value);
    else if (name === "label") label(node, value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export const $ = (id) => document.getElementById(id);

/** A button that copies what `text` gives, and says so. */
export function copyButton(text) {
  const button = el("button", { type: "button", class: "quiet small", word: "copy" });
  button.addEventListener("click", () => copied(button, text()));
  return button;
}

/** Copies, and says on the button how that went. */
export async function copied(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    say(button, "copied");
  } catch {
    say(button, "not_copied"); // over plain HTTP browsers keep the clipboard from pages
  }
  setTimeout(() => say(button, "copy"), 2000);
}

/** Tabs of a tablist: click, arrows, Home and End. `chosen` gets the tab. Returns what selects one. */
export function tabs(list, chosen) {
  const all = () => [...list.querySelectorAll('[role="tab"]')];
  const select = (tab) => {
    for (const each of all()) {
      each.setAttribute("aria-selected", String(each === tab));
      each.tabIndex = each === tab ? 0 : -1;
    }
    chosen(tab);
  };
  list.addEventListener("click", (event) => {
    const tab = event.target.closest('[role="tab"]');
    if (tab) select(tab);
  });
  list.addEventListener("keydown", (event) => {
    const every = all();
    const at = every.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: every.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const tab = every.at(to % every.length);
    tab.focus();
    select(tab);
  });
  return select;
}
