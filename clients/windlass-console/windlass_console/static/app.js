// What all pages share: the live stream, times in the viewer's zone, the theme, dialogs.
"use strict";
(() => {
  const prefix = document.querySelector('meta[name="prefix"]').content;

  // --- times: the element keeps the exact one, people see theirs
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
  function localise(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime);
      if (isNaN(moment)) continue;
      const today = moment.toDateString() === new Date().toDateString();
      const words = time.dataset.show === "day" ? day.format(moment)
        : today || time.dataset.show === "clock" ? clock.format(moment) : `${day.format(moment)}, ${clock.format(moment)}`;
      if (time.textContent !== words) time.textContent = words;
      const exact = `${moment.toLocaleString(undefined, { timeZoneName: "long" })}\n${time.dateTime}`;
      if (time.title !== exact) time.title = exact;
    }
  }
  window.windlass = { prefix, localise };
  localise(document);
  for (const name of ["htmx:after:swap", "htmx:after:settle"]) document.addEventListener(name, () => localise(document));

  // --- the zone: what the server groups by day, it groups by the viewer's days
  document.cookie = `windlass_zone=${Intl.DateTimeFormat().resolvedOptions().timeZone}; path=${prefix || "/"}; samesite=strict; max-age=31536000`;

  // --- the theme
  document.getElementById("theme").addEventListener("click", () => {
    const dark = getComputedStyle(document.documentElement).colorScheme.startsWith("dark");
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", document.documentElement.dataset.theme);
    document.dispatchEvent(new Event("theme"));
  });

  // --- dialogs: what is loaded into #dialog opens; a [data-close] in it closes it again
  const dialog = document.getElementById("dialog");
  document.addEventListener("htmx:after:swap", () => {
    if (dialog.children.length && !dialog.open) dialog.showModal();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
  });
  dialog.addEventListener("close", () => dialog.replaceChildren());
  document.body.addEventListener("close-dialog", () => dialog.close());

  // --- live: one stream for the page; `live:queue`, `live:overview`, `live:history` on body, for hx-trigger="live:queue from:body"
  if (!("live" in document.body.dataset)) return;
  const pending = new Set();
  let timer = 0;
  let stream = null;
  function flush() {
    timer = 0;
    for (const topic of pending) document.body.dispatchEvent(new CustomEvent(`live:${topic}`));
    pending.clear();
  }
  function hint(topics) {
    for (const topic of topics) pending.add(topic);
    if (!timer && !document.hidden) timer = setTimeout(flush, 100);
  }
  function link(state) {
    const shown = document.getElementById("link");
    shown.dataset.state = state.reachable ? "on" : "off";
    shown.lastElementChild.textContent = state.words || (state.reachable ? "live" : "kernel unreachable");
    shown.title = state.trouble || "";
  }
  function connect() {
    if (stream) stream.close();
    stream = new EventSource(`${prefix}/live`);
    let broken = false;
    stream.addEventListener("link", (event) => {
      link(JSON.parse(event.data));
      if (broken) hint(["overview", "queue", "history"]);
      broken = false;
    });
    stream.addEventListener("hint", (event) => hint(JSON.parse(event.data)));
    stream.onerror = () => {
      broken = true;
      link({ reachable: false, words: "console unreachable", trouble: "the console does not answer; trying again" });
      if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
    };
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { if (stream) stream.close(); stream = null; return; }
    connect();
    hint(["overview", "queue", "history"]);
  });
  addEventListener("pagehide", () => stream && stream.close());
  if (!document.hidden) connect();
})();
