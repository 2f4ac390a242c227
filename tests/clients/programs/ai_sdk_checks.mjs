// Vercel's AI SDK with its provider for services like OpenAI's.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, Output, generateObject, generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";
import { Endless, QUESTION, Slow, Weather, run, says } from "./checking.mjs";

const { version } = createRequire(import.meta.url)("ai/package.json");
const Sky = z.object({ city: z.enum(["Paris", "Rome"]), kind: z.enum(["sunny", "rainy"]) });
// What goes into the body beside what the package knows stands under the provider's name.
const NO_THINKING = { gateway: { chat_template_kwargs: { enable_thinking: false } } };

function model(stage, name = stage.scripted, options = {}) {
  const provider = createOpenAICompatible({
    name: "gateway",
    baseURL: stage.api,
    apiKey: stage.key,
    supportsStructuredOutputs: true,
    includeUsage: true,
    ...options,
  });
  return provider(name);
}

async function generate_text(stage) {
  const { text, usage } = await generateText({ model: model(stage), prompt: says("你好, world 😀"), maxRetries: 0 });
  assert.equal(text, "你好, world 😀");
  assert(usage.outputTokens > 0);
}

async function stream_text(stage) {
  const slow = new Slow();
  const result = streamText({ model: model(stage), prompt: slow.prompt });
  for await (const piece of result.textStream) slow.see(piece);
  slow.check();
  assert.equal(await result.finishReason, "stop");
  assert((await result.usage).outputTokens > 20);
}

const asking = (stage, weather) => ({
  model: model(stage),
  prompt: weather.prompt,
  tools: {
    get_weather: tool({
      description: weather.description,
      inputSchema: z.object({ city: z.string() }),
      execute: async (input) => weather.look(input),
    }),
  },
  stopWhen: isStepCount(4),
});

async function tools(stage) {
  const weather = new Weather();
  const { text, steps } = await generateText(asking(stage, weather));
  weather.check(text);
  assert.equal(steps.length, 2);
}

async function tools_streamed(stage) {
  const weather = new Weather();
  let said = "";
  for await (const piece of streamText(asking(stage, weather)).textStream) said += piece;
  weather.check(said);
}

async function generate_object(stage) {
  const { object } = await generateObject({
    model: model(stage, stage.real),
    schema: Sky,
    prompt: QUESTION,
    providerOptions: NO_THINKING,
    maxRetries: 0,
  });
  Sky.parse(object);
}

async function output_streamed(stage) {
  const { partialOutputStream, output } = streamText({
    model: model(stage, stage.real),
    output: Output.object({ schema: Sky }),
    prompt: QUESTION,
    providerOptions: NO_THINKING,
  });
  for await (const _ of partialOutputStream);
  Sky.parse(await output);
}

async function errors(stage) {
  const fails = (status, given) =>
    assert.rejects(
      generateText({ model: given, prompt: "x", maxRetries: 0 }),
      (error) => APICallError.isInstance(error) && error.statusCode === status && !error.isRetryable,
    );
  await fails(401, model(stage, stage.scripted, { apiKey: "wrong" }));
  await fails(404, model(stage, "nobody"));
}

async function error_in_a_stream(stage) {
  const prompt = says("one two three four", { error_after: 3, delay_ms: 20, error: "the engine broke" });
  const seen = [];
  const { fullStream } = streamText({ model: model(stage), prompt, maxRetries: 0, onError: () => {} });
  for await (const part of fullStream) if (part.type === "error") seen.push(part.error);
  assert.equal(seen.length, 1);
  assert.match(String(seen[0]?.message ?? seen[0]), /the engine broke/);
}

async function leave(stage) {
  const endless = new Endless();
  const leaving = new AbortController();
  const { textStream } = streamText({ model: model(stage), prompt: endless.prompt, abortSignal: leaving.signal });
  let seen = 0;
  for await (const _ of textStream) if (++seen === 5) leaving.abort();
  await endless.check();
}

await run(version, {
  plain: generate_text,
  streaming: stream_text,
  tools: [tools, tools_streamed],
  structured: [generate_object, output_streamed],
  errors: [errors, error_in_a_stream],
  cancel: leave,
});
