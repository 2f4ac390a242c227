// The tools editor: JSON as the API takes it, checked while it is written. It knows OpenAI's shape of a tool.

import { word } from "./words.js";

export const EXAMPLE = JSON.stringify(
  [
    {
      type: "function",
      function: {
        name: "get_weather",
        description: "Current weather of a city",
        parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
      },
    },
  ],
  null,
  2,
);

/** What is written: {tools} (none for blank text), or {problem} with a sentence that says where. */
export function readTools(text) {
  if (!text.trim()) return { tools: [] };
  let tools;
  try {
    tools = JSON.parse(text);
  } catch (error) {
    return { problem: word("tools_not_json", { reason: error.message }) };
  }
  if (!Array.isArray(tools)) return { problem: word("tools_not_list") };
  for (const [at, tool] of tools.entries()) {
    const problem = wrong(tool);
    if (problem) return { problem: word(problem, { at: at + 1 }) };
  }
  const names = tools.map((tool) => tool.function.name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice) return { problem: word("tools_twice", { name: twice }) };
  return { tools };
}

function wrong(tool) {
  if (tool?.type !== "function" || typeof tool.function !== "object" || !tool.function) return "tools_no_function";
  const { name, parameters } = tool.function;
  if (typeof name !== "string" || !/^[\p{L}\p{N}_.:/-]{1,128}$/u.test(name)) return "tools_no_name";
  if (parameters !== undefined && (typeof parameters !== "object" || parameters === null || Array.isArray(parameters))) {
    return "tools_parameters";
  }
  return null;
}
