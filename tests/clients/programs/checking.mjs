// What every check program in JavaScript needs: scripts for the engine, a tool, and a place for results.
// The same as checking.py, and like it without any client.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

export const QUESTION = "Tell me something about yourself.";

const stage = JSON.parse(process.env.CLIENTS_STAGE);
stage.api = `${stage.url}/v1`;

// A prompt to which the scripted engine answers with that text.
export function says(text, more = {}) {
  const written = JSON.stringify({ text, ...more })
    .replace(/[\u0080-\uffff]/g, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .replaceAll("<", "\\u003c");
  return `{{script ${written}}}`;
}

export function calls(name, args) {
  return says(`<tool_call>\n${JSON.stringify({ name, arguments: args })}\n</tool_call>`);
}

const fresh = () => randomBytes(4).toString("hex");

// A tool whose result nobody can guess, and which makes the scripted engine say it: see checking.py.
export class Weather {
  station = fresh();
  cities = [];
  prompt = calls("get_weather", { city: "巴黎" });
  description = "Say what the weather is like in a city.";

  look = ({ city }) => {
    this.cities.push(city);
    return says(`In ${city} it is sunny, says station ${this.station}.`);
  };

  check(answer) {
    assert.deepEqual(this.cities, ["巴黎"]);
    assert.equal(answer, `In 巴黎 it is sunny, says station ${this.station}.`);
  }
}

function journalled(tag, event) {
  return readFileSync(stage.journal, "utf8")
    .split("\n")
    .filter((line) => line.includes(`"${tag}"`))
    .some((line) => line.includes(`"event": "${event}"`));
}

// An answer that takes five seconds, to see pieces of it while the engine still writes.
export class Slow {
  text = "你好, one two three four five six seven eight nine ten. ".repeat(3).trim();
  tag = `slow-${fresh()}`;
  pieces = [];
  prompt = says(this.text, { tag: this.tag, delay_ms: 100 });

  see(piece) {
    if (!piece) return;
    if (this.pieces.length === 0) this.early = !journalled(this.tag, "end");
    this.pieces.push(piece);
  }

  check() {
    assert.equal(this.pieces.join(""), this.text);
    assert(this.early, "the first piece came only after the engine had ended");
    assert(this.pieces.length > 3, `only ${this.pieces.length} pieces came`);
  }
}

// An answer that goes on until its client leaves.
export class Endless {
  tag = `endless-${fresh()}`;
  prompt = says("one two three ", { tag: this.tag, repeat: true, delay_ms: 20 });

  // The engine saw that the client has left, while this process lives on.
  async check() {
    const deadline = Date.now() + 15_000;
    while (!journalled(this.tag, "cancel")) {
      assert(Date.now() < deadline, "the engine saw no cancel within 15 s");
      await pause(20);
    }
  }
}

// Runs the checks: a line of JSON with the version and the columns, then one per check.
export async function run(version, checks) {
  const write = (line) => appendFileSync(process.env.CLIENTS_RESULTS, `${JSON.stringify(line)}\n`);
  write({ version, columns: Object.keys(checks) });
  for (const [column, listed] of Object.entries(checks)) {
    for (const check of [listed].flat()) {
      let wrong = null;
      try {
        await check(stage);
      } catch (error) {
        console.error(error);
        // The last line says what happened, as in a traceback of Python.
        wrong = `${error.stack}\n${error.name}: ${String(error.message).replaceAll("\n", " ")}`;
      }
      write({ column, name: check.name, wrong });
    }
  }
}
