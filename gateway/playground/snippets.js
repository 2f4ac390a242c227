// The present request as a program. The key is never in it: programs read it from the environment.

import { BASE } from "./api.js";

const VARIABLE = "GATEWAY_API_KEY";
// Of ours, and not among the arguments of OpenAI's Python package.
const EXTRA = new Set(["top_k", "repetition_penalty", "chat_template_kwargs"]);

/** name → text, in the order they are offered. `keyed`: whether the gateway wants a key. */
export function snippets(body, keyed) {
  return { curl: curl(body, keyed), Python: python(body, keyed), JavaScript: javascript(body, keyed) };
}

function curl(body, keyed) {
  // In JSON a line of text has no real line breaks, so that no line of it can end the document early.
  const lines = [`curl -N ${BASE}v1/chat/completions`, "-H 'content-type: application/json'"];
  if (keyed) lines.push(`-H "authorization: Bearer $${VARIABLE}"`);
  return `${lines.join(" \\\n  ")} \\\n  -d @- <<'JSON'\n${JSON.stringify(body, null, 2)}\nJSON\n`;
}

function python(body, keyed) {
  const fields = Object.entries(body);
  const own = fields.filter(([name]) => !EXTRA.has(name)).map(([name, value]) => `    ${name}=${literal(value, 4)},\n`);
  const extra = fields.filter(([name]) => EXTRA.has(name));
  if (extra.length) own.push(`    extra_body=${literal(Object.fromEntries(extra), 4)},\n`);
  const key = keyed ? `os.environ["${VARIABLE}"]` : '"none"';
  return `# pip install openai
${keyed ? "import os\n\n" : ""}from openai import OpenAI

client = OpenAI(base_url="${BASE}v1", api_key=${key})
stream = client.chat.completions.create(
${own.join("")})
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
print()
`;
}

function javascript(body, keyed) {
  const key = keyed ? `process.env.${VARIABLE}` : '"none"';
  return `// npm install openai
import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${BASE}v1", apiKey: ${key} });
const stream = await client.chat.completions.create(${JSON.stringify(body, null, 2)});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}
console.log();
`;
}

/** A value of JSON as Python writes it. */
function literal(value, indent) {
  const pad = " ".repeat(indent + 4);
  const end = `\n${" ".repeat(indent)}`;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) {
    return value.length ? `[\n${value.map((each) => `${pad}${literal(each, indent + 4)},\n`).join("").trimEnd()}${end}]` : "[]";
  }
  const pairs = Object.entries(value).map(([name, each]) => `${pad}${JSON.stringify(name)}: ${literal(each, indent + 4)},`);
  return pairs.length ? `{\n${pairs.join("\n")}${end}}` : "{}";
}
