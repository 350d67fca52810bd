// The card of a task: it is loaded again when something happened to it, until it has ended; and what it offers besides.
"use strict";
(() => {
  const { prefix } = window.windlass;
  const GAP = 300; // ms between two loads
  const card = () => document.getElementById("card");
  const over = () => "final" in card().dataset;
  let stream = null;
  let loaded = 0;
  let timer = 0;

  // Whether a section is open is the reader's choice: a new answer of the server changes nothing about it.
  htmx.config.morphIgnore = [...(htmx.config.morphIgnore || []), "open"];

  function load() {
    if (timer || document.hidden) return;
    timer = setTimeout(() => {
      timer = 0;
      loaded = performance.now();
      document.body.dispatchEvent(new CustomEvent("changed"));
    }, Math.max(0, loaded + GAP - performance.now()));
  }
  function close() {
    if (stream) stream.close();
    stream = null;
  }
  function connect() {
    close();
    if (over() || document.hidden) return;
    const mine = new EventSource(`${prefix}/tasks/${card().dataset.task}/events?after=${card().dataset.after}`);
    stream = mine;
    mine.addEventListener("changed", load);
    mine.addEventListener("over", () => { mine.close(); load(); });
    mine.onerror = () => {
      if (mine.readyState === EventSource.CLOSED && stream === mine) setTimeout(connect, 2000);
    };
  }
  document.addEventListener("htmx:after:swap", () => {
    tick();
    if (over()) close();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return close();
    if (!over()) load();
    connect();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  // What a waiting task waits for changes without anything happening to the task itself.
  document.body.addEventListener("live:queue", () => { if (card().dataset.state === "PENDING") load(); });
  connect();

  // --- time that goes on
  function words(seconds) {
    if (seconds < 10) return `${Math.max(seconds, 0).toFixed(1)} s`;
    const whole = Math.round(seconds);
    for (const [unit, name, small, below] of [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]]) {
      if (whole < unit) continue;
      const rest = Math.floor((whole % unit) / small);
      return rest ? `${Math.floor(whole / unit)} ${name} ${rest} ${below}` : `${Math.floor(whole / unit)} ${name}`;
    }
    return `${whole} s`;
  }
  function tick() {
    for (const shown of document.querySelectorAll("[data-since]")) {
      shown.textContent = words((Date.now() - new Date(shown.dataset.since)) / 1000);
    }
  }
  setInterval(() => { if (!document.hidden) tick(); }, 1000);

  // --- copy
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      // Without https browsers give no clipboard: what is to be copied is selected instead.
      getSelection().selectAllChildren(source);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
})();
