// Asks the gateway, and turns whatever goes wrong into one kind of failure that can be explained to a person.
// It knows HTTP, server-sent events and OpenAI's error object. It must not know what is asked or shown.

import { key } from "./store.js";

// Beside this page, wherever a proxy puts it; never with a search or a user's name in it.
export const BASE = new URL(".", location.origin + location.pathname);

/** What went wrong. `kind` has a title and a hint among the words; `message` is the gateway's own sentence, or "". */
export class Failure extends Error {
  constructor(kind, { message = "", status = 0, retryAfter = 0, id = "" } = {}) {
    super(message);
    Object.assign(this, { kind, status, retryAfter, id });
  }
}

/** The response to a request that went well. Failure else; an abort passes as it is. */
export async function ask(path, { body, signal } = {}) {
  const headers = {};
  if (key()) headers.authorization = `Bearer ${key()}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(new URL(path, BASE), {
      method: body === undefined ? "GET" : "POST",
      headers,
      body,
      signal,
      credentials: "omit",
      referrerPolicy: "no-referrer",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("unreachable");
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

/** JSON of a good reply. */
export async function askJson(path) {
  const response = await ask(path);
  try {
    return await response.json();
  } catch {
    throw new Failure("foreign", { status: response.status });
  }
}

const BY_CODE = {
  context_length_exceeded: "too_long",
  model_not_found: "no_model",
  payload_too_large: "too_large",
  overloaded: "overloaded",
  shutting_down: "ending",
  service_unavailable: "backend_down",
  upstream_error: "backend_failed",
  timeout: "late",
};
const BY_STATUS = { 403: "forbidden", 413: "too_large", 429: "limited", 503: "backend_down", 504: "late" };

// What may happen when the answer has begun.
const LATE = new Set(["overloaded", "ending", "backend_down", "backend_failed", "late"]);

async function refusal(response) {
  const { status } = response;
  let said;
  try {
    said = JSON.parse(await response.text()).error;
  } catch {
    said = undefined;
  }
  const more = {
    message: typeof said?.message === "string" ? said.message : "",
    status,
    retryAfter: Math.min(Number.parseInt(response.headers.get("retry-after") ?? "0", 10) || 0, 3600),
    id: response.headers.get("x-request-id") ?? "",
  };
  if (status === 401) return new Failure(key() ? "key_wrong" : "key_needed", more);
  if (!said) return new Failure("foreign", more);
  if (status === 429 && response.headers.get("x-should-retry") === "false") return new Failure("never_fits", more);
  return new Failure(BY_CODE[said.code] ?? BY_STATUS[status] ?? (status >= 500 ? "broken" : "refused"), more);
}

/** The objects of an event stream, up to its [DONE]. Failure where it says an error, or ends before its end. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const id = response.headers.get("x-request-id") ?? "";
  let rest = "";
  let whole = false;
  try {
    for (;;) {
      let read;
      try {
        read = await reader.read();
      } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new Failure("cut", { id });
      }
      if (read.done) throw new Failure("cut", { id });
      const lines = (rest + read.value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data:")) continue; // comments keep the connection open; other fields are not used
        const data = line.slice(5).trim();
        if (data === "[DONE]") {
          whole = true;
          return;
        }
        const event = parsed(data, id);
        if (event.error) {
          const { code, message } = event.error;
          throw new Failure(`stream_${LATE.has(BY_CODE[code]) ? BY_CODE[code] : "failed"}`, { message: String(message ?? ""), id });
        }
        yield event;
      }
    }
  } finally {
    if (whole) drain(reader);
    else reader.cancel().catch(() => {}); // whoever leaves the stream early hangs up
  }
}

/** Reads what is behind the end, which is nothing, so that the connection can be used again. */
async function drain(reader) {
  try {
    while (!(await reader.read()).done);
  } catch {
    // It was cut behind its end; nobody misses anything.
  }
}

function parsed(data, id) {
  try {
    return JSON.parse(data);
  } catch {
    throw new Failure("cut", { id });
  }
}
