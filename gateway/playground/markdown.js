// Text of a model → nodes, while it streams. A small part of Markdown: paragraphs, headings, lists, tables, quotes,
// code, and in them bold, italic, inline code, links to http and https. Anything else, HTML above all, stays text.
//
// It builds nodes and never parses markup. What is finished is never touched again: only the block that is being written
// is made anew, and only while it is short, so that a long answer costs no more per word than a short one.

import { copyButton, el } from "./dom.js";
import { inline } from "./inline.js";

const LONGEST_BLOCK = 6000; // characters; what is longer grows as plain text
const FENCE = /^\s{0,8}(```+|~~~+)\s*([\w+#.-]*)[^`]*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+/;

/** Renders into `root` what is pushed. */
export class Markdown {
  constructor(root) {
    this.root = root;
    this.line = ""; // the line that is being written
    this.block = null; // {kind, …}: the block of whole lines that is being written
    this.loose = null; // the node of the unfinished line, where it looks like the beginning of another block
  }

  push(text) {
    const lines = (this.line + text).split("\n");
    this.line = lines.pop();
    for (const line of lines) this.#whole(line);
    if (this.line.length > LONGEST_BLOCK && !GROWING.has(this.block?.kind)) this.#overlong();
    this.#show(this.line);
  }

  /** No more is to come. */
  end() {
    if (this.line) this.#whole(this.line);
    this.line = "";
    this.#close();
  }

  /** A line that is finished decides what it is; before that nothing is decided. */
  #whole(line) {
    this.#loosen(null);
    const { block } = this;
    if (block?.kind === "code") {
      if (!block.shown && isEnd(line, block.fence)) return this.#close();
      block.done.appendData(`${block.shown ? line.slice(block.shown) : strip(line, block.indent)}\n`);
      block.shown = 0;
      return;
    }
    if (block?.kind === "plain") {
      block.done.appendData(`${line.slice(block.shown)}\n`);
      block.shown = 0;
      if (!line.trim()) this.#close();
      return;
    }
    const kind = kindOf(line, block);
    if (kind === "blank") return this.#close();
    if (kind === "code") return this.#fence(line);
    if (!this.#goesOn(kind)) {
      this.#close();
      this.block = { kind, lines: [], node: null, size: 0 };
    }
    this.block.lines.push(line);
    this.block.size += line.length;
    this.block.stale = true;
    if (this.block.size > LONGEST_BLOCK) this.#close();
  }

  #fence(line) {
    this.#close();
    const [, fence, language] = FENCE.exec(line);
    const done = document.createTextNode("");
    const partial = document.createTextNode("");
    const code = el("code", {}, done, partial);
    const head = el("div", { class: "code-head" }, el("span", {}, language), copyButton(() => code.textContent));
    this.root.append(el("div", { class: "code-block" }, head, el("pre", { tabindex: "0" }, code)));
    this.block = { kind: "code", fence, indent: line.length - line.trimStart().length, done, partial, shown: 0 };
  }

  /** A line without an end: it is written as it is, and only what is new is added. */
  #overlong() {
    this.#loosen(null);
    this.#close();
    const done = document.createTextNode("");
    this.root.append(el("p", { class: "plain" }, done));
    this.block = { kind: "plain", done, shown: 0 };
  }

  /** The unfinished line, provisionally. */
  #show(line) {
    const { block } = this;
    if (block?.kind === "code") {
      const rest = block.shown ? line.slice(block.shown) : strip(line, block.indent);
      const long = rest.length > LONGEST_BLOCK;
      if (long) {
        block.done.appendData(rest);
        block.shown = line.length;
      }
      // It may become the end of the block, or of what is shown it is the rest.
      block.partial.data = long || (!block.shown && /^\s*[`~]*\s*$/.test(line)) ? "" : rest;
    } else if (block?.kind === "plain") {
      block.done.appendData(line.slice(block.shown));
      block.shown = line.length;
    } else {
      const kind = kindOf(line, block);
      const joins = this.#goesOn(kind);
      if (joins) this.#render([...block.lines, line]);
      else if (block?.stale) this.#render(block.lines);
      if (block) block.stale = joins;
      // What begins code is shown when its line is whole.
      this.#loosen(joins || kind === "blank" || kind === "code" ? null : RENDER[kind]([line]));
    }
  }

  /** Whether a line of that kind belongs to the block that is being written. */
  #goesOn(kind) {
    return this.block?.kind === kind && kind !== "heading" && kind !== "rule";
  }

  #loosen(node) {
    this.loose?.remove();
    if (node) this.root.append(node);
    this.loose = node;
  }

  #render(lines) {
    const { block } = this;
    const node = RENDER[block.kind](lines);
    if (block.node) block.node.replaceWith(node);
    else this.root.append(node);
    block.node = node;
  }

  #close() {
    const { block } = this;
    if (block?.kind === "code") block.partial.data = "";
    else if (block && block.kind !== "plain") this.#render(block.lines);
    this.block = null;
  }
}

const GROWING = new Set(["code", "plain"]); // blocks to which text is only added

function kindOf(line, block) {
  if (!line.trim()) return "blank";
  if (FENCE.test(line)) return "code";
  if (/^\s{0,3}#{1,6}\s/.test(line)) return "heading";
  if (/^\s{0,3}([-*_])(\s*\1){2,}\s*$/.test(line)) return "rule";
  if (ITEM.test(line) || (block?.kind === "list" && /^\s{2,}\S/.test(line))) return "list";
  if (/^\s{0,3}>/.test(line)) return "quote";
  if (/^\s{0,3}\|.*\|/.test(line)) return "table";
  return "paragraph";
}

function isEnd(line, fence) {
  const text = line.trim();
  return text.startsWith(fence) && text.replaceAll(fence[0], "") === "";
}

/** Without the indentation that the fence had. */
function strip(line, indent) {
  return line.slice(Math.min(indent, line.length - line.trimStart().length));
}

const RENDER = {
  paragraph: (lines) => broken("p", lines),
  quote: (lines) => el("blockquote", {}, broken("p", lines.map((line) => line.replace(/^\s*>\s?/, "")))),
  rule: () => el("hr"),
  heading([line]) {
    const [hashes] = line.trim().split(/\s/, 1);
    return el(`h${Math.min(hashes.length + 2, 6)}`, {}, ...inline(line.trim().slice(hashes.length).trim())); // below the page's
  },
  list,
  table,
};

/** Lines stay lines, as a chat's author meant them. */
function broken(tag, lines) {
  const children = lines.flatMap((line, at) => (at ? [el("br"), ...inline(line.trim())] : inline(line.trim())));
  return el(tag, {}, ...children);
}

function list(lines) {
  const root = el("div");
  const open = []; // lists from the outermost in: {indent, node}
  let item = root;
  for (const line of lines) {
    const found = ITEM.exec(line);
    if (!found) {
      item.append(el("br"), ...inline(line.trim()));
      continue;
    }
    const indent = found[1].replaceAll("\t", "    ").length;
    while (open.length && indent < open.at(-1).indent) open.pop();
    if (!open.length || indent > open.at(-1).indent + 1) {
      const start = Number.parseInt(found[2], 10);
      const ordered = !Number.isNaN(start);
      const node = el(ordered ? "ol" : "ul", ordered && start !== 1 ? { start } : {});
      (open.length ? item : root).append(node);
      if (open.length < 8) open.push({ indent, node });
    }
    item = el("li", {}, ...inline(line.slice(found[0].length)));
    open.at(-1).node.append(item);
  }
  return root.childNodes.length === 1 ? root.firstChild : root;
}

function table(lines) {
  const rows = lines.map((line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim()));
  const ruled = rows.length > 1 && rows[1].every((cell) => /^:?-+:?$/.test(cell));
  if (!ruled) return broken("p", lines);
  const row = (cells, tag) => el("tr", {}, ...cells.map((cell) => el(tag, {}, ...inline(cell))));
  const body = rows.slice(2).map((cells) => row(cells, "td"));
  const made = el("table", {}, el("thead", {}, row(rows[0], "th")), el("tbody", {}, ...body));
  return el("div", { class: "table", tabindex: "0", role: "region", label: "table" }, made);
}
