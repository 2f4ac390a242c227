// What is kept, and where. Taste (theme, language) stays with the browser; the key and the conversation stay with this
// tab and go with it. Storage may be switched off or full: then the page works and forgets.

export function kept(name) {
  return reading(() => localStorage.getItem(name));
}

export function keep(name, value) {
  writing(() => localStorage.setItem(name, value));
}

/** The API key; "" without one. It is in no URL, no log and no other storage. */
export function key() {
  return reading(() => sessionStorage.getItem("api-key")) ?? memory;
}

export function keepKey(value) {
  memory = value;
  writing(() => (value ? sessionStorage.setItem("api-key", value) : sessionStorage.removeItem("api-key")));
}

let memory = "";
const LONGEST_DRAFT = 1_000_000; // characters of a conversation that is kept over a reload

export function draft() {
  try {
    return JSON.parse(reading(() => sessionStorage.getItem("draft")) ?? "null");
  } catch {
    return null;
  }
}

export function keepDraft(value) {
  const text = JSON.stringify(value);
  writing(() => (text.length < LONGEST_DRAFT ? sessionStorage.setItem("draft", text) : sessionStorage.removeItem("draft")));
}

function reading(read) {
  try {
    return read();
  } catch {
    return null;
  }
}

function writing(write) {
  try {
    write();
  } catch {
    // Full, or switched off.
  }
}
