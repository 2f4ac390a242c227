// OpenAI's package for Node.

import assert from "node:assert/strict";
import OpenAI, { APIError, AuthenticationError, BadRequestError, NotFoundError } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { VERSION } from "openai/version";
import { z } from "zod";
import { Endless, QUESTION, Slow, Weather, run, says } from "./checking.mjs";

const Sky = z.object({ city: z.enum(["Paris", "Rome"]), kind: z.enum(["sunny", "rainy"]) });

const client = (stage, options = {}) =>
  new OpenAI({ baseURL: stage.api, apiKey: stage.key, maxRetries: 0, ...options });
const asked = (content) => [{ role: "user", content }];

async function create(stage) {
  const reply = await client(stage).chat.completions.create({
    model: stage.scripted,
    messages: asked(says("你好, world 😀")),
  });
  assert.equal(reply.choices[0].message.content, "你好, world 😀");
  assert.equal(reply.choices[0].finish_reason, "stop");
  assert(reply.usage.completion_tokens > 0);
  assert(reply._request_id);
}

async function responses(stage) {
  const reply = await client(stage).responses.create({ model: stage.scripted, input: says("你好, world") });
  assert.equal(reply.output_text, "你好, world");
}

async function models(stage) {
  const names = [];
  for await (const model of client(stage).models.list()) names.push(model.id);
  assert.deepEqual(names.sort(), [stage.scripted, stage.real].sort());
}

async function stream(stage) {
  const slow = new Slow();
  const chunks = await client(stage).chat.completions.create({
    model: stage.scripted,
    messages: asked(slow.prompt),
    stream: true,
    stream_options: { include_usage: true },
  });
  let usage;
  for await (const chunk of chunks) {
    slow.see(chunk.choices[0]?.delta.content);
    usage = chunk.usage ?? usage;
  }
  slow.check();
  assert(usage.completion_tokens > 20);
}

async function responses_stream(stage) {
  const slow = new Slow();
  const events = await client(stage).responses.create({ model: stage.scripted, input: slow.prompt, stream: true });
  const kinds = new Set();
  for await (const event of events) {
    kinds.add(event.type);
    if (event.type === "response.output_text.delta") slow.see(event.delta);
  }
  slow.check();
  assert(kinds.has("response.completed"));
}

// The package's own loop: it calls the function and sends its result back.
function runner(stage, weather, more = {}) {
  return client(stage).chat.completions.runTools({
    model: stage.scripted,
    messages: asked(weather.prompt),
    tools: [
      {
        type: "function",
        function: {
          name: "get_weather",
          description: weather.description,
          parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
          parse: JSON.parse,
          function: weather.look,
        },
      },
    ],
    ...more,
  });
}

async function run_tools(stage) {
  const weather = new Weather();
  weather.check(await runner(stage, weather).finalContent());
}

async function run_tools_streamed(stage) {
  const weather = new Weather();
  weather.check(await runner(stage, weather, { stream: true }).finalContent());
}

async function parse(stage) {
  const reply = await client(stage).chat.completions.parse({
    model: stage.real,
    messages: asked(QUESTION),
    response_format: zodResponseFormat(Sky, "sky"),
    chat_template_kwargs: { enable_thinking: false },
  });
  Sky.parse(reply.choices[0].message.parsed);
}

async function errors(stage) {
  const ask = (options, fields = {}) =>
    client(stage, options).chat.completions.create({ model: stage.scripted, messages: asked("x"), ...fields });
  await assert.rejects(ask({ apiKey: "wrong" }), AuthenticationError);
  await assert.rejects(
    ask({}, { model: "nobody" }),
    (error) => error instanceof NotFoundError && error.code === "model_not_found",
  );
  await assert.rejects(
    ask({}, { temperature: 9 }),
    (error) => error instanceof BadRequestError && error.param === "temperature" && Boolean(error.requestID),
  );
}

async function error_in_a_stream(stage) {
  const prompt = says("one two three four", { error_after: 3, delay_ms: 20, error: "the engine broke" });
  const chunks = await client(stage).chat.completions.create({
    model: stage.scripted,
    messages: asked(prompt),
    stream: true,
  });
  await assert.rejects(
    async () => {
      for await (const _ of chunks);
    },
    (error) => error instanceof APIError && error.message.includes("the engine broke"),
  );
}

async function leave(stage) {
  const endless = new Endless();
  const chunks = await client(stage).chat.completions.create({
    model: stage.scripted,
    messages: asked(endless.prompt),
    stream: true,
  });
  let seen = 0;
  for await (const _ of chunks) if (++seen === 5) break;
  await endless.check();
}

await run(VERSION, {
  plain: [create, responses, models],
  streaming: [stream, responses_stream],
  tools: [run_tools, run_tools_streamed],
  structured: parse,
  errors: [errors, error_in_a_stream],
  cancel: leave,
});
