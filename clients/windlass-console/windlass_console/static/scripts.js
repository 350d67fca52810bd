// The editor of a script: indenting without taking the Tab key away, and a word before what is not saved is lost.
"use strict";
(() => {
  let saved = "";
  let leaving = false;
  const form = () => document.getElementById("editor");
  const written = () => JSON.stringify([...new FormData(form())].filter(([name]) => name !== "expected"));
  const isChanged = () => form() !== null && !leaving && written() !== saved;
  saved = form() ? written() : "";

  addEventListener("beforeunload", (event) => { if (isChanged()) event.preventDefault(); });
  document.addEventListener("input", () => {
    const word = document.getElementById("unsaved");
    if (word) word.textContent = isChanged() ? "not saved yet" : "";
  });
  // What the server took is saved: the page goes on to the script.
  document.addEventListener("htmx:before:response", (event) => {
    const headers = event.detail.ctx?.response?.headers;
    if (headers?.get("hx-redirect")) leaving = true;
  });
  document.addEventListener("htmx:after:swap", () => {
    const wrong = document.querySelector("#editor [aria-invalid], #editor [data-expected]");
    if (wrong) wrong.focus();
  });
  document.addEventListener("click", (event) => {
    const over = event.target.closest("[data-expected]");
    if (over) form().elements.expected.value = over.dataset.expected;
  }, true);

  // By execCommand, because that alone keeps the browser's own undo.
  function replace(area, from, to, text) {
    area.setSelectionRange(from, to);
    document.execCommand("insertText", false, text);
  }
  function shift(area, inwards) {
    const { value, selectionStart, selectionEnd } = area;
    const from = value.lastIndexOf("\n", selectionStart - 1) + 1;
    const lines = value.slice(from, selectionEnd).split("\n");
    const moved = lines.map((line) => inwards ? (line ? "    " + line : line) : line.replace(/^( {1,4}|\t)/, "")).join("\n");
    if (moved === lines.join("\n")) return;
    replace(area, from, selectionEnd, moved);
    area.setSelectionRange(lines.length > 1 ? from : area.selectionEnd, area.selectionEnd);
  }
  document.addEventListener("keydown", (event) => {
    if (!form() || !(event.ctrlKey || event.metaKey) || event.altKey) return;
    if (event.key === "s") { event.preventDefault(); form().requestSubmit(form().querySelector(".primary")); return; }
    if (event.target.id !== "script-text" || !(event.key === "]" || event.key === "[")) return;
    event.preventDefault();
    shift(event.target, event.key === "]");
  });
})();
