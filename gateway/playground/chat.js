// The conversation: what was said, what is being answered, and what people do with either. The page's own state of it is
// `messages`; everything shown is made from that.

import { AnswerView, newAnswer } from "./answer.js";
import { Composer } from "./composer.js";
import { $, copyButton, el } from "./dom.js";
import { Panel } from "./panel.js";
import { chatRequest } from "./request.js";
import { Speaker } from "./speaker.js";
import { draft, keepDraft } from "./store.js";
import { say, size } from "./words.js";
import { write } from "./writing.js";

const LONGEST_SHOWN = 20_000; // characters of what a person wrote
const VERSION = 1; // of what is kept over a reload; that of another page is not taken up
const NEAR = 80; // pixels from the end, within which a reader wants to see what comes

export class Chat {
  /** `most`: bytes of a request. `failed` is told of failures that concern the whole page. */
  constructor(most, failed) {
    this.most = most;
    this.failed = failed;
    this.messages = [];
    this.views = []; // of each message
    this.stopping = null; // an AbortController while an answer is written
    this.speaker = new Speaker();
    this.composer = new Composer({ send: (text) => this.send(text), stop: () => this.stop(), changed: () => {} }, most);
    this.panel = new Panel(() => this.#keep());
    $("clear").addEventListener("click", () => this.clear());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.stopping && !$("code-dialog").open) this.stop();
    });
    addEventListener("pagehide", () => this.#keepNow());
    const before = draft();
    if (before?.version === VERSION) {
      this.panel.settings = before.settings;
      for (const message of before.messages) this.#add(message);
    }
    this.#scroll(true);
  }

  /** Asks; false where it was refused, and the text is to stay. */
  send(text) {
    if (this.stopping || !this.#allowed([...this.messages, { role: "user", content: text }])) return false;
    this.#add({ role: "user", content: text });
    this.#answer();
    return true;
  }

  stop() {
    this.stopping?.abort();
  }

  clear() {
    this.stop();
    this.#cut(0);
    this.composer.note("");
    this.composer.focus();
  }

  /** The request that would be sent now. */
  request() {
    const text = this.composer.text;
    const messages = text.trim() ? [...this.messages, { role: "user", content: text }] : this.messages;
    return chatRequest(this.panel.request, messages);
  }

  relabel() {
    this.panel.relabel();
    for (const view of this.views) view.relabel?.();
  }

  #allowed(messages) {
    const settings = this.panel.request;
    if (!settings.model) return this.composer.note("no_models");
    if (settings.problem) return this.composer.note("tools_problem", { problem: settings.problem });
    this.body = JSON.stringify(chatRequest(settings, messages));
    const bytes = new Blob([this.body]).size;
    if (bytes > this.most) return this.composer.note("request_too_large", { size: size(bytes), most: size(this.most) });
    this.composer.note("");
    return true;
  }

  /** Has the model answer what was said so far. `this.body` was made of it. */
  async #answer() {
    const answer = newAnswer(this.panel.request.model);
    const view = this.#add(answer);
    this.stopping = new AbortController();
    this.composer.busy = true;
    this.#scroll(true);
    this.speaker.begin(answer);
    try {
      await write(this.body, answer, view, this.stopping.signal);
    } finally {
      this.stopping = null;
      this.composer.busy = false;
      this.speaker.end(answer);
      this.#keep();
    }
    if (answer.failure) this.failed(answer.failure);
  }

  #again(message) {
    const at = this.messages.indexOf(message);
    if (this.stopping || !this.#allowed(this.messages.slice(0, at))) return;
    this.#cut(at);
    this.#answer();
    this.composer.focusQuietly(); // the button that was pressed is gone
  }

  #results(answer, results) {
    if (this.stopping) return;
    answer.calls.forEach((call, at) => (call.result = results[at]));
    const at = this.messages.indexOf(answer);
    if (!this.#allowed(this.messages.slice(0, at + 1))) return;
    this.#cut(at + 1);
    this.views[at].finish();
    this.#answer();
    this.composer.focusQuietly();
  }

  #edit(message) {
    if (this.stopping) return;
    this.#cut(this.messages.indexOf(message));
    this.composer.text = message.content;
    this.composer.focus();
  }

  #add(message) {
    const view = message.role === "user" ? this.#said(message) : this.#answered(message);
    this.messages.push(message);
    this.views.push(view);
    $("thread").append(view.node);
    $("empty").hidden = true;
    return view;
  }

  /** Forgets everything from there on. */
  #cut(at) {
    this.messages.splice(at);
    for (const view of this.views.splice(at)) view.node.remove();
    $("empty").hidden = this.messages.length > 0;
    this.#keep();
  }

  #said(message) {
    const { content } = message;
    const long = content.length > LONGEST_SHOWN;
    const text = el("div", { class: "said" }, long ? `${content.slice(0, LONGEST_SHOWN)}…` : content);
    const more = long ? el("p", { class: "about" }) : null;
    if (more) say(more, "shown_in_part", { size: size(new Blob([content]).size) });
    const edit = el("button", { type: "button", class: "quiet small", word: "edit", click: () => this.#edit(message) });
    const acts = el("div", { class: "acts" }, copyButton(() => content), edit);
    const who = el("h2", { class: "who" }, el("span", { word: "you" }));
    return { node: el("article", { class: "message user" }, who, text, more, el("div", { class: "foot" }, acts)) };
  }

  #answered(answer) {
    const acts = {
      again: () => this.#again(answer),
      results: (results) => this.#results(answer, results),
      shown: () => this.#scroll(false),
    };
    return AnswerView.of(answer, acts);
  }

  /** To the end; where that was not asked for, only if the reader is near it anyway. */
  #scroll(wanted) {
    const box = $("scroll");
    if (wanted) this.following = true;
    this.watched ??= box.addEventListener("scroll", () => {
      this.following = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
    }) ?? true;
    if (this.following) box.scrollTop = box.scrollHeight;
  }

  /** Soon, and once for all that changes until then; at the latest when the page is left. */
  #keep() {
    clearTimeout(this.keeping);
    this.keeping = setTimeout(() => this.#keepNow(), 300);
  }

  #keepNow() {
    keepDraft({ version: VERSION, settings: this.panel.settings, messages: this.messages });
  }
}
