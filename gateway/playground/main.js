// Puts the page together: views, key, models, language, theme. Everything else knows only its own part.

import { askJson, Failure } from "./api.js";
import { Chat } from "./chat.js";
import { CodeDialog } from "./code.js";
import { $, el, tabs } from "./dom.js";
import { Operations } from "./operations.js";
import { keep, key, keepKey } from "./store.js";
import { chooseLanguage, currentLanguage, firstLanguage, say, speak, word } from "./words.js";

const LOOK = 10_000; // milliseconds between looks at whether the gateway is ready

speak(firstLanguage());
let settings = { max_body_bytes: Infinity, keys_needed: false };
try {
  settings = await askJson("playground/settings.json");
} catch (error) {
  if (!(error instanceof Failure)) throw error;
}

const chat = new Chat(settings.max_body_bytes, (failure) => failed(failure));
const operations = new Operations();
new CodeDialog(() => chat.request());

// Views

const select = tabs(document.querySelector(".bar .tabs"), (tab) => {
  const name = tab.getAttribute("aria-controls");
  $("chat").hidden = name !== "chat";
  $("operations").hidden = name !== "operations";
  operations.show(name === "operations");
  history.replaceState(null, "", name === "chat" ? location.pathname : `#${name}`);
});
if (location.hash === "#operations") select($("tab-operations"));

// The key

function showKey(text) {
  $("key-card").hidden = !text;
  if (!text) return;
  say($("key-text"), text);
  $("key").value = key();
  $("key-forget").hidden = !key();
  $("key").focus();
}

$("open-key").addEventListener("click", () => {
  select($("tab-chat"));
  showKey($("key-card").hidden ? (settings.keys_needed ? "key_text" : "key_text_open") : "");
});
$("key-card").addEventListener("submit", async (event) => {
  event.preventDefault();
  keepKey($("key").value.trim());
  if (await loadModels()) {
    showKey("");
    chat.composer.focus();
  }
});
$("key-forget").addEventListener("click", () => {
  keepKey("");
  loadModels();
});

function failed({ kind }) {
  if (kind === "key_needed") showKey("key_text");
  if (kind === "key_wrong") showKey("key_text_wrong");
}

// Models, and how the gateway is

let timer = 0;
let state = "unknown";

async function loadModels() {
  if (settings.keys_needed && !key()) {
    chat.panel.list([]);
    showKey("key_text");
    return false;
  }
  try {
    chat.panel.list((await askJson("v1/models")).data);
    look();
    return true;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    chat.panel.list([]);
    failed(error);
    health(error.kind === "unreachable" ? "unreachable" : "unknown");
    clearTimeout(timer);
    timer = setTimeout(look, LOOK);
    return false;
  }
}

async function look() {
  clearTimeout(timer);
  if (document.hidden) return;
  if (!settings.keys_needed || key()) {
    const before = state;
    try {
      await askJson("readyz");
      health("ready");
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      health({ unreachable: "unreachable", backend_down: "away", foreign: "away" }[error.kind] ?? "unknown");
    }
    if (before !== "ready" && state === "ready" && before !== "unknown") loadModels(); // what they can do is known only now
  }
  timer = setTimeout(look, LOOK);
}

function health(now) {
  state = now;
  $("health").dataset.state = now;
  say($("health-word"), `health_${now}`);
}

document.addEventListener("visibilitychange", look);

// Language and theme

function showLanguage() {
  $("language").textContent = word("other_language");
  $("language").lang = currentLanguage() === "en" ? "zh-CN" : "en";
}

$("language").addEventListener("click", () => {
  chooseLanguage(currentLanguage() === "en" ? "zh" : "en");
  chat.relabel();
  operations.relabel();
  showLanguage();
});

$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  keep("theme", root.dataset.theme);
});

// What may be asked first

function starters() {
  const asking = (name) => {
    const button = el("button", { type: "button", class: "starter", word: name });
    button.addEventListener("click", () => {
      chat.composer.text = word(name);
      chat.composer.focus();
    });
    return button;
  };
  $("starters").replaceChildren(...["starter_1", "starter_2", "starter_3"].map(asking));
}

starters();
showLanguage();
health("unknown");
await loadModels();
if (!$("key-card").hidden) $("key").focus();
else chat.composer.focusQuietly();
