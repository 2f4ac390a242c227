// The tokens of an answer, coloured by their probability; the one under the pointer, or that the arrow keys chose, says
// what it is. It knows OpenAI's log-probabilities.

import { el } from "./dom.js";
import { number, say, word } from "./words.js";

const STEPS = [0.9, 0.6, 0.3, 0.1]; // of probability: from what is sure to what surprises

/** Shows tokens in `root` as they are pushed. */
export class Tokens {
  constructor(root) {
    this.said = el("p", { class: "token-said", role: "status" });
    this.strip = el("div", { class: "token-strip", tabindex: "0", role: "group", label: "tokens_label" });
    root.append(this.strip, this.said);
    say(this.said, "tokens_hint");
    this.tokens = [];
    this.at = -1;
    this.strip.addEventListener("pointerover", (event) => this.#choose(this.#index(event.target)));
    this.strip.addEventListener("click", (event) => this.#choose(this.#index(event.target)));
    this.strip.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, Home: -this.at, End: this.tokens.length }[event.key];
      if (step === undefined || !this.tokens.length) return;
      event.preventDefault();
      this.#choose(Math.max(0, Math.min(this.tokens.length - 1, this.at + step)), true);
    });
  }

  push(tokens) {
    for (const token of tokens) {
      const probability = Math.exp(token.logprob);
      const step = STEPS.findIndex((least) => probability >= least);
      const visible = token.token === "" ? "∅" : token.token.replaceAll("\n", "⏎\n");
      this.strip.append(el("span", { "data-step": String(step < 0 ? STEPS.length : step) }, visible));
      this.tokens.push(token);
    }
  }

  #index(node) {
    return node.parentNode === this.strip ? [...this.strip.childNodes].indexOf(node) : -1;
  }

  #choose(at, scroll = false) {
    if (at < 0 || at === this.at) return;
    this.strip.childNodes[this.at]?.removeAttribute("data-chosen");
    const span = this.strip.childNodes[at];
    span.setAttribute("data-chosen", "");
    if (scroll) span.scrollIntoView({ block: "nearest" });
    this.at = at;
    const { token, logprob, bytes } = this.tokens[at];
    const probability = Math.exp(logprob) * 100;
    say(this.said, "token_said", {
      token: JSON.stringify(token),
      percent: number(probability, probability < 1 ? 2 : 1),
      logprob: number(logprob, 3),
      bytes: (bytes ?? []).map((byte) => byte.toString(16).padStart(2, "0")).join(" "),
      at: at + 1,
      of: this.tokens.length,
    });
  }
}

/** How likely the whole answer was per token: the perplexity; "" without tokens. */
export function perplexity(tokens) {
  if (!tokens.length) return "";
  const mean = tokens.reduce((sum, token) => sum + token.logprob, 0) / tokens.length;
  return word("perplexity", { value: number(Math.exp(-mean), 2) });
}
