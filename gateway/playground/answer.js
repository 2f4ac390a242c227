// One answer on the page, while it is written and after: thinking, text or tokens, calls, what went wrong, figures.
// It knows an answer's parts and nodes. It must not know where they come from.

import { callCard } from "./calls.js";
import { copyButton, el } from "./dom.js";
import { failureBox } from "./failure.js";
import { Markdown } from "./markdown.js";
import { perplexity, Tokens } from "./tokens.js";
import { duration, number, say, word } from "./words.js";

/** An answer that has nothing yet. */
export function newAnswer(model) {
  return { role: "assistant", model, content: "", reasoning: "", calls: [], tokens: [], figures: {}, failure: null };
}

export class AnswerView {
  /** `acts`: what its buttons do: again(), results(texts). */
  constructor(answer, acts) {
    this.answer = answer;
    this.acts = acts;
    this.thought = el("div", { class: "prose" });
    this.thoughtWord = el("span");
    this.thinking = el("details", { class: "thinking", hidden: true }, el("summary", {}, this.thoughtWord), this.thought);
    this.text = el("div", { class: "prose" });
    this.tokenBox = el("div", { class: "tokens", hidden: true });
    this.tokens = new Tokens(this.tokenBox);
    this.calls = el("div", { class: "calls" });
    this.failure = el("div");
    this.foot = el("div", { class: "foot" });
    const name = el("h2", { class: "who" }, el("span", { word: "assistant" }), el("span", { class: "model" }, answer.model));
    const parts = [name, this.thinking, this.text, this.tokenBox, this.calls, this.failure, this.foot];
    this.node = el("article", { class: "message answer" }, ...parts);
    this.markdown = new Markdown(this.text);
    this.thoughts = new Markdown(this.thought);
    this.waiting = { text: "", thought: "", tokens: [] }; // for the next frame
    this.frame = 0;
  }

  /** The whole of an answer that is finished. */
  static of(answer, acts) {
    const view = new AnswerView(answer, acts);
    view.add({ text: answer.content, thought: answer.reasoning, tokens: answer.tokens });
    view.finish();
    return view;
  }

  begin() {
    this.node.setAttribute("aria-busy", "true");
    this.node.dataset.live = "waiting";
    this.foot.replaceChildren();
  }

  /** Parts that came; they are shown together, once a frame, however fast they come. */
  add({ text = "", thought = "", tokens = [] }) {
    this.waiting.text += text;
    this.waiting.thought += thought;
    this.waiting.tokens.push(...tokens);
    this.frame ||= requestAnimationFrame(() => this.flush());
  }

  flush() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const { text, thought, tokens } = this.waiting;
    this.waiting = { text: "", thought: "", tokens: [] };
    if (thought) {
      this.thinking.hidden = false;
      this.thoughts.push(thought);
    }
    if (text) this.markdown.push(text);
    if (tokens.length) {
      if (this.tokenBox.hidden && !this.tokens.tokens.length) this.#showTokens(true);
      this.tokens.push(tokens);
    }
    if (this.node.dataset.live) {
      this.node.dataset.live = "writing";
      say(this.thoughtWord, text || this.answer.content ? "thought" : "thinking");
    }
    this.acts.shown?.();
  }

  finish() {
    this.flush();
    this.markdown.end();
    this.thoughts.end();
    this.node.removeAttribute("aria-busy");
    delete this.node.dataset.live;
    const { answer } = this;
    const seconds = answer.figures.thought;
    if (seconds === undefined) say(this.thoughtWord, "thought");
    else say(this.thoughtWord, "thought_for", { seconds: duration(seconds) });
    this.calls.replaceChildren();
    const whole = !answer.failure && !answer.figures.stopped; // half a call has no result
    if (answer.calls.length) this.calls.append(callCard(answer, whole ? this.acts.results : null));
    this.failure.replaceChildren();
    if (answer.failure) this.failure.append(failureBox(answer.failure, this.acts.again));
    this.#foot();
  }

  /** The calls as far as they are written. */
  showCalls() {
    this.calls.replaceChildren(callCard(this.answer, null));
    this.acts.shown?.();
  }

  /** Says again what was put together of several words. */
  relabel() {
    if (!this.node.dataset.live) this.finish();
  }

  #showTokens(on) {
    this.tokenBox.hidden = !on;
    this.text.hidden = on;
  }

  #foot() {
    const { answer } = this;
    const acts = answer.content ? [copyButton(() => answer.content)] : [];
    if (!this.failure.querySelector("button")) {
      acts.push(el("button", { type: "button", class: "quiet small", word: "again", click: this.acts.again }));
    }
    if (answer.tokens.length) {
      const shown = !this.tokenBox.hidden;
      const swap = el("button", { type: "button", class: "quiet small", word: shown ? "as_text" : "as_tokens" });
      swap.addEventListener("click", () => {
        this.#showTokens(this.tokenBox.hidden);
        this.#foot();
        this.foot.querySelector(".swap").focus();
      });
      swap.classList.add("swap");
      acts.push(swap);
    }
    this.foot.replaceChildren(el("p", { class: "figures" }, figures(answer)), el("div", { class: "acts" }, ...acts));
  }
}

/** What was measured of an answer, in the order of interest. What nobody counted is not there. */
function figures({ figures, tokens }) {
  const { first, seconds, count, cached, prompt, rate, reason, stopped } = figures;
  const parts = [];
  if (first !== undefined) parts.push(word("figure_first", { value: duration(first) }));
  if (rate !== undefined) parts.push(word("figure_rate", { value: number(rate, rate < 100 ? 1 : 0) }));
  if (count !== undefined) parts.push(word("figure_count", { value: number(count) }));
  if (prompt !== undefined) parts.push(word("figure_prompt", { value: number(prompt) }));
  if (cached) parts.push(word("figure_cached", { value: number(cached) }));
  if (seconds !== undefined) parts.push(word("figure_seconds", { value: duration(seconds) }));
  if (tokens.length) parts.push(perplexity(tokens));
  if (stopped) parts.push(word("figure_stopped"));
  else if (reason === "length") parts.push(word("figure_length"));
  return parts.join("  ·  ");
}
