// The field in which people write. It knows keys, pasted text and sizes. It must not know what becomes of the text.

import { $, el } from "./dom.js";
import { say, size } from "./words.js";

const LONGEST_IN_FIELD = 50_000; // characters; a text field with more freezes browsers. It is attached instead.

export class Composer {
  /** `acts`: send(text), stop(), changed(). `most`: bytes of a request that the gateway takes. */
  constructor(acts, most) {
    this.acts = acts;
    this.most = most;
    this.pasted = []; // long texts, as they came
    const field = $("prompt");
    field.addEventListener("keydown", (event) => {
      // While an input method composes, Enter chooses a word.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.#send();
    });
    field.addEventListener("input", () => this.#changed());
    field.addEventListener("paste", (event) => this.#attach(event, event.clipboardData));
    field.addEventListener("drop", (event) => this.#attach(event, event.dataTransfer));
    $("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    $("stop").addEventListener("click", () => acts.stop());
  }

  get text() {
    return [$("prompt").value, ...this.pasted].filter((part) => part !== "").join("\n\n");
  }

  set text(text) {
    this.pasted = text.length > LONGEST_IN_FIELD ? [text] : [];
    $("prompt").value = this.pasted.length ? "" : text;
    this.#changed();
  }

  /** While an answer is written. */
  set busy(busy) {
    const held = document.activeElement === $("stop") || document.activeElement === $("send");
    this.writing = busy;
    $("stop").hidden = !busy;
    $("send").hidden = busy;
    if (held) $(busy ? "stop" : "send").focus();
  }

  /** Refuses, in a sentence; "" takes it back. */
  note(key, filling) {
    const note = $("composer-note");
    note.hidden = !key;
    if (key) say(note, key, filling);
  }

  focus() {
    $("prompt").focus();
  }

  /** The same, where that does not bring up a keyboard on the screen. */
  focusQuietly() {
    if (matchMedia("(pointer: fine)").matches) this.focus();
  }

  #send() {
    if (this.writing || !this.text.trim()) return;
    if (this.acts.send(this.text)) this.text = "";
  }

  #attach(event, data) {
    const text = data?.getData("text/plain") ?? "";
    if (text.length <= LONGEST_IN_FIELD) return;
    event.preventDefault();
    const bytes = new Blob([text]).size;
    if (bytes > this.most) return this.note("paste_too_large", { size: size(bytes), most: size(this.most) });
    this.pasted.push(text);
    this.#changed();
  }

  #changed() {
    this.note("");
    const chips = this.pasted.map((text, at) => {
      const remove = () => {
        this.pasted.splice(at, 1);
        this.#changed();
        this.focus();
      };
      const what = el("span");
      say(what, "pasted", { size: size(new Blob([text]).size) });
      const start = text.slice(0, 60).replace(/\s+/g, " ");
      const button = el("button", { type: "button", class: "clear", label: "remove", click: remove }, "×");
      return el("div", { class: "chip" }, what, el("span", { class: "start" }, start), button);
    });
    $("attached").replaceChildren(...chips);
    $("attached").hidden = !chips.length;
    this.acts.changed();
  }
}
