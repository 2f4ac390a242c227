// The dialog that shows the present request as a program.

import { $, copied, el, tabs } from "./dom.js";
import { snippets } from "./snippets.js";
import { key } from "./store.js";

export class CodeDialog {
  /** `request` gives the body of the present request. */
  constructor(request) {
    this.texts = {};
    this.name = "curl";
    const named = Object.keys(snippets({}, false)).map((name) =>
      el("button", { type: "button", role: "tab", id: `code-${name}`, "aria-controls": "code-text", "data-name": name }, name),
    );
    $("code-tabs").append(...named);
    const select = tabs($("code-tabs"), (tab) => {
      this.name = tab.dataset.name;
      $("code-text").textContent = this.texts[this.name] ?? "";
      $("code-text").setAttribute("aria-labelledby", tab.id);
    });
    select(named[0]);
    $("open-code").addEventListener("click", () => {
      this.texts = snippets(request(), key() !== "");
      $("code-text").textContent = this.texts[this.name];
      $("code-dialog").showModal();
    });
    $("close-code").addEventListener("click", () => $("code-dialog").close());
    $("copy-code").addEventListener("click", () => copied($("copy-code"), this.texts[this.name]));
  }
}
