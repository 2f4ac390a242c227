// The body of a chat request, from what the page holds. It knows the API's fields; it must not know nodes.

/** `messages` of the page → those of the API. */
export function history(system, messages) {
  const turns = system.trim() ? [{ role: "system", content: system }] : [];
  for (const message of messages) {
    if (message.role === "user") turns.push({ role: "user", content: message.content });
    else turns.push(...answered(message));
  }
  return turns;
}

/** An answer, and after it what its tools said. */
function answered({ content, reasoning, calls }) {
  const given = calls.filter((call) => call.result !== undefined);
  if (!content && !given.length) return []; // it failed, or was stopped, before it said anything
  const turn = { role: "assistant", content: content || null };
  if (reasoning) turn.reasoning_content = reasoning;
  if (given.length) {
    turn.tool_calls = given.map(({ id, name, arguments: text }) => ({ id, type: "function", function: { name, arguments: text } }));
  }
  return [turn, ...given.map(({ id, result }) => ({ role: "tool", tool_call_id: id, content: result }))];
}

/** The request. `settings`: model, system, sampling, stops, thinking, logprobs, tools, choice. */
export function chatRequest(settings, messages) {
  const { model, system, sampling, stops, thinking, logprobs, tools, choice } = settings;
  const body = { model, messages: history(system, messages), stream: true, stream_options: { include_usage: true } };
  Object.assign(body, sampling);
  if (stops.length) body.stop = stops;
  if (logprobs) body.logprobs = true;
  if (tools.length) Object.assign(body, { tools, tool_choice: choice });
  if (thinking) body.chat_template_kwargs = { enable_thinking: thinking === "on" };
  return body;
}

/** One stop string a line; \n and \t in them are what they mean. */
export function readStops(text) {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => line.replace(/\\([nt\\])/g, (_, char) => ({ n: "\n", t: "\t", "\\": "\\" })[char]));
}
