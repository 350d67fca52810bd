// A tick that is skipped makes no task, so nothing is told of it: the page looks again when one was due.
"use strict";
(() => {
  const AFTERWARDS_MS = 800;
  const LONGEST_MS = 0x7fffffff;
  let timer = 0;
  let planned = null;
  function plan() {
    const part = document.querySelector("[data-due-in]");
    const seconds = part ? part.dataset.dueIn : "";
    if (seconds === planned) return;
    planned = seconds;
    clearTimeout(timer);
    const wait = Number(seconds) * 1000 + AFTERWARDS_MS;
    if (!seconds || wait > LONGEST_MS) return;
    timer = setTimeout(() => {
      planned = null;
      document.body.dispatchEvent(new CustomEvent("due"));
    }, wait);
  }
  document.addEventListener("htmx:after:swap", plan);
  plan();
})();
