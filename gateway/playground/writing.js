// Receives one answer: the chunks of its stream go into an answer and its view. It knows OpenAI's chunks and a clock.

import { ask, events, Failure } from "./api.js";

const LEAST = 50; // milliseconds that can be measured: browsers hand over what came in the meantime at once

/** Fills the answer until it ends, is stopped, or fails; which of these it says itself. Never throws but for bugs. */
export async function write(body, answer, view, signal) {
  const began = performance.now();
  const clock = { first: null, last: null, thought: null };
  view.begin();
  try {
    const response = await ask("v1/chat/completions", { body, signal });
    for await (const chunk of events(response)) take(chunk, answer, view, clock);
  } catch (error) {
    if (error.name === "AbortError") answer.figures.stopped = true;
    else if (error instanceof Failure) answer.failure = told(error);
    else throw error;
  } finally {
    figure(answer.figures, clock, began);
    view.finish();
  }
}

function told({ kind, message, status, retryAfter, id }) {
  return { kind, message, status, retryAfter, id, at: Date.now() };
}

function take(chunk, answer, view, clock) {
  if (chunk.usage) {
    answer.figures.count = chunk.usage.completion_tokens;
    answer.figures.prompt = chunk.usage.prompt_tokens;
    answer.figures.cached = chunk.usage.prompt_tokens_details?.cached_tokens;
  }
  for (const { delta, logprobs, finish_reason: reason } of chunk.choices ?? []) {
    if (reason) answer.figures.reason = reason;
    const text = delta?.content ?? "";
    const thought = delta?.reasoning_content ?? delta?.reasoning ?? "";
    const calls = delta?.tool_calls ?? [];
    const tokens = logprobs?.content ?? [];
    if (text || thought || calls.length) {
      clock.last = performance.now();
      clock.first ??= clock.last;
      if (thought) clock.thought = clock.last;
    }
    answer.content += text;
    answer.reasoning += thought;
    for (const token of tokens) answer.tokens.push(token);
    if (text || thought || tokens.length) view.add({ text, thought, tokens });
    for (const call of calls) takeCall(call, answer.calls);
    if (calls.length) view.showCalls();
  }
}

function takeCall({ index, id, function: part }, calls) {
  calls[index] ??= { id: "", name: "", arguments: "" };
  const call = calls[index];
  if (id) call.id = id;
  call.name += part?.name ?? "";
  call.arguments += part?.arguments ?? "";
}

function figure(figures, { first, last, thought }, began) {
  figures.seconds = (performance.now() - began) / 1000;
  if (first === null) return;
  figures.first = (first - began) / 1000;
  if (thought - first > LEAST) figures.thought = (thought - first) / 1000;
  // The first token came with the first text; the others in the time since.
  const since = (last - first) / 1000;
  if (figures.count > 1 && since * 1000 > LEAST) figures.rate = (figures.count - 1) / since;
}
