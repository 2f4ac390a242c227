// The settings beside the chat: what they are now, and what of them the chosen model can do.

import { $, el } from "./dom.js";
import { readStops } from "./request.js";
import { Sampling } from "./sampling.js";
import { EXAMPLE, readTools } from "./tools.js";
import { number, say, word } from "./words.js";

export class Panel {
  /** `changed` is told when something was set. */
  constructor(changed) {
    this.changed = changed;
    this.models = new Map();
    this.wanted = ""; // the model that was chosen before the list came
    this.sampling = new Sampling(changed);
    for (const id of ["system", "stops"]) $(id).addEventListener("input", changed);
    for (const id of ["thinking", "logprobs", "choice"]) $(id).addEventListener("change", changed);
    $("model").addEventListener("change", () => {
      this.#fit();
      changed();
    });
    $("tools").addEventListener("input", () => {
      this.checkTools();
      changed();
    });
    $("tools-example").addEventListener("click", () => {
      $("tools").value = EXAMPLE;
      this.checkTools();
      changed();
    });
    $("reset").addEventListener("click", () => {
      this.settings = { system: $("system").value, tools: $("tools").value, choice: $("choice").value };
      changed();
    });
    $("open-panel").addEventListener("click", () => this.open(!$("panel").classList.contains("open")));
    $("close-panel").addEventListener("click", () => this.open(false));
    $("panel").addEventListener("keydown", (event) => {
      if (event.key === "Escape" && $("panel").classList.contains("open")) this.open(false);
    });
  }

  /** Over the chat, where there is no room beside it. */
  open(open) {
    $("panel").classList.toggle("open", open);
    $("open-panel").setAttribute("aria-expanded", String(open));
    if (open) $("close-panel").focus();
    else $("open-panel").focus();
  }

  /** What the request is made of; `problem` where the tools are not right. */
  get request() {
    const { tools, problem } = readTools($("tools").value);
    return {
      problem,
      model: $("model").value,
      system: $("system").value,
      sampling: this.sampling.fields,
      stops: readStops($("stops").value),
      thinking: $("thinking").disabled ? "" : $("thinking").value,
      logprobs: $("logprobs").checked && !$("logprobs").disabled,
      tools: tools ?? [],
      choice: $("choice").value,
    };
  }

  /** The fields as they are written, to be kept. */
  get settings() {
    const [model, system, stops, thinking, tools, choice] = FIELDS.map((id) => $(id).value);
    const logprobs = $("logprobs").checked;
    return { model: model || this.wanted, system, stops, thinking, tools, choice, logprobs, sampling: this.sampling.fields };
  }

  set settings(given) {
    for (const id of FIELDS.slice(1)) $(id).value = given[id] ?? (id === "choice" ? "auto" : "");
    $("logprobs").checked = Boolean(given.logprobs);
    this.sampling.fields = given.sampling;
    if (given.model) this.wanted = given.model;
    this.checkTools();
  }

  /** The models there are, those of embeddings left out. */
  list(cards) {
    const able = cards.filter((card) => card.capabilities === undefined || "tools" in card.capabilities);
    const before = (this.wanted = $("model").value || this.wanted);
    this.models = new Map(able.map((card) => [card.id, card]));
    $("model").replaceChildren(...able.map((card) => el("option", { value: card.id }, card.id)));
    if (this.models.has(before)) $("model").value = before;
    this.#fit();
  }

  checkTools() {
    const { tools, problem } = readTools($("tools").value);
    $("tools").setAttribute("aria-invalid", String(problem !== undefined));
    const names = (tools ?? []).map((tool) => tool.function.name).join(", ");
    $("tools-said").textContent = problem ?? (names ? word("tools_are", { names }) : "");
    $("tools-said").classList.toggle("wrong", problem !== undefined);
  }

  relabel() {
    this.checkTools();
    this.#fit();
  }

  #fit() {
    const card = this.models.get($("model").value);
    const able = card?.capabilities ?? {};
    this.sampling.fit({ longest: card?.max_model_len, unsupported: able.unsupported_fields ?? [] });
    $("logprobs").disabled = able.logprobs === false;
    $("thinking").disabled = able.template_options !== undefined && !able.template_options.includes("enable_thinking");
    const facts = [];
    if (able.route) facts.push(word("about_route", { route: able.route }));
    if (able.route === null) facts.push(word("about_away"));
    if (card?.max_model_len) facts.push(word("about_length", { tokens: number(card.max_model_len) }));
    if (able.reasoning) facts.push(word("about_thinks"));
    if (able.tools) facts.push(word("about_tools"));
    if (card) $("about-model").textContent = facts.join(" · ");
    else say($("about-model"), "no_models");
  }
}

const FIELDS = ["model", "system", "stops", "thinking", "tools", "choice"];
