// What a screen reader hears of an answer: whole sentences, at most every few seconds, never each token.

import { $ } from "./dom.js";
import { word } from "./words.js";

const PAUSE = 4000; // milliseconds
const LONGEST = 600; // characters at once; who wants all of a long answer reads it

export class Speaker {
  begin(answer) {
    this.said = 0;
    $("spoken").textContent = word("spoken_begin");
    this.timer = setInterval(() => this.#speak(answer.content, false), PAUSE);
  }

  end(answer) {
    clearInterval(this.timer);
    const how = answer.failure ? "spoken_failed" : answer.figures.stopped ? "spoken_stopped" : "spoken_end";
    this.#speak(answer.content, true, word(how));
  }

  #speak(text, all, last = "") {
    const rest = text.slice(this.said);
    const end = all ? rest.length : rest.search(/[.!?。！？\n][^.!?。！？\n]*$/) + 1;
    if (end <= 0 && !last) return;
    this.said += end;
    const part = rest.slice(0, end);
    $("spoken").textContent = `${part.length > LONGEST ? `${part.slice(0, LONGEST)}…` : part} ${last}`.trim();
  }
}
