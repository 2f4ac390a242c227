// One line of text → text nodes with bold, italic, inline code and links in them. It knows nothing of blocks.

import { el } from "./dom.js";

const LINK = /\[([^\][]{1,500})\]\(\s*(\S{1,2000}?)\s*\)/y;
const ADDRESS = /https?:\/\/[^\s<>"'`，。；：！？）】》]{3,2000}/y;
const DEEPEST = 4;

/** Nodes for the line. */
export function inline(text, depth = 0) {
  const nodes = [];
  let plain = 0; // where text that means nothing special begins
  let at = 0;
  const add = (node, from, to) => {
    if (from > plain) nodes.push(text.slice(plain, from));
    nodes.push(node);
    at = plain = to;
  };
  while (at < text.length) {
    const char = text[at];
    if (char === "`") {
      const run = /`+/y;
      run.lastIndex = at;
      const ticks = run.exec(text)[0];
      const end = closing(text, ticks, at + ticks.length);
      if (end < 0) at += ticks.length;
      else add(el("code", {}, text.slice(at + ticks.length, end).trim()), at, end + ticks.length);
    } else if (char === "*" && depth < DEEPEST) {
      const stars = text.startsWith("**", at) ? "**" : "*";
      const from = at + stars.length;
      const end = emphasisEnd(text, stars, at);
      if (end < 0) at = from;
      else add(el(stars === "**" ? "strong" : "em", {}, ...inline(text.slice(from, end), depth + 1)), at, end + stars.length);
    } else if (char === "[") {
      LINK.lastIndex = at;
      const found = LINK.exec(text);
      const link = found && anchor(found[2], found[1]);
      if (link) add(link, at, at + found[0].length);
      else at += 1;
    } else if (char === "h" && (at === 0 || !/\w/.test(text[at - 1]))) {
      ADDRESS.lastIndex = at;
      const address = ADDRESS.exec(text)?.[0].replace(/[.,;:!?)\]*]+$/, "");
      const link = address && anchor(address, address);
      if (link) add(link, at, at + address.length);
      else at += 1;
    } else {
      at += 1;
    }
  }
  if (plain < text.length) nodes.push(text.slice(plain));
  return nodes;
}

/** Where a run of exactly as many backticks begins. */
function closing(text, ticks, from) {
  let at = text.indexOf(ticks, from);
  while (at >= 0) {
    let end = at;
    while (text[end] === "`") end += 1;
    if (end - at === ticks.length) return at;
    at = text.indexOf(ticks, end);
  }
  return -1;
}

function emphasisEnd(text, stars, at) {
  const from = at + stars.length;
  if (from >= text.length || /\s/.test(text[from])) return -1;
  if (stars === "*" && at > 0 && /[\w)]/.test(text[at - 1])) return -1; // 2*3*4
  for (let end = text.indexOf(stars, from + 1); end > 0; end = text.indexOf(stars, end + 1)) {
    if (stars === "*" && (text[end + 1] === "*" || text[end - 1] === "*")) continue;
    if (!/\s/.test(text[end - 1])) return end;
  }
  return -1;
}

/** A link that leads to the web and nowhere else, and says where; null for any other. */
function anchor(address, text) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") return null;
  return el("a", { href: url.href, title: url.href, target: "_blank", rel: "noopener noreferrer nofollow" }, text);
}
